//! Penstock's own words: for someone who reads them at three in the morning and has not seen them before.
//!
//! Rules: say what happened, to which worker, and, when something is wrong, what is going to happen next.

use config::Level::{Debug, Error, Info, Warning};
use std::time::Duration;

use super::{Lines, count, signal_name};
use crate::event::{Event, ExitStatus, LateRequest, StopKind};

pub(super) fn lines(event: &Event) -> Lines {
    match event {
        Event::Starting { version } => vec![(Info, format!("Penstock {version}"))],
        Event::Listening { addresses, .. } => vec![(Info, format!("Listening at {}", addresses.join(", ")))],
        Event::Prepared {
            workers,
            threads,
            preloaded,
            ..
        } => {
            vec![(Info, prepared(*workers, *threads, *preloaded))]
        }
        Event::PidfileWritten { path } => vec![(Info, format!("Process id written to {}", path.display()))],
        Event::MasterSpawned { pid } => {
            vec![(
                Info,
                format!("Master running (pid {pid}); HUP reloads, TERM or Ctrl-C stops"),
            )]
        }
        Event::WorkerBooting { pid, number } => {
            vec![(Debug, format!("Worker {number} starting (pid {pid})"))]
        }
        Event::WorkerReady {
            pid,
            number,
            threads,
            boot,
            ..
        } => vec![(
            Info,
            format!(
                "Worker {number} ready (pid {pid}, {}, application in {})",
                count(u64::from(*threads), "thread"),
                seconds(*boot)
            ),
        )],
        Event::Lifespan(step) => vec![super::lifespan(*step)],
        Event::Lingering(linger) => super::lingering(*linger, false),
        Event::WebSocketAccepted { .. } | Event::WebSocketRejected { .. } | Event::WebSocketClosed => vec![],
        Event::WorkerExiting { pid, .. } => vec![(Debug, format!("Worker with pid {pid} is leaving"))],
        Event::WorkerRecycling { pid, requests } => vec![(
            Info,
            format!(
                "Worker with pid {pid} has served {} and makes room for a new one",
                count(*requests, "request")
            ),
        )],
        Event::WorkerLimit(limit) => vec![super::worker_limit(limit)],
        Event::MasterGone { pid } => {
            vec![(
                Warning,
                format!("Worker with pid {pid} leaves: its master is gone"),
            )]
        }
        Event::WorkerExited {
            pid,
            number,
            status,
            expected,
            after,
            ..
        } => {
            vec![worker_exited(*pid, *number, *status, *expected, *after)]
        }
        Event::WorkerRespawned { pid, number } => {
            vec![(Info, format!("Worker {number} replaced (new pid {pid})"))]
        }
        Event::RespawnDelayed { delay } => {
            vec![(
                Warning,
                format!(
                    "Workers die before they are ready; next try in {}",
                    seconds(*delay)
                ),
            )]
        }
        Event::BootFailed { exit_code } => vec![(
            Error,
            format!(
                "The application could not be loaded, see above; nothing is served, leaving with exit code {exit_code}"
            ),
        )],
        Event::RequestInterrupted(late) => vec![super::interrupted(late)],
        Event::RequestDeadline { late, .. } => vec![(Error, stopped(late))],
        Event::WorkerKilled { pid, number } => {
            vec![(
                Warning,
                format!("Worker {number} (pid {pid}) did not leave in time and is killed"),
            )]
        }
        Event::SignalHandled { name } => vec![(Info, format!("Signal received: {}", name.to_uppercase()))],
        Event::ReloadStarting { .. } => {
            vec![(
                Info,
                "Reloading: new workers start, the old ones serve until those are ready".to_owned(),
            )]
        }
        Event::ReloadFinished { workers } => {
            vec![(
                Info,
                format!("Reloaded: {} ready", count(u64::from(*workers), "new worker")),
            )]
        }
        Event::ReloadFailed { reason } => {
            vec![(
                Error,
                format!("Reload failed, the old workers go on serving: {reason}"),
            )]
        }
        Event::WorkerRetiring { pid, number, kind } => {
            let how = match kind {
                StopKind::Graceful => "finishes its requests and leaves",
                StopKind::Quick => "is stopped at once",
            };
            vec![(Info, format!("Worker {number} (pid {pid}) {how}"))]
        }
        Event::Touched { path } => vec![(Info, format!("{} has changed", path.display()))],
        Event::Stopping {
            kind: StopKind::Graceful,
        } => {
            vec![(
                Info,
                "Stopping: requests in progress are finished first".to_owned(),
            )]
        }
        Event::Stopping {
            kind: StopKind::Quick,
        } => vec![(Info, "Stopping at once".to_owned())],
        Event::Stopped { .. } => vec![(Info, "Stopped".to_owned())],
        Event::FileRemoved { path, .. } => vec![(Debug, format!("Removed {}", path.display()))],
        Event::Uwsgi(_) => vec![],
    }
}

fn prepared(workers: u32, threads: u32, preloaded: bool) -> String {
    let workers = count(u64::from(workers), "worker");
    let threads = count(u64::from(threads), "thread");
    let application = if preloaded {
        ", application loaded once before the fork"
    } else {
        ""
    };
    format!("Starting {workers} with {threads} each{application}")
}

fn stopped(late: &LateRequest) -> String {
    let LateRequest {
        pid,
        number,
        thread,
        request,
        client,
        age,
    } = late;
    format!(
        "Worker {number} (pid {pid}, thread {thread}) is stopped: it has spent {} in {request} from {client}, longer than the \
         deadline allows",
        seconds(*age)
    )
}

fn worker_exited(
    pid: u32,
    number: u32,
    status: ExitStatus,
    expected: bool,
    after: Duration,
) -> (config::Level, String) {
    let worker = format!("Worker {number} (pid {pid})");
    match status {
        _ if expected => (Info, format!("{worker} left after {}", seconds(after))),
        ExitStatus::Code(0) => (Info, format!("{worker} left")),
        ExitStatus::Code(code) => (Error, format!("{worker} died with exit code {code}")),
        ExitStatus::Signal(9) => (
            Error,
            format!("{worker} was killed by SIGKILL; if nobody did that, memory may have run out"),
        ),
        ExitStatus::Signal(signal) => (Error, format!("{worker} was killed by {}", signal_name(signal))),
    }
}

fn seconds(duration: Duration) -> String {
    let decimals = if duration < Duration::from_secs(10) { 2 } else { 0 };
    format!("{:.decimals$} s", duration.as_secs_f64())
}
