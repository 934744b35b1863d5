//! What all environs of a listener have in common.

use config::{Dialect, GUNICORN_VERSION, Settings, UWSGI_VERSION, Wire};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};
use telemetry::ErrorLog;
use worker::Front;

use crate::wsgi::errors::ErrorStream;
use crate::wsgi::file_wrapper::FileWrapper;

pub(super) struct Template {
    pub(super) environ: Py<PyDict>,
    /// A unix socket has no port: name and port come from the Host header.
    pub(super) is_unix: bool,
    /// The application may speak with the client itself: gunicorn's custom, on wires that have a connection for each request.
    pub(super) has_client_socket: bool,
}

/// What all environs of a listener have in common. The keys that change stand in it too: a copy then has room for
/// them, and setting them replaces a value instead of growing the dict.
pub(super) fn template(
    py: Python<'_>,
    settings: &Settings,
    front: &Front,
    log: &ErrorLog,
) -> PyResult<Template> {
    let environ = PyDict::new(py);
    let none = py.None();
    environ.set_item("REQUEST_METHOD", PyString::intern(py, "GET"))?;
    environ.set_item("QUERY_STRING", "")?;
    environ.set_item("SERVER_PROTOCOL", "HTTP/1.1")?;
    environ.set_item("PATH_INFO", "/")?;
    environ.set_item("SCRIPT_NAME", &settings.script_name)?;
    environ.set_item("SERVER_NAME", &front.server_name)?;
    // Never empty (PEP 3333): a unix socket has no port, and a client that names no host means the usual one.
    environ.set_item(
        "SERVER_PORT",
        if front.is_unix { "80" } else { &front.server_port },
    )?;
    // A web server sends the client's address, and the target, itself.
    let is_gateway = front.wire.is_gateway();
    if !is_gateway {
        environ.set_item("REMOTE_ADDR", "")?;
    }
    if !front.is_unix && !is_gateway {
        environ.set_item("REMOTE_PORT", "")?;
    }
    environ.set_item("wsgi.version", (1, 0))?;
    environ.set_item("wsgi.url_scheme", "http")?;
    environ.set_item("wsgi.input", none)?;
    environ.set_item("wsgi.errors", Bound::new(py, ErrorStream::new(log.clone()))?)?;
    environ.set_item("wsgi.multithread", settings.threads > 1 || settings.greenlets)?;
    environ.set_item("wsgi.multiprocess", settings.workers > 1)?;
    environ.set_item("wsgi.run_once", false)?;
    environ.set_item("wsgi.input_terminated", true)?;
    if settings.file_wrapper {
        environ.set_item("wsgi.file_wrapper", py.get_type::<FileWrapper>())?;
    }
    let has_client_socket =
        settings.dialect == Dialect::Gunicorn && matches!(front.wire, Wire::Http1 | Wire::Uwsgi);
    if has_client_socket {
        environ.set_item("gunicorn.socket", py.None())?;
    }
    match settings.dialect {
        Dialect::Gunicorn => {
            environ.set_item("RAW_URI", "")?;
            environ.set_item("SERVER_SOFTWARE", format!("gunicorn/{GUNICORN_VERSION}"))?;
        }
        Dialect::Uwsgi => {
            if !is_gateway {
                environ.set_item("REQUEST_URI", "")?;
            }
            environ.set_item("uwsgi.version", PyBytes::new(py, UWSGI_VERSION.as_bytes()))?;
            environ.set_item(
                "uwsgi.node",
                PyBytes::new(py, rustix::system::uname().nodename().to_bytes()),
            )?;
        }
        Dialect::Native | Dialect::Uvicorn => {
            environ.set_item("RAW_URI", "")?;
            if !is_gateway {
                environ.set_item("REQUEST_URI", "")?;
            }
            environ.set_item("SERVER_SOFTWARE", concat!("penstock/", env!("CARGO_PKG_VERSION")))?;
        }
    }
    Ok(Template {
        environ: environ.unbind(),
        is_unix: front.is_unix,
        has_client_socket,
    })
}
