//! The soft deadline: a request that takes too long gets an exception in its own thread, and its worker lives.
//!
//! A thread of its own looks at the worker's rows of the scoreboard when the oldest request in them would be too old, and each
//! second, so that it notices when there was no time to run. What it finds it tells the log, with the stack of the thread; then the exception is raised there.
//! A thread that is stuck outside of Python does not get it: the hard deadline, which is the master's, ends the worker.
//!
//! An exception must never reach the request after the one it was meant for. Both ends hold the lock of the call
//! while they look at it: [`Deadline::end`] takes back what has not been raised yet.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyCFunction;
use shared::{Pauses, RequestInProgress, WorkerRow};
use telemetry::{ErrorLog, Event, LateRequest};

/// How long the watcher sleeps at most.
const LOOK_MS: u64 = 1000;

/// Watches the requests of a worker.
pub(super) struct Deadline {
    shared: Arc<Shared>,
    exception: Py<PyAny>,
}

struct Shared {
    patience_ms: u64,
    number: u32,
    row: WorkerRow,
    /// One for each row of a thread.
    calls: Vec<Mutex<Call>>,
    main_thread: u64,
    log: ErrorLog,
}

/// A call of the application.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Call {
    /// Python's number of the thread it runs on; 0: there is none.
    thread: u64,
    interrupted: bool,
}

impl Deadline {
    /// Begins to watch. To be called on the main thread, which is where Python's signal handlers run.
    ///
    /// # Errors
    /// When no thread can be started for it.
    pub(super) fn start(
        py: Python<'_>,
        patience: Duration,
        number: u32,
        row: WorkerRow,
        log: ErrorLog,
    ) -> PyResult<Deadline> {
        let module = py.import("penstock._deadline")?;
        let shared = Arc::new(Shared {
            patience_ms: u64::try_from(patience.as_millis()).unwrap_or(u64::MAX),
            number,
            row,
            calls: row.threads().map(|_| Mutex::default()).collect(),
            main_thread: this_thread(),
            log,
        });
        let asked = Arc::clone(&shared);
        let is_due =
            PyCFunction::new_closure(py, None, None, move |_, _| asked.main_thread_is_interrupted())?;
        module.call_method1("prepare_main_thread", (is_due,))?;
        let exception = module.getattr("DeadlineExceeded")?;
        let watcher = Watcher {
            shared: Arc::clone(&shared),
            exception: exception.clone().unbind(),
            signal: module.getattr("SIGNAL")?.extract()?,
        };
        sys::spawn_watcher("penstock-deadline", move || watcher.watch())?;
        Ok(Deadline {
            shared,
            exception: exception.unbind(),
        })
    }

    /// The application is called on this thread, for the request in the row of `thread`.
    pub(super) fn begin(&self, thread: u32) {
        *self.shared.call(thread) = Call {
            thread: this_thread(),
            interrupted: false,
        };
    }

    /// The application has returned. True when the exception had been meant for it, raised or not.
    pub(super) fn end(&self, _: Python<'_>, thread: u32) -> bool {
        let call = std::mem::take(&mut *self.shared.call(thread));
        if call.interrupted && call.thread != self.shared.main_thread {
            // SAFETY: attached to the interpreter; null takes back what this thread has not got yet.
            unsafe { pyo3::ffi::PyThreadState_SetAsyncExc(call.thread as _, std::ptr::null_mut()) };
        }
        call.interrupted
    }

    /// Whether the error is the deadline's.
    pub(super) fn is_cause(&self, py: Python<'_>, error: &PyErr) -> bool {
        error.matches(py, self.exception.bind(py)).unwrap_or(false)
    }
}

