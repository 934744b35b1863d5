//! uWSGI's words, which have no levels and no prefix; ours where uWSGI says nothing.

use config::Level::{Error, Info, Warning};
use config::UWSGI_VERSION;

use super::{Lines, Moment};
use crate::event::{Event, ExitStatus, LateRequest, ScalingStep, StopKind, UwsgiEvent};
use crate::surroundings::Surroundings;

/// uWSGI's exit code with `need-app` when no application can be loaded.
const NO_APPLICATION: i32 = 22;

pub(super) fn lines(event: &Event, moment: &Moment) -> Lines {
    let date = &moment.ctime;
    match event {
        Event::Starting { version } => vec![
            (
                Info,
                format!("*** Starting uWSGI {UWSGI_VERSION} (64bit) on [{date}] ***"),
            ),
            (Info, format!("*** served by Penstock {version} ***")),
        ],
        Event::Listening {
            addresses,
            descriptors,
            ..
        } => addresses
            .iter()
            .zip(descriptors)
            .enumerate()
            .map(|(index, (address, descriptor))| (Info, bound(index, address, *descriptor)))
            .collect(),
        Event::Prepared {
            workers,
            threads,
            backlog,
            graceful,
            ..
        } => [
            format!("your server socket listen backlog is limited to {backlog} connections"),
            format!(
                "your mercy for graceful operations on workers is {} seconds",
                graceful.as_secs()
            ),
            format!("*** Operational MODE: {} ***", mode(*workers, *threads)),
        ]
        .map(|line| (Info, line))
        .into(),
        Event::PidfileWritten { path } => vec![(Info, format!("writing pidfile to {}", path.display()))],
        Event::MasterSpawned { pid } => vec![(Info, format!("spawned uWSGI master process (pid: {pid})"))],
        // uWSGI announces a worker when it is forked; ours are told of when they are ready, with their threads.
        Event::WorkerBooting { .. } => vec![],
        Event::WorkerReady {
            pid,
            number,
            threads,
            boot,
            has_application,
            ..
        } => {
            let application = has_application.then(|| (Info, application_ready(*pid, boot.as_secs())));
            let spawned = format!("spawned uWSGI worker {number} (pid: {pid}, cores: {threads})");
            application.into_iter().chain([(Info, spawned)]).collect()
        }
        Event::Lifespan(step) => vec![super::lifespan(*step)],
        Event::Lingering(linger) => super::lingering(*linger, false),
        Event::WebSocketAccepted { .. } | Event::WebSocketRejected { .. } | Event::WebSocketClosed => vec![],
        Event::WorkerExiting { .. } => vec![],
        Event::WorkerRecycling { pid, .. } => {
            vec![(Info, format!("...The work of process {pid} is done. Seeya!"))]
        }
        Event::WorkerLimit(limit) => vec![super::worker_limit(limit)],
        Event::MasterGone { pid } => vec![(
            Error,
            format!(
                "uWSGI worker (pid: {pid}) error: the master disconnected from this worker. Shutting down the worker."
            ),
        )],
        Event::WorkerExited {
            pid,
            number,
            status,
            expected,
            leaving,
            ..
        } => {
            vec![worker_exited(
                *pid,
                *number,
                *status,
                *expected,
                leaving.as_secs(),
            )]
        }
        Event::WorkerRespawned { pid, number } => {
            vec![(Info, format!("Respawned uWSGI worker {number} (new pid: {pid})"))]
        }
        Event::RespawnDelayed { delay } => vec![(
            Warning,
            format!(
                "worker respawning too fast !!! i have to sleep a bit ({} seconds)...",
                delay.as_secs().max(1)
            ),
        )],
        Event::BootFailed {
            exit_code: NO_APPLICATION,
        } => {
            vec![(Error, "*** no app loaded. GAME OVER ***".to_owned())]
        }
        Event::BootFailed { .. } => vec![(Error, "!!! workers cannot start, giving up !!!".to_owned())],
        Event::RequestInterrupted(late) => vec![super::interrupted(late)],
        Event::RequestDeadline { late, kernel } => deadline(late, kernel, moment),
        Event::WorkerKilled { pid, number } => vec![(
            Warning,
            format!("{date} - worker {number} (pid: {pid}) is taking too much time to die...NO MERCY !!!"),
        )],
        Event::SignalHandled { .. } => vec![],
        Event::ReloadStarting { .. } => vec![(Info, "...gracefully killing workers...".to_owned())],
        Event::ReloadFinished { .. } => {
            vec![(
                Info,
                format!(
                    "gracefully (RE)spawned uWSGI master process (pid: {})",
                    moment.pid
                ),
            )]
        }
        Event::ReloadFailed { reason } => {
            vec![(
                Error,
                format!("!!! reload failed, the old workers stay: {reason} !!!"),
            )]
        }
        Event::WorkerRetiring {
            pid,
            number,
            kind: StopKind::Graceful,
        } => {
            vec![(
                Info,
                format!("Gracefully killing worker {number} (pid: {pid})..."),
            )]
        }
        Event::WorkerRetiring {
            kind: StopKind::Quick,
            ..
        } => vec![],
        Event::Touched { path } => {
            vec![(
                Info,
                format!(
                    "{date} - *** {} has been touched... grace them all !!! ***",
                    path.display()
                ),
            )]
        }
        Event::Stopping {
            kind: StopKind::Graceful,
        } => {
            vec![(Info, format!("{date} - graceful shutdown triggered..."))]
        }
        Event::Stopping {
            kind: StopKind::Quick,
        } => {
            vec![(Info, "SIGINT/SIGTERM received...killing workers...".to_owned())]
        }
        Event::Stopped { .. } => vec![(Info, "goodbye to uWSGI.".to_owned())],
        Event::FileRemoved { path, socket: true } => {
            vec![(Info, format!("VACUUM: unix socket {} removed.", path.display()))]
        }
        Event::FileRemoved { socket: false, .. } => vec![(Info, "VACUUM: pidfile removed.".to_owned())],
        Event::Uwsgi(event) => own(event, moment),
    }
}

