//! The asyncio loop turns the reactor.
//!
//! The loop watches the reactor's descriptor and calls [`Driver::turn`], which starts a task for each request that has
//! come and tells those in progress what has become possible. What applications answer is collected and goes back to the
//! reactor together ([`Driver::after`]), behind the steps of the tasks: so a turn's answers are written in a row, as with
//! WSGI. Where applications turn out to be slow, nothing waits for that.
//!
//! All of this happens on the loop's thread. The locks are never waited for; they are there because Python could reach
//! these objects from any thread.
//!
//! Here stands how the reactor is turned. The way of one request is in `requests`, those that take too long are in `late`, the
//! end of the worker is in `leaving`, and what is called of the loop in `side`.

mod late;
mod leaving;
mod requests;
mod side;

pub(in crate::asgi) use late::SoftDeadline;

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use config::Settings;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use telemetry::{ErrorLog, Event, LifespanStep, Linger};
use worker::{Departure, Driven, Due, Exchange, Flow, Front, Happening, Patience, Readiness};

use super::awaitable::Sent;
use super::held::Held;
use super::pulse::Pulse;
use super::scope::Scopes;
use crate::observers::Observers;
use crate::replacement::Replacement;

use side::LoopSide;

/// An application that lets an answer wait longer than this is slow: answers no longer wait for the next step.
const SLOW: Duration = Duration::from_millis(1);
/// Answers after a slow one before they are gathered again.
const DISTRUST: u32 = 64;
/// What one read of a WebSocket may bring.
const SCRATCH: usize = 64 << 10;
/// A worker that has not left after this long says what it waits for; uvicorn looks as often.
const LINGER: Duration = Duration::from_millis(100);
/// Differences between timers that are not worth a new one.
const TIMER_SLACK: Duration = Duration::from_millis(5);

/// Between the loop, the reactor, and the application.
#[pyclass(frozen, module = "penstock")]
pub(crate) struct Driver {
    /// The worker's, from 1.
    number: u32,
    settings: Arc<Settings>,
    fronts: Vec<Front>,
    /// gunicorn's hooks around each HTTP request, and its logger in Python, where there are any.
    observers: Option<Observers>,
    /// For which exceptions the worker is replaced.
    pub(crate) replacement: Option<Replacement>,
    log: ErrorLog,
    driven: Mutex<Driven>,
    /// Requests and WebSockets in progress, by their connections' tokens.
    out: Mutex<Vec<Option<Held>>>,
    in_progress: AtomicU32,
    /// Applications that have been called and have not returned: their tasks may go on after the answer.
    running: AtomicU32,
    /// What the log has been told to be waited for.
    told: Mutex<Option<Linger>>,
    /// When it was told last that there are too many requests.
    told_exceeded: Mutex<Option<Instant>>,
    /// Answered, and not yet back in the reactor.
    answered: Mutex<Answered>,
    /// Tokens of requests with gathered blocks of a streamed answer, of WebSockets with messages.
    gathered: Mutex<Vec<usize>>,
    /// Tokens of WebSockets from which there is more to read than others should wait for.
    unread: Mutex<Vec<usize>>,
    /// What WebSockets read to.
    scratch: Mutex<Vec<u8>>,
    /// WebSockets have been told that the worker leaves.
    farewell_said: AtomicBool,
    happenings: Mutex<Vec<Happening>>,
    /// [`Driver::after`] is going to be called.
    after_is_due: AtomicBool,
    /// Answers that are still to be written at once.
    distrust: AtomicU32,
    timer: Mutex<Option<Timer>>,
    departure: Mutex<Option<Departure>>,
    pulse: Pulse,
    sent: Py<PyAny>,
    side: OnceLock<LoopSide>,
}

#[derive(Default)]
struct Answered {
    exchanges: Vec<Exchange>,
    /// When the first of them was.
    since: Option<Instant>,
}

struct Timer {
    until: Instant,
    handle: Py<PyAny>,
}

