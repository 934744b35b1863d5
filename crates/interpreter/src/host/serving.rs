//! What a worker serves with: the listeners, limits and callbacks that its reactor gets, and who turns that.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use config::{Dialect, Interface, Settings};
use master::{Listener, WorkerSeat};
use protocol::gateway::FirstLine;
use protocol::proxy::Versions;
use pyo3::prelude::*;
use telemetry::{AccessLog, ErrorLog, Event, LifespanStep};
use worker::{Commons, Conditions, Departure, Driven, Errand, Front, Gateway, Passage, Peers, ProxyProtocol};

use super::boot::WRONG_SETTING;
use crate::asgi::{self, Ended};
use crate::observers::Observers;
use crate::replacement::Replacement;
use crate::wsgi::{Wsgi, greenlets};

/// The name in the Server header.
const SERVER: &str = "penstock";

/// What a worker serves with, beside its seat.
pub(super) struct Equipment {
    pub(super) access_log: Option<AccessLog>,
    /// When the process began.
    pub(super) begun: Instant,
    /// There is an application to serve.
    pub(super) has_application: bool,
    /// The hook for INT and QUIT, and the worker it is called with.
    pub(super) interrupted: Option<(Py<PyAny>, Py<PyAny>)>,
    pub(super) observers: Option<Observers>,
    /// What rules may ask of what processes share.
    pub(super) commons: Option<Arc<dyn Commons>>,
    /// Signals of the application's own, where they are heard between requests.
    pub(super) errand: Option<Errand>,
    pub(super) passage: Passage,
}

pub(super) fn serve_wsgi(
    py: Python<'_>,
    application: Option<Py<PyAny>>,
    seat: WorkerSeat,
    mut equipment: Equipment,
) -> PyResult<Ended> {
    let settings = Arc::clone(&seat.share.settings);
    if settings.dialect == Dialect::Uvicorn && application.is_some() {
        // To uvicorn it is an application without a lifespan.
        seat.share.log.event(&Event::Lifespan(LifespanStep::Starting));
        seat.share.log.event(&Event::Lifespan(LifespanStep::Unsupported));
    }
    let fronts: Vec<Front> = fronts(&seat, equipment.commons.take());
    let log = seat.share.log.clone();
    let mut wsgi = Wsgi::new(
        py,
        application,
        &settings,
        &fronts,
        seat.share.scoreboard.worker(seat.slot),
        equipment.observers.take(),
        log.clone(),
    )?;
    if let Some(patience) = settings.timeouts.soft_deadline {
        wsgi.interrupt_after(py, patience, seat.number, seat.share.scoreboard.worker(seat.slot))?;
    }
    wsgi.replacement = Replacement::of(&seat);
    let conditions = conditions(seat, fronts, equipment)?;
    let departure = if settings.greenlets {
        greenlets::serve(py, wsgi, conditions, &settings, &log)?
    } else {
        let gateway: Arc<dyn Gateway> = Arc::new(wsgi);
        worker::serve(conditions, &gateway)?
    };
    Ok(Ended {
        departure,
        exit_code: 0,
    })
}

pub(super) fn serve_asgi(
    py: Python<'_>,
    application: Py<PyAny>,
    interface: Interface,
    seat: WorkerSeat,
    mut equipment: Equipment,
) -> PyResult<Ended> {
    let (settings, log) = (Arc::clone(&seat.share.settings), seat.share.log.clone());
    if settings.greenlets {
        log.error(
            "The application is an ASGI application, and the worker class is gevent, which serves WSGI applications: choose \
             -k asgi (option worker_class)",
        );
        return Ok(Ended {
            departure: Departure::Quick,
            exit_code: WRONG_SETTING,
        });
    }
    if !settings.asgi.expected && settings.dialect != Dialect::Native && seat.number == 1 {
        log.warning(
            "The application is an ASGI application: it is served as one, by an event loop, whatever worker class was chosen",
        );
    }
    let fronts: Vec<Front> = fronts(&seat, equipment.commons.take());
    let (number, observers) = (seat.number, equipment.observers.take());
    let replacement = Replacement::of(&seat);
    let conditions = conditions(seat, fronts.clone(), equipment)?;
    let driven = Driven::new(conditions)?;
    let mut driver = asgi::Driver::new(py, number, driven, Arc::clone(&settings), fronts, observers, log)?;
    driver.replacement = replacement;
    asgi::serve(py, driver, application, interface, &settings)
}

