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

use config::{Dialect, Interface, Settings};
use pyo3::prelude::*;
use telemetry::ErrorLog;
use worker::{Departure, Exchange};

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

/// Serves `application` with this driver until the worker is asked to leave.
///
/// # Errors
/// When the loop cannot be set up, with what to tell the log.
pub(crate) fn serve(
    py: Python<'_>,
    driver: Driver,
    application: Py<PyAny>,
    interface: Interface,
    settings: &Settings,
) -> PyResult<Ended> {
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

/// Tells the log that an application, or a hook before it, has raised: `what` has failed, for the request of `line`.
fn report(py: Python<'_>, log: &ErrorLog, error: &PyErr, what: &str, line: &str) {
    let words = match log.dialect() {
        Dialect::Uvicorn => "Exception in ASGI application".to_owned(),
        Dialect::Gunicorn | Dialect::Native | Dialect::Uwsgi => format!("Error handling {what}"),
    };
    log.error_with_details(
        format!("{words} {}", line.trim_start()),
        &crate::traceback::text(py, error),
    );
}

/// Method and target for the log, made harmless.
fn request_line(exchange: &Exchange) -> String {
    crate::wsgi::request_line(exchange)
}

fn type_name(value: &Bound<'_, PyAny>) -> String {
    crate::wsgi::type_name(value)
}
