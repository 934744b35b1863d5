//! ASGI 3: requests become tasks of an event loop, which turns the reactor.
//!
//! [`serve`] hands a [`Driver`] to `penstock._asgi`, which runs the loop: the application's lifespan around it, the driver's
//! turns in it. A request's [`scope`] is a fresh dict; `receive` and `send` are those of an [`http::HttpRequest`]
//! or a [`websocket::WebSocketSession`].

mod awaitable;
mod driver;
mod event;
mod held;
mod http;
mod pulse;
mod scope;
mod websocket;

use std::sync::Arc;

use config::{Dialect, Interface, Settings};
use pyo3::prelude::*;
use telemetry::ErrorLog;
use worker::{Conditions, Departure, Driven, Exchange, Front};

pub(crate) use awaitable::{Receive, Sent};
pub(crate) use driver::Driver;
pub(crate) use http::HttpRequest;
pub(crate) use websocket::WebSocketSession;

/// How serving has ended.
pub(crate) struct Ended {
    pub(crate) departure: Departure,
    /// 0, or the code for a lifespan that could not start.
    pub(crate) exit_code: i32,
}

/// Serves `application` until the worker is asked to leave.
///
/// # Errors
/// When the reactor or the loop cannot be set up, with what to tell the log.
pub(crate) fn serve(
    py: Python<'_>,
    application: Py<PyAny>,
    interface: Interface,
    settings: &Arc<Settings>,
    fronts: Vec<Front>,
    conditions: Conditions,
    log: &ErrorLog,
) -> PyResult<Ended> {
    let number = conditions.number;
    let driven = Driven::new(conditions)?;
    let driver = Driver::new(py, number, driven, Arc::clone(settings), fronts, log.clone())?;
    let driver = Bound::new(py, driver)?;
    let options = &settings.asgi;
    let graceful = settings.timeouts.graceful.as_secs_f64();
    let exit_code = py
        .import("penstock._asgi")?
        .call_method1(
            "serve",
            (
                &driver,
                application,
                interface == Interface::Asgi2,
                options.lifespan.name(),
                &options.event_loop,
                graceful,
            ),
        )?
        .extract()?;
    Ok(Ended {
        departure: driver.get().departure().unwrap_or(Departure::Quick),
        exit_code,
    })
}

/// How the log begins to tell that an application has raised: `what` has failed, for the request of `line`.
fn failure(log: &ErrorLog, what: &str, line: &str) -> String {
    let words = match log.dialect() {
        Dialect::Uvicorn => "Exception in ASGI application".to_owned(),
        Dialect::Gunicorn | Dialect::Native | Dialect::Uwsgi => format!("Error handling {what}"),
    };
    format!("{words} {}", line.trim_start())
}

/// Method and target for the log, made harmless.
fn request_line(exchange: &Exchange) -> String {
    crate::wsgi::request_line(exchange)
}

fn type_name(value: &Bound<'_, PyAny>) -> String {
    crate::wsgi::type_name(value)
}