/// Whether this worker has been told to end for a request that takes too long.
pub(super) fn aborted(py: Python<'_>) -> bool {
    let flag = || py.import("penstock._stuck")?.getattr("aborted")?.extract();
    flag().unwrap_or(false)
}

/// What the worker serves under.
fn conditions(mut seat: WorkerSeat, fronts: Vec<Front>, equipment: Equipment) -> io::Result<Conditions> {
    let Equipment {
        access_log,
        begun,
        has_application,
        interrupted,
        errand,
        passage,
        ..
    } = equipment;
    let hook_log = seat.share.log.clone();
    let settings = Arc::clone(&seat.share.settings);
    let (number, threads) = (seat.number, settings.threads);
    let mut addresses: Vec<String> = fronts.iter().map(|front| front.shown.clone()).collect();
    let lifeline = seat.share.lifeline.try_clone()?;
    let listeners = std::mem::take(&mut seat.listeners)
        .into_iter()
        .map(|listener| listener.socket)
        .zip(fronts);
    let (ready, ready_log) = (seat.ready.clone(), seat.share.log.clone());
    let (retire, retire_log) = (seat.ready.clone(), seat.share.log.clone());
    let ending = seat.ready.clone();
    Ok(Conditions {
        listeners: listeners.collect(),
        scoreboard: seat.share.scoreboard,
        slot: seat.slot,
        number,
        max_requests: settings
            .max_requests
            .map(|limit| limit + jitter(settings.max_requests_jitter)),
        settings,
        lifeline,
        error_log: seat.share.log.clone(),
        access_log,
        signals_installed: Box::new(move || seat.signals_installed()),
        ready: Box::new(move || {
            let pid = std::process::id();
            ready_log.event(&Event::WorkerReady {
                pid,
                number,
                threads,
                boot: begun.elapsed(),
                has_application,
                addresses: std::mem::take(&mut addresses),
            });
            ready.ready();
        }),
        retire: Box::new(move |requests| {
            let pid = std::process::id();
            retire_log.event(&Event::WorkerRecycling { pid, requests });
            retire.ask_to_retire();
        }),
        ending: Box::new(move || ending.ending()),
        interrupted: Box::new(move || {
            if let Some((hook, worker)) = &interrupted {
                interrupt(hook, worker, &hook_log);
            }
        }),
        errand,
        passage: Some(passage),
        server: SERVER,
    })
}

/// Calls the hook for INT and QUIT, unless it is the end of a worker that hangs: that has a hook of its own.
fn interrupt(hook: &Py<PyAny>, worker: &Py<PyAny>, log: &ErrorLog) {
    Python::attach(|py| {
        if aborted(py) {
            return;
        }
        if let Err(error) = hook.call1(py, (worker,)) {
            log.error_with_details("the hook worker_int failed", &crate::traceback::text(py, &error));
        }
    });
}

/// What the connections of each listener share.
fn fronts(seat: &WorkerSeat, commons: Option<Arc<dyn Commons>>) -> Vec<Front> {
    let listeners = seat.listeners.iter().enumerate();
    listeners
        .map(|(index, listener)| Front {
            commons: commons.clone(),
            ..front(index, listener, &seat.share.settings)
        })
        .collect()
}

fn front(index: usize, listener: &Listener, settings: &Settings) -> Front {
    let (server_name, server_port) = match listener.local_address {
        Some(address) => (address.ip().to_string(), address.port().to_string()),
        None => (
            listener
                .text
                .split_once("unix:")
                .map_or("", |(_, path)| path)
                .to_owned(),
            String::new(),
        ),
    };
    let is_unix = listener.local_address.is_none();
    let expected = &settings.proxy_protocol;
    Front {
        server_name,
        server_port,
        is_unix,
        index,
        shown: listener.text.clone(),
        wire: listener.bind.wire,
        first_line: if listener.bind.status_line {
            FirstLine::StatusLine
        } else {
            FirstLine::StatusField
        },
        allowed: Peers::new(&listener.bind.peers(&settings.gateways)),
        proxy_protocol: (expected.v1 || expected.v2).then(|| ProxyProtocol {
            versions: Versions {
                v1: expected.v1,
                v2: expected.v2,
            },
            allowed: Peers::new(&expected.allow_from),
        }),
        commons: None,
    }
}

/// A number from 0 to `limit`, different in each worker.
fn jitter(limit: u64) -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    // The standard library's per-process random keys are all the randomness this needs; the process id tells forked
    // workers apart.
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u32(std::process::id());
    hasher.finish() % (limit + 1)
}