/// These locks protect data that is whole at every moment.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Driver {
    pub(crate) fn new(
        py: Python<'_>,
        number: u32,
        driven: Driven,
        settings: Arc<Settings>,
        fronts: Vec<Front>,
        observers: Option<Observers>,
        log: ErrorLog,
    ) -> PyResult<Driver> {
        Ok(Driver {
            number,
            settings,
            fronts,
            observers,
            replacement: None,
            pulse: Pulse::new(log.clone()),
            log,
            driven: Mutex::new(driven),
            out: Mutex::default(),
            in_progress: AtomicU32::new(0),
            running: AtomicU32::new(0),
            told: Mutex::default(),
            told_exceeded: Mutex::default(),
            answered: Mutex::default(),
            gathered: Mutex::default(),
            unread: Mutex::default(),
            scratch: Mutex::new(vec![0; SCRATCH]),
            farewell_said: AtomicBool::new(false),
            happenings: Mutex::default(),
            after_is_due: AtomicBool::new(false),
            distrust: AtomicU32::new(0),
            timer: Mutex::default(),
            departure: Mutex::default(),
            sent: Bound::new(py, Sent)?.into_any().unbind(),
            side: OnceLock::new(),
        })
    }

    /// The application has raised, which may be a reason to replace the worker.
    pub(super) fn consider(&self, py: Python<'_>, error: &PyErr) {
        if let Some(replacement) = &self.replacement {
            replacement.consider(py, error);
        }
    }

    pub(super) fn log(&self) -> &ErrorLog {
        &self.log
    }

    pub(super) fn sent<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        self.sent.bind(py).clone()
    }

    pub(super) fn await_body(&self, exchange: &Exchange) {
        lock(&self.driven).await_body(exchange);
    }

    pub(super) fn await_writable(&self, exchange: &mut Exchange) -> Flow {
        lock(&self.driven).await_writable(exchange)
    }

    pub(super) fn await_client(&self, token: usize, patience: Patience) {
        lock(&self.driven).await_client(token, patience);
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Where WebSockets read to; not to be held while Python code can run.
    pub(super) fn scratch(&self) -> MutexGuard<'_, Vec<u8>> {
        lock(&self.scratch)
    }

    /// Has a WebSocket read on, after others had their turn.
    pub(super) fn read_on(&self, py: Python<'_>, token: usize) -> PyResult<()> {
        lock(&self.unread).push(token);
        self.call_after(py)
    }

    pub(super) fn end_wait(&self, token: usize) {
        lock(&self.driven).end_wait(token);
    }

    fn call_after(&self, py: Python<'_>) -> PyResult<()> {
        if self.after_is_due.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        let side = self.side()?;
        side.call_soon.bind(py).call1((&side.after,)).map(drop)
    }

    /// Writes what was gathered and gives answered exchanges back.
    fn give_back(&self, py: Python<'_>) -> Option<Departure> {
        for token in std::mem::take(&mut *lock(&self.gathered)) {
            if let Some(held) = self.held(py, token)
                && let Err(error) = held.flush(py)
            {
                self.cannot(&error);
            }
        }
        let Answered { mut exchanges, since } = std::mem::take(&mut *lock(&self.answered));
        if since.is_some_and(|since| since.elapsed() > SLOW) {
            self.distrust.store(DISTRUST, Ordering::Relaxed);
        }
        let departure = lock(&self.driven).hand_back(&mut exchanges);
        // Kept for its capacity, unless something was answered meanwhile.
        let mut answered = lock(&self.answered);
        if answered.exchanges.is_empty() {
            answered.exchanges = exchanges;
        }
        departure
    }

    fn held(&self, py: Python<'_>, token: usize) -> Option<Held> {
        let out = lock(&self.out);
        out.get(token)?.as_ref().map(|held| held.clone_ref(py))
    }

    /// Everything in progress.
    fn all_held(&self, py: Python<'_>) -> Vec<Held> {
        let out = lock(&self.out);
        out.iter().flatten().map(|held| held.clone_ref(py)).collect()
    }

    /// The loop did not take what it was given: there is nobody to tell but the log.
    fn cannot(&self, error: &PyErr) {
        self.log
            .error(format_args!("the event loop does not go along: {error}"));
    }

    /// Does what the reactor has to say.
    fn act(slf: &Bound<'_, Self>) -> PyResult<()> {
        let (py, this) = (slf.py(), slf.get());
        let mut happenings = std::mem::take(&mut *lock(&this.happenings));
        lock(&this.driven).collect(&mut happenings);
        for happening in happenings.drain(..) {
            match happening {
                Happening::Request(exchange) => Driver::start_request(slf, exchange)?,
                Happening::Ready(token, readiness) => {
                    if let Some(held) = this.held(py, token) {
                        held.ready(py, readiness)?;
                    }
                }
                Happening::Overdue(token) => {
                    if let Some(held) = this.held(py, token) {
                        held.overdue(py)?;
                    }
                }
            }
        }
        *lock(&this.happenings) = happenings;
        let unread = std::mem::take(&mut *lock(&this.unread));
        for token in unread {
            if let Some(held) = this.held(py, token) {
                held.ready(py, Readiness::default())?;
            }
        }
        if let Some(departure) = this.leaving()
            && !this.farewell_said.swap(true, Ordering::Relaxed)
        {
            for held in this.all_held(py) {
                held.leave(py, departure)?;
            }
            this.call_linger(py)?;
        }
        Ok(())
    }

    /// Sees to it that the reactor is turned when it has to be.
    fn schedule(&self, py: Python<'_>) -> PyResult<()> {
        let side = self.side()?;
        let due = lock(&self.driven).due();
        match due {
            Due::WhenReady => Ok(()),
            Due::Now => side.call_soon.bind(py).call1((&side.turn,)).map(drop),
            Due::After(patience) => {
                let until = Instant::now() + patience;
                let mut timer = lock(&self.timer);
                if let Some(timer) = &*timer {
                    // One that comes too early finds nothing to do and sets the next one.
                    if timer.until <= until + TIMER_SLACK {
                        return Ok(());
                    }
                    timer.handle.bind(py).call_method0("cancel")?;
                }
                let handle = side
                    .event_loop
                    .bind(py)
                    .call_method1("call_later", (patience.as_secs_f64(), &side.turn))?;
                *timer = Some(Timer {
                    until,
                    handle: handle.unbind(),
                });
                Ok(())
            }
        }
    }
}

