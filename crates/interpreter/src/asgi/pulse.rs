//! Whether the event loop still turns, and where it is stuck when it does not.
//!
//! While requests are in progress the loop says twice a second that it is alive. A thread of its own looks at that once a
//! second; when the loop has been silent for [`PATIENCE`], it writes the stack of the loop's thread to the log, once
//! each time. With nothing in progress both sleep.
//!
//! Where requests have a deadline, a step that blocks the loop is interrupted as well: the thread sends the loop's thread a
//! signal, in whose handler the request that blocks it, if it is one, gets its exception.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::Thread;
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use shared::Pauses;
use telemetry::ErrorLog;

/// Longer than this, and the log is told.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often the loop says that it is alive.
const BEAT: Duration = Duration::from_millis(500);
/// A loop that has been silent for this long is blocked; two beats are missing.
const BLOCKED: Duration = Duration::from_secs(1);
/// How often somebody looks.
const LOOK: Duration = Duration::from_secs(1);

/// How a step that blocks the loop is interrupted.
pub(super) struct Interruption {
    /// Its handler runs on the loop's thread, in the middle of the step.
    pub(super) signal: i32,
    /// A request has taken too long: it may be the one that blocks.
    pub(super) is_late: Box<dyn Fn(Python<'_>) -> bool + Send + Sync>,
}

/// The pulse of a worker's event loop.
pub(super) struct Pulse {
    shared: Arc<Shared>,
    watcher: OnceLock<Option<Thread>>,
}

struct Shared {
    log: ErrorLog,
    origin: Instant,
    /// Milliseconds from `origin` to the last beat.
    last_beat_ms: AtomicU64,
    /// There is something to watch.
    busy: AtomicBool,
    /// A late beat has been excused, and none has been in time since.
    excused: AtomicBool,
    /// When neither the loop nor the thread that watches it was let run.
    pauses: Mutex<Pauses>,
    loop_thread: OnceLock<u64>,
    interruption: OnceLock<Interruption>,
}

impl Pulse {
    pub(super) fn new(log: ErrorLog) -> Pulse {
        Pulse {
            shared: Arc::new(Shared {
                log,
                origin: Instant::now(),
                last_beat_ms: AtomicU64::new(0),
                busy: AtomicBool::new(false),
                excused: AtomicBool::new(false),
                pauses: Mutex::default(),
                loop_thread: OnceLock::new(),
                interruption: OnceLock::new(),
            }),
            watcher: OnceLock::new(),
        }
    }

    /// Begins to watch the loop that runs on this thread.
    pub(super) fn start(&self, py: Python<'_>, interruption: Option<Interruption>) -> PyResult<()> {
        let thread = py.import("threading")?.call_method0("get_ident")?.extract()?;
        // Once for each worker.
        let _ = self.shared.loop_thread.set(thread);
        if let Some(interruption) = interruption {
            let _ = self.shared.interruption.set(interruption);
        }
        Ok(())
    }

    /// A request is in progress. True when the loop has to begin to [beat](Pulse::beat).
    pub(super) fn busy(&self) -> bool {
        if self.shared.busy.swap(true, Ordering::Relaxed) {
            return false;
        }
        self.shared.beat();
        let watcher = self.watcher.get_or_init(|| {
            let shared = Arc::clone(&self.shared);
            let watcher = sys::spawn_watcher("penstock-pulse", move || shared.watch());
            // Without the thread nobody is told where a loop is stuck; it is served all the same.
            Some(watcher.ok()?.thread().clone())
        });
        if let Some(watcher) = watcher {
            watcher.unpark();
        }
        true
    }

    /// When nothing here was let run: no request has grown older then.
    pub(super) fn pauses(&self) -> Pauses {
        self.shared.pauses().clone()
    }

    /// Asked before a beat: whether it comes so late that nothing is to be taken for late in it. Everything may have stood
    /// still, which the thread that watches has to notice first. The next one is not excused, too, if it is as late.
    pub(super) fn excuses_a_late_beat(&self) -> bool {
        let is_late = self.shared.silence() >= BLOCKED;
        !self.shared.excused.swap(is_late, Ordering::Relaxed) && is_late
    }

    /// The loop is alive. Returns when it is to say so again; never, when nothing is in progress.
    pub(super) fn beat(&self, in_progress: bool) -> Option<Duration> {
        self.shared.beat();
        self.shared.busy.store(in_progress, Ordering::Relaxed);
        in_progress.then_some(BEAT)
    }
}

impl Shared {
    fn beat(&self) {
        let elapsed = self.origin.elapsed().as_millis();
        self.last_beat_ms
            .store(u64::try_from(elapsed).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn pauses(&self) -> MutexGuard<'_, Pauses> {
        self.pauses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn silence(&self) -> Duration {
        let last = Duration::from_millis(self.last_beat_ms.load(Ordering::Relaxed));
        self.origin.elapsed().saturating_sub(last)
    }

    fn watch(&self) {
        let mut told = false;
        loop {
            if self.busy.load(Ordering::Relaxed) {
                let from_ms = sys::monotonic_ms();
                std::thread::sleep(LOOK);
                let until_ms = from_ms + LOOK.as_millis() as u64;
                if self.pauses().woke(from_ms, until_ms, sys::monotonic_ms()) {
                    continue; // the loop stood still as well
                }
            } else {
                std::thread::park();
            }
            let silence = self.silence();
            let stuck = self.busy.load(Ordering::Relaxed) && silence >= PATIENCE;
            if stuck && !told {
                self.tell(silence);
            }
            told = stuck;
            if self.busy.load(Ordering::Relaxed)
                && silence >= BLOCKED
                && let Some(interruption) = self.interruption.get()
                && let Err(error) = Python::attach(|py| self.interrupt(py, interruption))
            {
                self.log
                    .error(format_args!("the event loop cannot be interrupted: {error}"));
            }
        }
    }

    /// Has the handler look whether a late request blocks the loop.
    fn interrupt(&self, py: Python<'_>, interruption: &Interruption) -> PyResult<()> {
        let thread = self.loop_thread.get().copied().unwrap_or_default();
        // While the interpreter was waited for, the loop may have gone on.
        if self.silence() < BLOCKED || !(interruption.is_late)(py) {
            return Ok(());
        }
        py.import("signal")?
            .call_method1("pthread_kill", (thread, interruption.signal))
            .map(drop)
    }

    /// Waits for the interpreter if the loop holds it: then the stack is where it lets go.
    fn tell(&self, silence: Duration) {
        let thread = self.loop_thread.get().copied().unwrap_or_default();
        let stack = Python::attach(|py| {
            crate::traceback::stack_of(py, thread).unwrap_or_else(|error| error.to_string())
        });
        // The loop may have gone on while this thread waited for the interpreter.
        let silence = silence.max(self.silence());
        let what = format!(
            "The event loop has been blocked for {:.1} s: nobody else is served meanwhile. Blocking work belongs into a thread \
             (asyncio.to_thread). The loop's thread is at",
            silence.as_secs_f64()
        );
        self.log.error_with_details(what, &stack);
    }
}
