//! Whether the interpreter of a worker answers: a thread of its own asks for it once a second, and tells the master when it had it.
//!
//! uvicorn's parent pings its children, and a thread of theirs answers. What blocks the event loop in Python, or sleeps, does not
//! keep it from answering, what holds the interpreter's lock in C does; such a worker is replaced.

use std::io;
use std::time::Duration;

use pyo3::prelude::*;
use shared::WorkerRow;

const INTERVAL: Duration = Duration::from_secs(1);

/// Begins to tell.
///
/// # Errors
/// When no thread can be started for it.
pub(crate) fn tell(row: WorkerRow) -> io::Result<()> {
    row.set_answered(sys::monotonic_ms());
    let body = move || {
        loop {
            Python::attach(|_| row.set_answered(sys::monotonic_ms()));
            std::thread::sleep(INTERVAL);
        }
    };
    sys::spawn_watcher("penstock-answers", body).map(drop)
}
