//! gevent's hub turns the reactor, and each request is a greenlet.
//!
//! The hub watches the reactor's descriptor and calls [`GreenletDriver::turn`]: it takes back what has been answered,
//! lets the reactor do what is due, and says how many requests have come and whose waits are over. `penstock._gevent`
//! spawns a greenlet for each request, which calls [`GreenletDriver::serve`], and switches to those that may go on.
//!
//! All of this happens on the hub's thread. No lock here is held while Python code runs, since any of it may switch to
//! another greenlet; so none is ever waited for.

use std::collections::VecDeque;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use config::Settings;
use pyo3::exceptions::{PyKeyboardInterrupt, PyRuntimeError};
use pyo3::prelude::*;
use telemetry::ErrorLog;
use worker::{BodyError, Conditions, Departure, Driven, Due, Exchange, Flow, Gateway, Happening, Readiness};

use super::Wsgi;
use super::waits::{Waits, Want};

/// Between the hub, the reactor and the application.
#[pyclass(frozen, module = "penstock")]
pub(crate) struct GreenletDriver {
    wsgi: Wsgi,
    waiting: Arc<Waiting>,
    /// Requests whose greenlets have not begun, in the order in which these do.
    arrived: Mutex<VecDeque<Exchange>>,
    /// Answered, and not yet back in the reactor.
    answered: Mutex<Vec<Exchange>>,
    happenings: Mutex<Vec<Happening>>,
    in_progress: AtomicUsize,
    departure: Mutex<Option<Departure>>,
    log: ErrorLog,
}

/// What greenlets wait with.
struct Waiting {
    driven: Mutex<Driven>,
    /// What has become possible for exchanges that are out, by their tokens.
    news: Mutex<Vec<News>>,
    hub: OnceLock<HubSide>,
    body_patience: Duration,
}

/// What `penstock._gevent` does for a greenlet.
struct HubSide {
    /// `wait(token)`: until the driver names this token.
    wait: Py<PyAny>,
    /// `wait_socket(descriptor, to_write, seconds)`: whether it became ready in time.
    wait_socket: Py<PyAny>,
    /// `pause()`: others have their turn.
    pause: Py<PyAny>,
}

#[derive(Clone, Copy, Debug, Default)]
struct News {
    readiness: Readiness,
    overdue: bool,
    any: bool,
}

/// These locks protect data that is whole at every moment.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Serves through `wsgi`, a greenlet for each request, until the worker is asked to leave.
///
/// # Errors
/// When the reactor or the hub cannot be set up, with what to tell the log.
pub(crate) fn serve(
    py: Python<'_>,
    wsgi: Wsgi,
    conditions: Conditions,
    settings: &Settings,
    log: &ErrorLog,
) -> PyResult<Departure> {
    let waiting = Arc::new(Waiting {
        driven: Mutex::new(Driven::new(conditions)?),
        news: Mutex::default(),
        hub: OnceLock::new(),
        body_patience: settings.timeouts.body,
    });
    let driver = GreenletDriver {
        wsgi: wsgi.waiting_by(Arc::clone(&waiting) as Arc<dyn Waits>),
        waiting,
        arrived: Mutex::default(),
        answered: Mutex::default(),
        happenings: Mutex::default(),
        in_progress: AtomicUsize::new(0),
        departure: Mutex::default(),
        log: log.clone(),
    };
    let driver = Bound::new(py, driver)?;
    py.import("penstock._gevent")?.call_method1("serve", (&driver,))?;
    let departure = *lock(&driver.get().departure);
    Ok(departure.unwrap_or(Departure::Quick))
}

/// Makes the standard library cooperative, as gunicorn's worker does: after `post_fork`, before the application.
pub(crate) fn patch(py: Python<'_>) -> PyResult<()> {
    py.import("penstock._gevent")?.call_method0("patch").map(drop)
}

impl GreenletDriver {
    /// Takes what the reactor has to say: the number of new requests, and the tokens for which there is news.
    fn take_happenings(&self) -> (usize, Vec<usize>) {
        let mut happenings = std::mem::take(&mut *lock(&self.happenings));
        lock(&self.waiting.driven).collect(&mut happenings);
        let (mut requests, mut woken) = (0, Vec::new());
        for happening in happenings.drain(..) {
            match happening {
                Happening::Request(exchange) => {
                    // What was noted for the request before is of no use to this one.
                    self.waiting.take_news(exchange.token());
                    lock(&self.arrived).push_back(exchange);
                    requests += 1;
                }
                Happening::Ready(token, readiness) => {
                    self.waiting.note(token, |news| {
                        news.readiness.readable |= readiness.readable;
                        news.readiness.writable |= readiness.writable;
                        news.readiness.peer_closed |= readiness.peer_closed;
                    });
                    woken.push(token);
                }
                Happening::Overdue(token) => {
                    self.waiting.note(token, |news| news.overdue = true);
                    woken.push(token);
                }
            }
        }
        *lock(&self.happenings) = happenings;
        self.in_progress.fetch_add(requests, Ordering::Relaxed);
        (requests, woken)
    }

    /// Hands back what is answered and turns the reactor. Says when the worker has left.
    fn turn_reactor(&self) -> Option<Departure> {
        let mut answered = std::mem::take(&mut *lock(&self.answered));
        let mut driven = lock(&self.waiting.driven);
        let departure = if answered.is_empty() {
            None
        } else {
            driven.hand_back(&mut answered)
        };
        departure.or_else(|| {
            driven.turn().unwrap_or_else(|error| {
                self.log
                    .critical(format_args!("the reactor cannot go on: {error}"));
                Some(Departure::Quick)
            })
        })
    }
}

