//! uvicorn's words; ours where it says nothing.
//!
//! uvicorn without `--workers` is one process: then nothing is said of the master, the worker's process is the server's, and
//! the address is announced once the application has started, which is what scripts wait for.

use config::Level::{Critical, Debug, Error, Info, Warning};
use config::Processes::{One, Reloader, Several};

use super::{Lines, Moment, count, signal_name};
use crate::event::{Event, ExitStatus, LateRequest, LifespanStep, StopKind};

/// The exit code of a child that could not start.
const STARTUP_FAILURE: i32 = 3;

pub(super) fn lines(event: &Event, moment: &Moment) -> Lines {
    let processes = moment.processes;
    match event {
        Event::Starting { version } => vec![(Debug, format!("Penstock {version}"))],
        Event::Listening { addresses, .. } if processes != One => running(addresses),
        Event::WorkerReady { addresses, .. } if processes == One => running(addresses),
        Event::PidfileWritten { path } => vec![(Debug, format!("Process id written to {}", path.display()))],
        Event::MasterSpawned { pid } => match processes {
            One => vec![(Debug, format!("Started parent process [{pid}]"))],
            Several => vec![(Info, format!("Started parent process [{pid}]"))],
            Reloader => vec![(Info, format!("Started reloader process [{pid}] using Penstock"))],
        },
        Event::WorkerBooting { pid, .. } => vec![(Info, format!("Started server process [{pid}]"))],
        Event::Lifespan(step) => lifespan(*step),
        Event::Lingering(linger) => super::lingering(*linger, true),
        Event::WebSocketAccepted { client, target } => vec![
            (Info, format!("{client} - \"WebSocket {target}\" [accepted]")),
            (Info, "connection open".to_owned()),
        ],
        Event::WebSocketRejected {
            client,
            target,
            status_line,
            by_application,
        } => {
            let status = status_line.split(' ').next().unwrap_or_default();
            let answered = (Info, format!("{client} - \"WebSocket {target}\" {status}"));
            let rejected = (Info, format!("connection rejected ({status_line})"));
            match by_application {
                true => vec![answered, rejected],
                false => vec![rejected],
            }
        }
        Event::WebSocketClosed => vec![(Info, "connection closed".to_owned())],
        Event::WorkerExiting { pid, served: true } => {
            vec![(Info, format!("Finished server process [{pid}]"))]
        }
        Event::WorkerRecycling { requests, .. } => vec![(
            Info,
            format!("Maximum request limit of {requests} exceeded. Terminating process."),
        )],
        Event::WorkerLimit(limit) => vec![super::worker_limit(limit)],
        Event::MasterGone { pid } => vec![(
            Warning,
            format!("Server process [{pid}] leaves: its parent process is gone"),
        )],
        Event::WorkerExited {
            pid,
            status,
            expected: false,
            ..
        } if processes != One || *status != ExitStatus::Code(STARTUP_FAILURE) => exited(*pid, *status),
        Event::RespawnDelayed { delay } => vec![(
            Warning,
            format!(
                "Child processes die at start, next try in {:.1} s",
                delay.as_secs_f64()
            ),
        )],
        Event::RequestInterrupted(late) => vec![super::interrupted(late)],
        Event::RequestDeadline {
            late:
                LateRequest {
                    pid,
                    age,
                    request,
                    client,
                    ..
                },
            ..
        } => vec![(
            Critical,
            format!(
                "Child process [{pid}] has not answered for {:.1} s, longer than timeout_worker_healthcheck allows, and is \
                 replaced; it is in {request} from {client}",
                age.as_secs_f64()
            ),
        )],
        Event::WorkerKilled { pid, .. } => vec![(
            Warning,
            format!("Child process [{pid}] did not leave in time and is killed"),
        )],
        Event::SignalHandled { name } => signal_received(name, processes == Several),
        Event::ReloadStarting { .. } => vec![(Debug, "Restarting processes".to_owned())],
        Event::ReloadFinished { workers } => vec![(
            Debug,
            format!("Restarted: {} ready", count(u64::from(*workers), "child")),
        )],
        Event::ReloadFailed { reason } => {
            vec![(Error, format!("Reload failed, the old processes stay: {reason}"))]
        }
        Event::WorkerRetiring { pid, kind, .. } => {
            let level = if processes == Several { Info } else { Debug };
            let at_once = if *kind == StopKind::Quick { " at once" } else { "" };
            vec![
                (level, format!("Terminated child process [{pid}]{at_once}")),
                (level, format!("Waiting for child process [{pid}]")),
            ]
        }
        Event::Touched { path } => vec![(
            Warning,
            format!("Penstock detected changes in '{}'. Reloading...", path.display()),
        )],
        // In haste it says nothing: it was not serving, or is told so for the second time.
        Event::Stopping {
            kind: StopKind::Graceful,
        } if processes != Several => vec![(Info, "Shutting down".to_owned())],
        Event::Stopped { pid } => match processes {
            One => vec![(Debug, format!("Stopping parent process [{pid}]"))],
            Several => vec![(Info, format!("Stopping parent process [{pid}]"))],
            Reloader => vec![(Info, format!("Stopping reloader process [{pid}]"))],
        },
        _ => vec![],
    }
}

fn lifespan(step: LifespanStep) -> Lines {
    let mut lines = vec![super::lifespan(step)];
    if step == LifespanStep::Unsupported {
        // An application without a lifespan has started as well.
        lines.push(super::lifespan(LifespanStep::Started));
    }
    lines
}

fn running(addresses: &[String]) -> Lines {
    let line = |address: &String| match address.strip_prefix("unix:") {
        Some(path) => format!("Uvicorn running on unix socket {path} (Press CTRL+C to quit)"),
        None => format!("Uvicorn running on {address} (Press CTRL+C to quit)"),
    };
    addresses.iter().map(|address| (Info, line(address))).collect()
}

/// Only the parent of several processes speaks of the signals that end it.
fn signal_received(name: &str, is_parent: bool) -> Lines {
    let is_end = matches!(name, "int" | "term" | "quit");
    let level = if is_parent || !is_end { Info } else { Debug };
    let then = match name {
        _ if is_end => ", exiting.",
        "hup" => ", restarting processes.",
        "ttin" => ", increasing the number of processes.",
        "ttou" => ", decreasing number of processes.",
        _ => ".",
    };
    vec![(level, format!("Received SIG{}{then}", name.to_uppercase()))]
}

fn exited(pid: u32, status: ExitStatus) -> Lines {
    let line = match status {
        ExitStatus::Code(0) => return vec![],
        ExitStatus::Code(STARTUP_FAILURE) => {
            return vec![(
                Error,
                format!("Child process [{pid}] failed to start, stopping the parent process."),
            )];
        }
        ExitStatus::Code(code) => format!("Child process [{pid}] died with exit code {code}"),
        ExitStatus::Signal(signal) => format!("Child process [{pid}] died of {}", signal_name(signal)),
    };
    vec![(Info, line)]
}
