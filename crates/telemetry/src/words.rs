//! What an event is called: one table per dialect, from [`Event`] to levels and texts.
//!
//! Rules: tables are pure functions; texts may hold data from users as it came (the log escapes it); an event a
//! dialect has no words for gives no line. It leaves out prefixes and time stamps of lines, which the log adds.

mod gunicorn;
mod native;
mod uvicorn;
mod uwsgi;

use config::{Dialect, Level, Processes};

use crate::event::{Event, LateRequest, LifespanStep, Linger, WorkerLimit};

/// Lines of one event, in order.
pub(crate) type Lines = Vec<(Level, String)>;

/// When and where an event is told.
#[derive(Clone, Debug)]
pub(crate) struct Moment {
    /// Seconds since the beginning of 1970.
    pub(crate) unix_seconds: u64,
    /// The same as ctime writes it, in local time: `Sun Nov 22 09:33:39 2026`.
    pub(crate) ctime: String,
    /// The process that tells it.
    pub(crate) pid: u32,
    /// Which processes may be spoken of.
    pub(crate) processes: Processes,
}

/// The lines of `event` in the words of `dialect`.
pub(crate) fn lines(dialect: Dialect, event: &Event, moment: &Moment) -> Lines {
    match dialect {
        Dialect::Native => native::lines(event),
        Dialect::Gunicorn => gunicorn::lines(event),
        Dialect::Uwsgi => uwsgi::lines(event, moment),
        Dialect::Uvicorn => uvicorn::lines(event, moment),
    }
}

/// Why a worker is replaced, in uWSGI's words: no other server of the dialects has such limits.
fn worker_limit(limit: &WorkerLimit) -> (Level, String) {
    match limit {
        WorkerLimit::TooOld { number, after } => {
            let seconds = after.as_secs();
            let words = format!("worker {number} lifetime reached, it was running for {seconds} second(s)");
            (Level::Info, words)
        }
        WorkerLimit::TooLarge {
            pid,
            number,
            what,
            bytes,
            brutal,
        } => {
            let how = if *brutal { "EVIL RELOAD" } else { "RELOAD" };
            let words = format!("*** {how} ON WORKER {number} {what}: {bytes} (pid: {pid}) ***");
            (Level::Warning, words)
        }
    }
}

/// A request that is interrupted, in our own words: no other server does that.
fn interrupted(late: &LateRequest) -> (Level, String) {
    let LateRequest {
        pid,
        number,
        thread,
        request,
        client,
        age,
    } = late;
    let words = format!(
        "{request} from {client} is interrupted after {:.1} s, longer than the deadline allows (worker {number}, pid {pid}, \
         thread {thread})",
        age.as_secs_f64()
    );
    (Level::Error, words)
}

/// An application's lifespan, in uvicorn's words, which whoever runs ASGI applications knows.
fn lifespan(step: LifespanStep) -> (Level, String) {
    let (level, words) = match step {
        LifespanStep::Starting => (Level::Info, "Waiting for application startup."),
        LifespanStep::Started => (Level::Info, "Application startup complete."),
        LifespanStep::Unsupported => (Level::Info, "ASGI 'lifespan' protocol appears unsupported."),
        LifespanStep::StartFailed => (Level::Error, "Application startup failed. Exiting."),
        LifespanStep::Broke => (Level::Error, "Exception in 'lifespan' protocol"),
        LifespanStep::Stopping => (Level::Info, "Waiting for application shutdown."),
        LifespanStep::Stopped => (Level::Info, "Application shutdown complete."),
        LifespanStep::StopFailed => (Level::Error, "Application shutdown failed. Exiting."),
    };
    (level, words.to_owned())
}

/// What a worker that leaves waits for, in uvicorn's words too. Others say only what is cancelled.
fn lingering(linger: Linger, says_all: bool) -> Lines {
    let waits = |what: &str| vec![(Level::Info, format!("Waiting for {what}. (CTRL+C to force quit)"))];
    match linger {
        Linger::Cancelled(tasks) => vec![(
            Level::Error,
            format!("Cancel {tasks} running task(s), timeout graceful shutdown exceeded"),
        )],
        Linger::Connections if says_all => waits("connections to close"),
        Linger::Tasks if says_all => waits("background tasks to complete"),
        Linger::Connections | Linger::Tasks => vec![],
    }
}

/// `1 worker`, `2 workers`.
fn count(number: u64, noun: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{ending}")
}

/// The name of a signal: `SIGKILL`; its number where it has no name everybody knows.
fn signal_name(signal: i32) -> String {
    use rustix::process::Signal;
    let name = match Signal::from_named_raw(signal) {
        Some(Signal::HUP) => "SIGHUP",
        Some(Signal::INT) => "SIGINT",
        Some(Signal::QUIT) => "SIGQUIT",
        Some(Signal::ILL) => "SIGILL",
        Some(Signal::TRAP) => "SIGTRAP",
        Some(Signal::ABORT) => "SIGABRT",
        Some(Signal::BUS) => "SIGBUS",
        Some(Signal::FPE) => "SIGFPE",
        Some(Signal::KILL) => "SIGKILL",
        Some(Signal::USR1) => "SIGUSR1",
        Some(Signal::SEGV) => "SIGSEGV",
        Some(Signal::USR2) => "SIGUSR2",
        Some(Signal::PIPE) => "SIGPIPE",
        Some(Signal::ALARM) => "SIGALRM",
        Some(Signal::TERM) => "SIGTERM",
        Some(Signal::XCPU) => "SIGXCPU",
        Some(Signal::XFSZ) => "SIGXFSZ",
        Some(Signal::SYS) => "SIGSYS",
        _ => return format!("signal {signal}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests;
