//! The asyncio loop turns the reactor.
//!
//! The loop watches the reactor's descriptor and calls [`Driver::turn`], which starts a task for each request that has
//! come and tells those in progress what has become possible. What applications answer is collected and goes back to the
//! reactor together ([`Driver::after`]), behind the steps of the tasks: so a turn's answers are written in a row, as with
//! WSGI. Where applications turn out to be slow, nothing waits for that.
//!
//! All of this happens on the loop's thread. The locks are never waited for; they are there because Python could reach
//! these objects from any thread.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use config::Settings;
use protocol::websocket::{Compression, Handshake, HandshakeRefusal};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use shared::RequestInProgress;
use telemetry::{ErrorLog, Event, LateRequest, LifespanStep, Linger};
use worker::{Departure, Driven, Due, Exchange, Flow, Front, Happening, Patience, Readiness};

use super::awaitable::Sent;
use super::held::Held;
use super::http::HttpRequest;
use super::pulse::{Interruption, Pulse};
use super::scope::Scopes;
use super::websocket::WebSocketSession;
use crate::observers::{Observed, Observers};

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
    log: ErrorLog,
    driven: Mutex<Driven>,
    /// Requests and WebSockets in progress, by their connections' tokens.
    out: Mutex<Vec<Option<Held>>>,
    in_progress: AtomicU32,
    /// Applications that have been called and have not returned: their tasks may go on after the answer.
    running: AtomicU32,
    /// What the log has been told to be waited for.
    told: Mutex<Option<Linger>>,
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

/// What is needed of the running loop.
struct LoopSide {
    event_loop: Py<PyAny>,
    create_future: Py<PyAny>,
    call_soon: Py<PyAny>,
    /// `asyncio.Task`, or the loop's `create_task` where it has a task factory.
    new_task: Py<PyAny>,
    task_options: Py<PyDict>,
    /// `contextvars.Context`, where requests do not run in a copy of the server's context.
    new_context: Option<Py<PyAny>>,
    /// Tasks run in the middle of the turn, up to their first wait.
    is_eager: bool,
    /// `penstock._asgi.run(application, scope, request)`, or `run_with_deadline`.
    run: Py<PyAny>,
    receive_later: Py<PyAny>,
    send_later: Py<PyAny>,
    application: Py<PyAny>,
    scopes: Scopes,
    turn: Py<PyAny>,
    after: Py<PyAny>,
    beat: Py<PyAny>,
    linger: Py<PyAny>,
    departed: Py<PyAny>,
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
            pulse: Pulse::new(log.clone()),
            log,
            driven: Mutex::new(driven),
            out: Mutex::default(),
            in_progress: AtomicU32::new(0),
            running: AtomicU32::new(0),
            told: Mutex::default(),
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

    /// How the worker has left; `None` while it serves.
    pub(super) fn departure(&self) -> Option<Departure> {
        *lock(&self.departure)
    }

    pub(super) fn log(&self) -> &ErrorLog {
        &self.log
    }