#[pymethods]
impl Driver {
    /// Begins to serve on the running loop. Returns a future that is done when the worker has left.
    fn start(
        slf: &Bound<'_, Self>,
        application: Py<PyAny>,
        state: Option<Py<PyDict>>,
    ) -> PyResult<Py<PyAny>> {
        let (py, this) = (slf.py(), slf.get());
        let helpers = py.import("penstock._asgi")?;
        let interruption = Driver::interruption(slf, &helpers)?;
        let run = match &interruption {
            Some(_) => "run_with_deadline",
            None => "run",
        };
        let scopes = Scopes::new(py, &this.settings, &this.fronts, state)?;
        let side = LoopSide::of(slf, application, scopes, &helpers, run)?;
        let (event_loop, departed) = (side.event_loop.clone_ref(py), side.departed.clone_ref(py));
        let event_loop = event_loop.bind(py);
        let descriptor = lock(&this.driven).descriptor();
        event_loop.call_method1("add_reader", (descriptor, &side.turn))?;
        if this.side.set(side).is_err() {
            return Err(PyRuntimeError::new_err("the worker serves already"));
        }
        this.pulse.start(py, interruption)?;
        lock(&this.driven).ready();
        // What came before the descriptor was watched.
        let side = this.side()?;
        side.call_soon.bind(py).call1((&side.turn,))?;
        Ok(departed)
    }