#[pymethods]
impl GreenletDriver {
    /// Takes the functions that wait and pause, and returns the descriptor to watch.
    fn start(&self, wait: Py<PyAny>, wait_socket: Py<PyAny>, pause: Py<PyAny>) -> PyResult<i32> {
        let side = HubSide {
            wait,
            wait_socket,
            pause,
        };
        if self.waiting.hub.set(side).is_err() {
            return Err(PyRuntimeError::new_err("the worker serves already"));
        }
        let mut driven = lock(&self.waiting.driven);
        driven.ready();
        Ok(driven.descriptor())
    }

    /// Something is ready or due. Returns the number of new requests, the tokens of waits that are over, and the seconds
    /// after which to turn again.
    fn turn(&self) -> (usize, Vec<usize>, Option<f64>) {
        if self.departed() {
            return (0, Vec::new(), None);
        }
        if let Some(departure) = self.turn_reactor() {
            *lock(&self.departure) = Some(departure);
        }
        let (requests, woken) = self.take_happenings();
        let due = match lock(&self.waiting.driven).due() {
            Due::Now => Some(0.0),
            Due::After(patience) => Some(patience.as_secs_f64()),
            Due::WhenReady => None,
        };
        (requests, woken, due)
    }

    /// Whether the worker has left.
    fn departed(&self) -> bool {
        lock(&self.departure).is_some()
    }

    /// Serves the request that has waited longest for its greenlet, in this one.
    fn serve(&self) {
        let Some(exchange) = lock(&self.arrived).pop_front() else {
            return;
        };
        let mut exchange = self.wsgi.serve(exchange);
        // Others may have their turn first; if the client is gone, that shows when the exchange is back.
        exchange.flush();
        self.in_progress.fetch_sub(1, Ordering::Relaxed);
        lock(&self.answered).push(exchange);
    }

    /// The hub is alive; says whether it has to say so again because requests are in progress.
    fn beat(&self) -> bool {
        let in_progress = self.in_progress.load(Ordering::Relaxed) > 0;
        lock(&self.waiting.driven).beat(in_progress);
        in_progress
    }
}

impl Waiting {
    fn note(&self, token: usize, change: impl FnOnce(&mut News)) {
        let mut news = lock(&self.news);
        if token >= news.len() {
            news.resize(token + 1, News::default());
        }
        change(&mut news[token]);
        news[token].any = true;
    }

    fn take_news(&self, token: usize) -> News {
        lock(&self.news)
            .get_mut(token)
            .map(std::mem::take)
            .unwrap_or_default()
    }

    fn hub(&self) -> PyResult<&HubSide> {
        self.hub
            .get()
            .ok_or_else(|| PyRuntimeError::new_err("the worker does not serve yet"))
    }

    /// Lets other greenlets go on until there is news for this exchange. True when it has waited too long.
    fn wait(&self, py: Python<'_>, exchange: &mut Exchange) -> PyResult<bool> {
        let token = exchange.token();
        let mut news = self.take_news(token);
        if !news.any {
            let waited = self.hub()?.wait.bind(py).call1((token,));
            lock(&self.driven).end_wait(token);
            waited?;
            news = self.take_news(token);
        }
        exchange.notice(news.readiness);
        Ok(news.overdue)
    }
}

impl Waits for Waiting {
    fn receive_body(&self, py: Python<'_>, exchange: &mut Exchange) -> PyResult<Result<(), BodyError>> {
        loop {
            match exchange.receive_body_now() {
                Ok(true) => return Ok(Ok(())),
                Ok(false) => {}
                Err(error) => return Ok(Err(error)),
            }
            lock(&self.driven).await_body(exchange);
            if self.wait(py, exchange)? {
                exchange.body_failed();
                return Ok(Err(BodyError::TimedOut(self.body_patience)));
            }
        }
    }

    fn wait_writable(&self, py: Python<'_>, exchange: &mut Exchange) -> PyResult<Flow> {
        loop {
            match exchange.flush() {
                Flow::Full => {}
                other => return Ok(other),
            }
            if lock(&self.driven).await_writable(exchange) == Flow::Gone {
                exchange.give_up();
                return Ok(Flow::Gone);
            }
            if self.wait(py, exchange)? {
                exchange.give_up_on_reader();
                return Ok(Flow::Gone);
            }
        }
    }

    fn wait_socket(
        &self,
        py: Python<'_>,
        socket: BorrowedFd<'_>,
        want: Want,
        patience: Duration,
    ) -> PyResult<bool> {
        let arguments = (socket.as_raw_fd(), want == Want::Write, patience.as_secs_f64());
        self.hub()?.wait_socket.bind(py).call1(arguments)?.extract()
    }

    fn pause(&self, py: Python<'_>) {
        if let Ok(hub) = self.hub() {
            // What interrupts it is not lost: whoever kills a greenlet waits for its end.
            let _ = hub.pause.bind(py).call0();
        }
    }

    fn is_farewell(&self, py: Python<'_>, error: &PyErr) -> bool {
        let is_killed = error.get_type(py).name().is_ok_and(|name| name == "GreenletExit");
        is_killed || error.is_instance_of::<PyKeyboardInterrupt>(py)
    }
}
