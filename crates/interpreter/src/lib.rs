//! Room `interpreter`: everything that touches CPython.
//!
//! It composes the other rooms: [`entry`] turns a command line into a running server, [`host`] is what the master
//! asks of the interpreter, [`wsgi`] and [`asgi`] are what its workers answer through. The only room with pyo3.

mod answers;
mod application;
mod asgi;
mod cgi_program;
mod entry;
mod fork;
mod hooks;
mod host;
mod log_object;
mod observers;
mod python_config;
mod python_logger;
mod reloader;
mod replacement;
mod traceback;
mod uvicorn_logging;
mod uwsgi;
mod verbs;
mod wsgi;

#[pyo3::pymodule]
mod _core {
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::asgi::{Driver, HttpRequest, Receive, Sent, WebSocketSession};
    #[pymodule_export]
    use crate::entry::{gunicorn_defaults, main};
    #[pymodule_export]
    use crate::wsgi::{ErrorStream, FileWrapper, GreenletDriver, Transaction};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
