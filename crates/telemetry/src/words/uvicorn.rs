//! uvicorn's words; ours where it says nothing.

use config::Level::{Critical, Debug, Error, Info, Warning};

use super::{Lines, count, signal_name};
use crate::event::{Event, ExitStatus};

pub(super) fn lines(event: &Event) -> Lines {
    match event {
        Event::Starting { version } => vec![(Debug, format!("Penstock {version}"))],
        Event::Listening { addresses, .. } => {
            addresses.iter().map(|address| (Info, running(address))).collect()
        }
        Event::Prepared { .. } => vec![],
        Event::PidfileWritten { path } => vec![(Debug, format!("Process id written to {}", path.display()))],
        Event::MasterSpawned { pid } => vec![(Info, format!("Started parent process [{pid}]"))],
        Event::WorkerBooting { pid, .. } => vec![(Info, format!("Started server process [{pid}]"))],
        Event::WorkerReady { .. } => vec![],
        Event::Lifespan(step) => vec![super::lifespan(*step)],
        Event::WebSocketAccepted { client, target } => vec![
            (Info, format!("{client} - \"WebSocket {target}\" [accepted]")),
            (Info, "connection open".to_owned()),
        ],
        Event::WebSocketClosed => vec![(Info, "connection closed".to_owned())],
        Event::WorkerExiting { pid } => vec![(Info, format!("Finished server process [{pid}]"))],
        Event::WorkerRecycling { requests, .. } => {
            vec![(
                Warning,
                format!("Maximum request limit of {requests} exceeded. Terminating process."),
            )]
        }
        Event::MasterGone { pid } => {
            vec![(
                Warning,
                format!("Server process [{pid}] leaves: its parent process is gone"),
            )]
        }
        Event::WorkerExited {
            pid,
            status,
            expected,
            ..
        } => exited(*pid, *status, *expected),
        Event::WorkerRespawned { .. } => vec![],
        Event::RespawnDelayed { delay } => vec![(
            Warning,
            format!(
                "Child processes die at start, next try in {:.1} s",
                delay.as_secs_f64()
            ),
        )],
        Event::BootFailed { .. } => vec![],
        Event::RequestDeadline { pid, age, .. } => vec![(
            Critical,
            format!(
                "The event loop of child process [{pid}] has been stuck for {:.1} s",
                age.as_secs_f64()
            ),
        )],
        Event::WorkerKilled { pid, .. } => {
            vec![(
                Warning,
                format!("Child process [{pid}] did not leave in time and is killed"),
            )]
        }
        Event::SignalHandled { name } => vec![(Info, signal_received(name))],
        Event::ReloadStarting { .. } => vec![(Info, "Reloading...".to_owned())],
        Event::ReloadFinished { workers } => vec![(
            Info,
            format!(
                "Reloaded: {} ready",
                count(u64::from(*workers), "new process").replace("processs", "processes")
            ),
        )],
        Event::ReloadFailed { reason } => {
            vec![(Error, format!("Reload failed, the old processes stay: {reason}"))]
        }
        Event::WorkerRetiring { pid, .. } => vec![(Debug, format!("Child process [{pid}] is told to leave"))],
        Event::Touched { path } => vec![(
            Warning,
            format!("Detected changes in '{}'. Reloading...", path.display()),
        )],
        Event::Stopping { .. } => vec![(Info, "Shutting down".to_owned())],
        Event::Stopped { pid } => vec![(Info, format!("Stopping parent process [{pid}]"))],
        Event::FileRemoved { .. } => vec![],
    }
}

fn running(address: &str) -> String {
    match address.strip_prefix("unix:") {
        Some(path) => format!("Uvicorn running on unix socket {path} (Press CTRL+C to quit)"),
        None => format!("Uvicorn running on {address} (Press CTRL+C to quit)"),
    }
}

fn signal_received(name: &str) -> String {
    let leaving = matches!(name, "int" | "term" | "quit");
    let then = if leaving { ", exiting" } else { "" };
    format!("Received SIG{}{then}.", name.to_uppercase())
}

fn exited(pid: u32, status: ExitStatus, expected: bool) -> Lines {
    match status {
        _ if expected => vec![],
        ExitStatus::Code(0) => vec![],
        ExitStatus::Code(code) => vec![(Info, format!("Child process [{pid}] died with exit code {code}"))],
        ExitStatus::Signal(signal) => {
            vec![(
                Info,
                format!("Child process [{pid}] died of {}", signal_name(signal)),
            )]
        }
    }
}