impl Shared {
    /// Threads beyond the scoreboard's share the last row, as they do there.
    fn call(&self, thread: u32) -> MutexGuard<'_, Call> {
        let index = (thread as usize).min(self.calls.len() - 1);
        self.calls[index].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Called by the signal's handler: between two steps of the main thread, so that whatever it does stands still.
    fn main_thread_is_interrupted(&self) -> bool {
        (0..self.calls.len() as u32).any(|thread| {
            let call = *self.call(thread);
            call.interrupted && call.thread == self.main_thread
        })
    }
}

/// Looks at the rows.
struct Watcher {
    shared: Arc<Shared>,
    exception: Py<PyAny>,
    signal: i32,
}

impl Watcher {
    fn watch(&self) {
        let patience_ms = self.shared.patience_ms;
        // When the request began that was interrupted last, for each thread.
        let mut told: Vec<Option<u64>> = vec![None; self.shared.calls.len()];
        let mut pauses = Pauses::default();
        loop {
            let now_ms = sys::monotonic_ms();
            let mut wake_ms = now_ms.saturating_add(patience_ms.min(LOOK_MS));
            for (thread, row) in (0_u32..).zip(self.shared.row.threads()) {
                let Some(request) = row.current() else { continue };
                if told[thread as usize] == Some(request.started_ms) {
                    continue;
                }
                let lost_ms = pauses.since(request.started_ms);
                let due_ms = request.started_ms.saturating_add(patience_ms + lost_ms);
                if due_ms <= now_ms {
                    told[thread as usize] = Some(request.started_ms);
                    Python::attach(|py| self.interrupt(py, thread, request));
                } else {
                    wake_ms = wake_ms.min(due_ms);
                }
            }
            let from_ms = sys::monotonic_ms();
            let wait_ms = wake_ms.saturating_sub(from_ms).max(1);
            std::thread::sleep(Duration::from_millis(wait_ms));
            pauses.woke(from_ms, from_ms + wait_ms, sys::monotonic_ms());
        }
    }

    /// Tells the log, and raises the exception.
    fn interrupt(&self, py: Python<'_>, thread: u32, request: RequestInProgress) {
        // While the interpreter was waited for, the request may have ended.
        let current = || self.shared.row.thread(thread as usize).current();
        let call = *self.shared.call(thread);
        if call.thread == 0 || current().is_none_or(|now| now.started_ms != request.started_ms) {
            return;
        }
        let stack = crate::traceback::stack_of(py, call.thread).unwrap_or_else(|error| error.to_string());
        let elapsed_ms = sys::monotonic_ms().saturating_sub(request.started_ms);
        let event = Event::RequestInterrupted(LateRequest {
            pid: std::process::id(),
            number: self.shared.number,
            thread,
            request: request.request,
            client: request.client,
            age: Duration::from_millis(elapsed_ms),
        });
        self.shared.log.event(&event);
        self.shared.log.error_with_details("It is at", &stack);
        if let Err(error) = self.raise(py, thread, call) {
            let error = crate::traceback::text(py, &error);
            self.shared
                .log
                .error_with_details("The request cannot be interrupted", &error);
        }
    }

    /// Raises it in the thread of `call`, unless that has ended meanwhile.
    fn raise(&self, py: Python<'_>, thread: u32, call: Call) -> PyResult<()> {
        let mut now = self.shared.call(thread);
        if *now != call {
            return Ok(());
        }
        now.interrupted = true;
        if call.thread != self.shared.main_thread {
            // SAFETY: attached to the interpreter; the exception is a class that lives as long as the module, and the
            // thread is in a call of ours, which waits for the lock that is held here before it ends.
            unsafe {
                pyo3::ffi::PyThreadState_SetAsyncExc(call.thread as _, self.exception.as_ptr());
            }
            return Ok(());
        }
        drop(now);
        py.import("signal")?
            .call_method1("pthread_kill", (call.thread, self.signal))
            .map(drop)
    }
}

/// The number by which Python knows the running thread.
fn this_thread() -> u64 {
    // SAFETY: it only asks the system for the number.
    unsafe { pyo3::ffi::PyThread_get_thread_ident() as u64 }
}