    /// Something is ready or due.
    fn turn(slf: &Bound<'_, Self>) -> PyResult<()> {
        let (py, this) = (slf.py(), slf.get());
        if this.departure().is_some() {
            return Ok(());
        }
        if lock(&this.timer)
            .as_ref()
            .is_some_and(|timer| timer.until <= Instant::now() + TIMER_SLACK)
        {
            lock(&this.timer).take();
        }
        let turned = lock(&this.driven).turn();
        let mut departure = turned.unwrap_or_else(|error| {
            this.log
                .critical(format_args!("the reactor cannot go on: {error}"));
            Some(Departure::Quick)
        });
        Driver::act(slf)?;
        if this.side()?.is_eager {
            // They have run already.
            departure = this.with_tasks(departure.or(this.give_back(py)));
        } else {
            departure = this.with_tasks(departure);
            if this.in_progress.load(Ordering::Relaxed) > 0 {
                // Behind the steps of the tasks that were just started.
                this.call_after(py)?;
            }
        }
        match departure {
            Some(departure) => this.depart(py, departure),
            None => this.schedule(py),
        }
    }

    /// The tasks have had their steps.
    fn after(slf: &Bound<'_, Self>) -> PyResult<()> {
        let (py, this) = (slf.py(), slf.get());
        this.after_is_due.store(false, Ordering::Relaxed);
        if this.departure().is_some() {
            return Ok(());
        }
        let departure = this.give_back(py);
        Driver::act(slf)?;
        let departure = this.with_tasks(departure);
        match departure {
            Some(departure) => this.depart(py, departure),
            None => this.schedule(py),
        }
    }

    /// The loop says that it is alive, for as long as requests are in progress.
    fn beat(&self, py: Python<'_>) -> PyResult<()> {
        let in_progress = self.in_progress.load(Ordering::Relaxed) > 0;
        lock(&self.driven).beat(in_progress);
        if let Some(deadline) = self.soft_deadline()
            && !self.pulse.excuses_a_late_beat()
        {
            self.interrupt_the_late(py, &deadline)?;
        }
        let Some(interval) = self.pulse.beat(in_progress) else {
            return Ok(());
        };
        let side = self.side()?;
        let event_loop = side.event_loop.bind(py);
        event_loop
            .call_method1("call_later", (interval.as_secs_f64(), &side.beat))
            .map(drop)
    }

    /// Tells the log what a leaving worker waits for, when that takes time.
    fn linger(&self, py: Python<'_>) -> PyResult<()> {
        if self.departure().is_some() {
            return Ok(());
        }
        let linger = if self.in_progress.load(Ordering::Relaxed) > 0 {
            Some(Linger::Connections)
        } else if self.running.load(Ordering::Relaxed) > 0 {
            Some(Linger::Tasks)
        } else {
            None
        };
        if let Some(linger) = linger
            && lock(&self.told).replace(linger) != Some(linger)
        {
            self.log.event(&Event::Lingering(linger));
        }
        self.call_linger(py)
    }

    /// So many tasks are going to be cancelled. The log is told if that is because they have had their time.
    fn cancels(&self, tasks: usize) {
        if tasks > 0 && lock(&self.driven).is_overdue() {
            self.log.event(&Event::Lingering(Linger::Cancelled(tasks)));
        }
    }

    /// The tasks of requests that are still in progress.
    fn tasks(&self, py: Python<'_>) -> Vec<Py<PyAny>> {
        let held = self.all_held(py);
        held.iter().filter_map(|held| held.task(py)).collect()
    }

    /// Tells the log about the application's lifespan.
    #[pyo3(signature = (what, details = ""))]
    fn lifespan(&self, what: &str, details: &str) -> PyResult<()> {
        let step = match what {
            "starting" => LifespanStep::Starting,
            "started" => LifespanStep::Started,
            "unsupported" => LifespanStep::Unsupported,
            "failed" => LifespanStep::StartFailed,
            "broke" => LifespanStep::Broke,
            "stopping" => LifespanStep::Stopping,
            "stopped" => LifespanStep::Stopped,
            "stop-failed" => LifespanStep::StopFailed,
            _ => return Err(PyValueError::new_err(format!("no step of a lifespan: {what}"))),
        };
        match details.split_once('\n') {
            Some((first, rest)) => self.log.error_with_details(first, rest),
            None if details.is_empty() => {}
            None => self.log.error(details),
        }
        if step != LifespanStep::Broke {
            self.log.event(&Event::Lifespan(step));
        }
        Ok(())
    }
}