/// What other dialects do not tell of.
fn own(event: &UwsgiEvent, moment: &Moment) -> Lines {
    let date = &moment.ctime;
    match event {
        UwsgiEvent::Surroundings(surroundings) => around(surroundings),
        UwsgiEvent::DeadlineWaived {
            number,
            queue,
            threshold,
        } => vec![(
            Info,
            format!(
                "{date} - HARAKIRI: Skipping harakiri on worker {number}. Listen queue is smaller than the threshold ({queue} < \
                 {threshold})"
            ),
        )],
        UwsgiEvent::DeadlineGrace {
            number,
            signal,
            grace,
        } => vec![(
            Warning,
            format!(
                "{date} - HARAKIRI: graceful termination attempt on worker {number} with signal {signal}. Next harakiri: {}",
                moment.unix_seconds + grace.as_secs()
            ),
        )],
        UwsgiEvent::DeadlineKill { pid, number } => vec![(
            Error,
            format!("{date} - *** HARAKIRI ON WORKER {number} (pid: {pid}, try: 2, graceful: no) ***"),
        )],
        UwsgiEvent::ChainStarting => vec![(Info, format!("{date} - chain reload starting..."))],
        UwsgiEvent::ChainNext { number } => {
            vec![(Info, format!("{date} - chain next victim is worker {number}"))]
        }
        UwsgiEvent::ChainComplete => vec![(Info, format!("{date} - chain reloading complete"))],
        UwsgiEvent::Paused { resumed, workers } => paused(date, *resumed, workers),
        UwsgiEvent::Scaling(step) => vec![(Info, scaling(step, moment))],
    }
}

fn deadline(late: &LateRequest, kernel: &[(&str, String)], moment: &Moment) -> Lines {
    let LateRequest {
        pid,
        number,
        thread,
        request,
        client,
        age,
    } = late;
    let date = &moment.ctime;
    let since = moment.unix_seconds.saturating_sub(age.as_secs());
    let mut lines = vec![format!(
        "{date} - *** HARAKIRI ON WORKER {number} (pid: {pid}, try: 1, graceful: yes) ***"
    )];
    let waits = kernel.iter();
    lines.extend(waits.map(|(name, text)| format!("HARAKIRI: -- {name}> {text}")));
    lines.extend([
        format!("HARAKIRI !!! worker {number} status !!!"),
        format!("HARAKIRI [core {thread}] {client} - {request} since {since}"),
        format!("HARAKIRI !!! end of worker {number} status !!!"),
        format!("{date} - HARAKIRI triggered by worker {number} core {thread} !!!"),
    ]);
    lines.into_iter().map(|line| (Error, line)).collect()
}

