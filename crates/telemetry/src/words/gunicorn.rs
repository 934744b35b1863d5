//! gunicorn's words, so that log rules and eyes find what they know; ours where gunicorn says nothing.

use config::GUNICORN_VERSION;
use config::Level::{Critical, Debug, Error, Info, Warning};

use super::{Lines, count, signal_name};
use crate::event::{Event, ExitStatus, LateRequest};

/// gunicorn's exit code for an application that cannot be loaded; its other one, 3, is a worker that fails to boot.
const APP_LOAD_ERROR: i32 = 4;

pub(super) fn lines(event: &Event) -> Lines {
    match event {
        Event::Starting { version } => vec![
            (Info, format!("Starting gunicorn {GUNICORN_VERSION}")),
            (Info, format!("Served by Penstock {version}")),
        ],
        Event::Listening { addresses, pid, .. } => {
            vec![(Info, format!("Listening at: {} ({pid})", addresses.join(",")))]
        }
        Event::Prepared { worker_class, .. } => vec![(Info, format!("Using worker: {worker_class}"))],
        Event::PidfileWritten { path } => vec![(Debug, format!("Pidfile written: {}", path.display()))],
        Event::MasterSpawned { .. } => vec![(Debug, "Arbiter booted".to_owned())],
        Event::WorkerBooting { pid, .. } => vec![(Info, format!("Booting worker with pid: {pid}"))],
        Event::WorkerReady { pid, boot, .. } => {
            vec![(
                Debug,
                format!("Worker (pid:{pid}) is ready after {:.2} s", boot.as_secs_f64()),
            )]
        }
        Event::Lifespan(step) => vec![super::lifespan(*step)],
        Event::Lingering(linger) => super::lingering(*linger, false),
        Event::WebSocketAccepted { .. } | Event::WebSocketRejected { .. } | Event::WebSocketClosed => vec![],
        Event::WorkerExiting { pid, .. } => vec![(Info, format!("Worker exiting (pid: {pid})"))],
        Event::WorkerRecycling { .. } => {
            vec![(Info, "Autorestarting worker after current request.".to_owned())]
        }
        Event::WorkerLimit(limit) => vec![super::worker_limit(limit)],
        Event::MasterGone { pid } => vec![(Info, format!("Parent changed, shutting down: <Worker {pid}>"))],
        Event::WorkerExited {
            pid,
            status,
            expected,
            ..
        } => worker_exited(*pid, *status, *expected),
        Event::WorkerRespawned { .. } => vec![],
        Event::RespawnDelayed { delay } => {
            vec![(
                Warning,
                format!("Workers die at boot, next try in {:.1} s", delay.as_secs_f64()),
            )]
        }
        // "Shutting down: Master" follows with `Stopped`.
        Event::BootFailed { exit_code } => {
            let reason = match *exit_code {
                APP_LOAD_ERROR => "App failed to load.",
                _ => "Worker failed to boot.",
            };
            vec![(Error, format!("Reason: {reason}"))]
        }
        Event::RequestInterrupted(late) => vec![super::interrupted(late)],
        Event::RequestDeadline { late, .. } => timed_out(late),
        Event::WorkerKilled { pid, .. } => {
            vec![(
                Warning,
                format!("Worker (pid:{pid}) did not exit in time and is killed"),
            )]
        }
        Event::SignalHandled { name } => vec![(Info, format!("Handling signal: {name}"))],
        Event::ReloadStarting { .. } => vec![(Info, "Hang up: Master".to_owned())],
        Event::ReloadFinished { workers } => vec![(
            Info,
            format!(
                "Reload finished: {} ready, the old ones retire",
                count(u64::from(*workers), "new worker")
            ),
        )],
        Event::ReloadFailed { reason } => {
            vec![(Error, format!("Reload failed, the old workers stay: {reason}"))]
        }
        Event::WorkerRetiring { pid, .. } => vec![(Debug, format!("Worker (pid:{pid}) is asked to exit"))],
        Event::Touched { path } => vec![(Info, format!("Worker reloading: {} modified", path.display()))],
        Event::Stopping { .. } => vec![],
        Event::Stopped { .. } => vec![(Info, "Shutting down: Master".to_owned())],
        Event::FileRemoved { path, .. } => vec![(Debug, format!("Removed: {}", path.display()))],
        Event::Uwsgi(_) => vec![],
    }
}

fn timed_out(late: &LateRequest) -> Lines {
    let LateRequest {
        pid,
        request,
        client,
        age,
        ..
    } = late;
    let spent = format!(
        "Worker (pid:{pid}) has spent {:.1} s in {request} from {client}, longer than the timeout allows",
        age.as_secs_f64()
    );
    vec![(Critical, format!("WORKER TIMEOUT (pid:{pid})")), (Error, spent)]
}

fn worker_exited(pid: u32, status: ExitStatus, expected: bool) -> Lines {
    const SIGKILL: i32 = 9;
    match status {
        ExitStatus::Code(0) => vec![],
        ExitStatus::Code(code) => vec![(Error, format!("Worker (pid:{pid}) exited with code {code}."))],
        // The guess belongs to a kill that nobody here asked for.
        ExitStatus::Signal(SIGKILL) if !expected => {
            vec![(
                Error,
                format!("Worker (pid:{pid}) was sent SIGKILL! Perhaps out of memory?"),
            )]
        }
        ExitStatus::Signal(signal) => {
            let level = if expected { Info } else { Warning };
            vec![(
                level,
                format!("Worker (pid:{pid}) was sent {}!", signal_name(signal)),
            )]
        }
    }
}