    pub(super) fn sent<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        self.sent.bind(py).clone()
    }

    fn side(&self) -> PyResult<&LoopSide> {
        self.side
            .get()
            .ok_or_else(|| PyRuntimeError::new_err("the worker does not serve yet"))
    }

    pub(super) fn future<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.side()?.create_future.bind(py).call0()
    }

    pub(super) fn receive_later<'py>(
        &self,
        py: Python<'py>,
        request: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.side()?.receive_later.bind(py).call1((request,))
    }

    pub(super) fn send_later<'py>(
        &self,
        py: Python<'py>,
        request: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.side()?.send_later.bind(py).call1((request,))
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

    /// Why the worker is leaving, if it is.
    pub(super) fn leaving(&self) -> Option<Departure> {
        lock(&self.driven).leaving()
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

    /// Whether an exception is only the end of a task that was cancelled because the worker leaves.
    pub(super) fn ends_with_worker(&self, py: Python<'_>, error: &PyErr) -> bool {
        self.departure().is_some()
            && py
                .import("asyncio")
                .and_then(|asyncio| asyncio.getattr("CancelledError"))
                .is_ok_and(|cancelled| error.matches(py, cancelled).unwrap_or(false))
    }

    /// Takes an exchange whose answer is complete.
    pub(super) fn answered(
        &self,
        py: Python<'_>,
        mut exchange: Exchange,
        fault: Option<&'static str>,
    ) -> PyResult<()> {
        if let Some(fault) = fault {
            self.log
                .warning(format_args!("{}: {fault}", super::request_line(&exchange)));
        }
        if let Some(request) = lock(&self.out).get_mut(exchange.token()) {
            *request = None;
        }
        self.in_progress.fetch_sub(1, Ordering::Relaxed);
        let distrust = self.distrust.load(Ordering::Relaxed);
        if distrust > 0 {
            self.distrust.store(distrust - 1, Ordering::Relaxed);
            // If the client is gone, that shows when the exchange is back.
            exchange.flush();
        }
        let mut answered = lock(&self.answered);
        answered.since.get_or_insert_with(Instant::now);
        answered.exchanges.push(exchange);
        drop(answered);
        self.call_after(py)
    }

    /// Notes a request with blocks to be written at the end of the turn.
    pub(super) fn gather(&self, py: Python<'_>, token: usize) -> PyResult<()> {
        let mut gathered = lock(&self.gathered);
        if gathered.last() != Some(&token) {
            gathered.push(token);
        }
        drop(gathered);
        self.call_after(py)
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

    /// Cancels the tasks of requests that take too long; WebSockets last as long as they like.
    fn interrupt_the_late(&self, py: Python<'_>, patience: Duration) -> PyResult<()> {
        for held in self.all_held(py) {
            let Held::Http(request) = &held else { continue };
            if let Some(late) = request.get().interrupt(py, patience)? {
                self.tell_interrupted(late);
            }
        }
        Ok(())
    }

    pub(super) fn soft_deadline(&self) -> Option<Duration> {
        self.settings.timeouts.soft_deadline
    }

    pub(super) fn tell_interrupted(&self, late: RequestInProgress) {
        self.log.event(&Event::RequestInterrupted(LateRequest {
            pid: std::process::id(),
            number: self.number,
            thread: 0,
            request: late.request,
            client: late.client,
            age: Duration::from_millis(sys::monotonic_ms().saturating_sub(late.started_ms)),
        }));
    }

    /// How a step that blocks the loop is interrupted, where there is a deadline for requests. To be called on the main
    /// thread, which is the loop's and where Python's signal handlers run.
    fn interruption(slf: &Bound<'_, Self>, helpers: &Bound<'_, PyModule>) -> PyResult<Option<Interruption>> {
        let (py, driver) = (slf.py(), slf.clone().unbind());
        let Some(patience) = slf.get().soft_deadline() else {
            return Ok(None);
        };
        let module = py.import("penstock._deadline")?;
        module.call_method1("prepare_main_thread", (helpers.getattr("blocks_too_long")?,))?;
        let is_late = move |py: Python<'_>| {
            let held = driver.get().all_held(py);
            held.iter().any(
                |held| matches!(held, Held::Http(request) if request.get().is_to_be_interrupted(patience)),
            )
        };
        Ok(Some(Interruption {
            signal: module.getattr("SIGNAL")?.extract()?,
            is_late: Box::new(is_late),
        }))
    }

    /// Starts a task for a request.
    fn start_request(slf: &Bound<'_, Self>, mut exchange: Exchange) -> PyResult<()> {
        let (py, this) = (slf.py(), slf.get());
        let side = this.side()?;
        let token = exchange.token();
        let in_progress = this.in_progress.fetch_add(1, Ordering::Relaxed) + 1;
        if this
            .settings
            .asgi
            .limit_concurrency
            .is_some_and(|limit| in_progress > limit)
        {
            exchange.fail(503);
            return this.answered(py, exchange, None);
        }
        exchange.take_up();
        if this.pulse.busy() {
            this.beat(py)?;
        }
        let handshake = match this.handshake(&exchange) {
            Ok(handshake) => handshake,
            Err(refusal) => {
                this.refuse(&mut exchange, refusal);
                return this.answered(py, exchange, None);
            }
        };
        let driver = slf.clone().unbind();
        let (scope, held) = match handshake {
            None => {
                let scope = side.scopes.http(py, &exchange)?;
                let observed = match this.observe(py, &exchange) {
                    Ok(observed) => observed,
                    Err(error) => {
                        super::report(py, &this.log, &error, "request", &super::request_line(&exchange));
                        exchange.fail(500);
                        return this.answered(py, exchange, None);
                    }
                };
                let request = HttpRequest::new(driver, exchange, observed);
                (scope, Held::Http(Py::new(py, request)?))
            }
            Some(handshake) => {
                let scope = side.scopes.websocket(py, &exchange, &handshake)?;
                let session = WebSocketSession::new(driver, exchange, handshake);
                (scope, Held::WebSocket(Py::new(py, session)?))
            }
        };
        {
            let mut out = lock(&this.out);
            if token >= out.len() {
                out.resize_with(token + 1, || None);
            }
            out[token] = Some(held.clone_ref(py));
        }
        this.running.fetch_add(1, Ordering::Relaxed);
        let coroutine = side
            .run
            .bind(py)
            .call1((side.application.bind(py), scope, held.object(py)))?;
        let options = Some(side.task_options.bind(py));
        let task = match &side.new_context {
            None => side.new_task.bind(py).call((coroutine,), options)?,
            Some(new_context) => new_context.bind(py).call0()?.call_method(
                pyo3::intern!(py, "run"),
                (&side.new_task, coroutine),
                options,
            )?,
        };
        held.set_task(task.unbind());
        Ok(())
    }

    /// Calls whoever wants to know of each HTTP request before the application does.
    fn observe(&self, py: Python<'_>, exchange: &Exchange) -> PyResult<Option<Observed>> {
        let observers = self.observers.as_ref();
        observers
            .map(|observers| observers.begin(py, exchange))
            .transpose()
    }

    /// Tells them how the request was answered.
    pub(super) fn observe_end(&self, py: Python<'_>, observed: Option<Observed>, exchange: &mut Exchange) {
        if let (Some(observers), Some(observed)) = (&self.observers, observed) {
            observers.end(py, &observed, None, exchange);
        }
    }

    /// Whether the request asks for a WebSocket, where there are any.
    fn handshake(&self, exchange: &Exchange) -> Result<Option<Handshake>, HandshakeRefusal> {
        let options = &self.settings.asgi.websocket;
        if !options.enabled || !exchange.can_switch() {
            return Ok(None);
        }
        let compression = options.deflate.then(Compression::default);
        Handshake::read(exchange.head(), compression.as_ref())
    }

    /// Answers a handshake that cannot be granted.
    fn refuse(&self, exchange: &mut Exchange, refusal: HandshakeRefusal) {
        let line = super::request_line(exchange);
        self.log.warning(format_args!("{line}: {refusal}"));
        exchange.close_after_answer();
        let text = format!("{refusal}\n");
        refusal.answer(exchange.response());
        exchange.response().set_content_length(text.len() as u64);
        exchange.begin();
        exchange.write(text.as_bytes());
        exchange.finish();
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

    /// An application has returned, or raised.
    pub(super) fn task_ended(&self, py: Python<'_>) -> PyResult<()> {
        self.running.fetch_sub(1, Ordering::Relaxed);
        if self.farewell_said.load(Ordering::Relaxed) {
            // It may have been the last that was waited for.
            self.call_after(py)?;
        }
        Ok(())
    }

    /// A worker that has answered everything still waits for tasks that go on, as long as it may take to leave.
    fn with_tasks(&self, departure: Option<Departure>) -> Option<Departure> {
        match departure {
            Some(Departure::Quick) | None => departure,
            Some(departure) => {
                let is_done = self.running.load(Ordering::Relaxed) == 0 || lock(&self.driven).is_overdue();
                is_done.then_some(departure)
            }
        }
    }

    fn call_linger(&self, py: Python<'_>) -> PyResult<()> {
        let side = self.side()?;
        let linger = (LINGER.as_secs_f64(), &side.linger);
        side.event_loop
            .bind(py)
            .call_method1("call_later", linger)
            .map(drop)
    }

    /// The worker has left: whoever waits for that goes on.
    fn depart(&self, py: Python<'_>, departure: Departure) -> PyResult<()> {
        if lock(&self.departure).replace(departure).is_some() {
            return Ok(());
        }
        let side = self.side()?;
        let descriptor = {
            let mut driven = lock(&self.driven);
            driven.ending();
            driven.descriptor()
        };
        side.event_loop
            .bind(py)
            .call_method1("remove_reader", (descriptor,))?;
        side.departed.bind(py).call_method1("set_result", (py.None(),))?;
        Ok(())
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
        let (asyncio, helpers) = (py.import("asyncio")?, py.import("penstock._asgi")?);
        let event_loop = asyncio.call_method0("get_running_loop")?;
        let scopes = Scopes::new(py, &this.settings, &this.fronts, state)?;
        let task_options = PyDict::new(py);
        let has_factory = !event_loop.call_method0("get_task_factory")?.is_none();
        // Tasks that run at once came with 3.12; uvicorn's and everybody's semantics from their first wait on are the same.
        let is_eager = !has_factory && py.version_info() >= (3, 12);
        let new_task = if has_factory {
            event_loop.getattr("create_task")?
        } else {
            task_options.set_item("loop", &event_loop)?;
            asyncio.getattr("Task")?
        };
        task_options.set_item("name", PyString::intern(py, "request"))?;
        if is_eager {
            task_options.set_item("eager_start", true)?;
        }
        let new_context = this
            .settings
            .asgi
            .reset_contextvars
            .then(|| py.import("contextvars")?.getattr("Context"))
            .transpose()?;
        let departed = event_loop.call_method0("create_future")?;
        let interruption = Driver::interruption(slf, &helpers)?;
        let run = match &interruption {
            Some(_) => "run_with_deadline",
            None => "run",
        };
        let side = LoopSide {
            create_future: event_loop.getattr("create_future")?.unbind(),
            call_soon: event_loop.getattr("call_soon")?.unbind(),
            new_task: new_task.unbind(),
            task_options: task_options.unbind(),
            new_context: new_context.map(Bound::unbind),
            is_eager,
            run: helpers.getattr(run)?.unbind(),
            receive_later: helpers.getattr("receive_later")?.unbind(),
            send_later: helpers.getattr("send_later")?.unbind(),
            application,
            scopes,
            turn: slf.getattr("turn")?.unbind(),
            after: slf.getattr("after")?.unbind(),
            beat: slf.getattr("beat")?.unbind(),
            linger: slf.getattr("linger")?.unbind(),
            departed: departed.clone().unbind(),
            event_loop: event_loop.clone().unbind(),
        };
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
        Ok(departed.unbind())
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
        if let Some(patience) = self.settings.timeouts.soft_deadline {
            self.interrupt_the_late(py, patience)?;
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