fn paused(date: &str, resumed: bool, workers: &[u32]) -> Vec<(config::Level, String)> {
    let (all, each) = match resumed {
        true => ("(SIGTSTP received) resuming workers", "resumed"),
        false => (
            "PAUSE (press start to resume, if you do not have a joypad send SIGTSTP)",
            "suspended",
        ),
    };
    let workers = workers
        .iter()
        .map(|number| format!("{date} - *** worker {number} {each} ***"));
    let lines = std::iter::once(format!("{date} - *** {all} ***")).chain(workers);
    lines.map(|line| (Info, line)).collect()
}

fn scaling(step: &ScalingStep, moment: &Moment) -> String {
    match step {
        ScalingStep::Said(line) => line.clone(),
        ScalingStep::Cheaped { number } => format!("uWSGI worker {number} cheaped."),
        ScalingStep::Inactive { seconds } => {
            let now = moment.unix_seconds;
            let since = now.saturating_sub(seconds + 1);
            format!("workers have been inactive for more than {seconds} seconds ({now}-{since})")
        }
        ScalingStep::GoingCheap => format!("{} - going cheap...", moment.ctime),
        ScalingStep::Resting => "cheap mode enabled: waiting for socket connection...".to_owned(),
    }
}

/// What uWSGI says of itself that is not so here - its lock engine, its clock - is left out.
fn around(surroundings: &Surroundings) -> Lines {
    let Surroundings {
        system,
        node,
        machine,
        processors,
        directory,
        program,
        stays_root,
        processes,
        page,
        descriptors,
    } = surroundings;
    let mut lines = vec![
        format!("os: {system}"),
        format!("nodename: {node}"),
        format!("machine: {machine}"),
        format!("detected number of CPU cores: {processors}"),
        format!("current working directory: {}", directory.display()),
        format!("detected binary path: {}", program.display()),
    ];
    if *stays_root {
        lines.push("uWSGI running as root, you can use --uid/--gid/--chroot options".to_owned());
        lines.push("*** WARNING: you are running uWSGI as root !!! (use the --uid flag) ***".to_owned());
    }
    if let Some(processes) = processes {
        lines.push(format!("your processes number limit is {processes}"));
    }
    lines.push(format!("your memory page size is {page} bytes"));
    if let Some(descriptors) = descriptors {
        lines.push(format!("detected max file descriptor number: {descriptors}"));
    }
    lines.into_iter().map(|line| (Info, line)).collect()
}

fn bound(index: usize, address: &str, descriptor: i32) -> String {
    let address = address.split_once("://").map_or(address, |(_, rest)| rest);
    if let Some(path) = address.strip_prefix("unix:") {
        return format!("uwsgi socket {index} bound to UNIX address {path} fd {descriptor}");
    }
    let family = if address.starts_with('[') { "TCP6" } else { "TCP" };
    format!("uwsgi socket {index} bound to {family} address {address} fd {descriptor}")
}

fn mode(workers: u32, threads: u32) -> &'static str {
    match (workers > 1, threads > 1) {
        (false, false) => "single process",
        (true, false) => "preforking",
        (false, true) => "threaded",
        (true, true) => "preforking+threaded",
    }
}

/// The interpreter's address means nothing here, but the place where log rules expect it stays.
fn application_ready(pid: u32, seconds: u64) -> String {
    format!(
        "WSGI app 0 (mountpoint='') ready in {seconds} seconds on interpreter 0x0 pid: {pid} (default app)"
    )
}

fn worker_exited(
    pid: u32,
    number: u32,
    status: ExitStatus,
    expected: bool,
    seconds: u64,
) -> (config::Level, String) {
    match status {
        _ if expected => (Info, format!("worker {number} buried after {seconds} seconds")),
        // It has left by itself, after its last request.
        ExitStatus::Code(0) => (Info, format!("worker {number} killed successfully (pid: {pid})")),
        ExitStatus::Code(_) => (
            Error,
            format!("DAMN ! worker {number} (pid: {pid}) died :( trying respawn ..."),
        ),
        ExitStatus::Signal(signal) => (
            Error,
            format!(
                "DAMN ! worker {number} (pid: {pid}) died, killed by signal {signal} :( trying respawn ..."
            ),
        ),
    }
}
