//! Python's logging as uvicorn sets it up, and the server's lines handed to it where users have configured it.
//!
//! Lines are written in Rust, unless there is a `--log-config`: then each one goes to the logger `uvicorn.error`, and each
//! request to `uvicorn.access`, with the arguments that uvicorn's own formatter expects.

use std::sync::Arc;

use config::{Level, Plan, RawValue};
use pyo3::prelude::*;
use telemetry::{AccessedRequest, ErrorLog, Relay};

/// Configures Python's logging, and has it write the lines of `log` where users have asked for that.
///
/// # Errors
/// What is wrong with their configuration.
pub(crate) fn install(py: Python<'_>, plan: &Plan, log: &ErrorLog) -> Result<(), String> {
    let settings = &plan.settings;
    // A level from a configuration stays, unless one was asked for.
    let level = plan.values.iter().rev().find_map(|(name, value)| match value {
        RawValue::Text(level) if name == "log_level" => Some(level.as_str()),
        _ => None,
    });
    let installed = (|| {
        let path = settings.log_config.as_ref().map(|path| path.to_string_lossy());
        let arguments = (path, level, settings.logs.access.is_some(), settings.logs.colors);
        py.import("penstock._logging")?
            .call_method1("configure", arguments)?;
        let relay: Option<Arc<dyn Relay>> = match settings.log_config {
            Some(_) => Some(Arc::new(PythonLogging::new(py)?)),
            None => None,
        };
        log.set_relay(relay);
        Ok(())
    })();
    installed.map_err(|error: PyErr| error.value(py).to_string())
}

/// uvicorn's loggers.
#[derive(Debug)]
struct PythonLogging {
    /// `uvicorn.error`'s method `log`.
    error: Py<PyAny>,
    /// `uvicorn.access`'s method `info`.
    access: Py<PyAny>,
}

impl PythonLogging {
    fn new(py: Python<'_>) -> PyResult<PythonLogging> {
        let logging = py.import("logging")?;
        let logger = |name: &str| logging.call_method1("getLogger", (name,));
        Ok(PythonLogging {
            error: logger("uvicorn.error")?.getattr("log")?.unbind(),
            access: logger("uvicorn.access")?.getattr("info")?.unbind(),
        })
    }
}

impl Relay for PythonLogging {
    fn line(&self, level: Level, text: &str, details: &str) -> bool {
        let number = match level {
            Level::Debug => 10,
            Level::Info => 20,
            Level::Warning => 30,
            Level::Error => 40,
            Level::Critical => 50,
        };
        let text = match details {
            "" => text.to_owned(),
            _ => format!("{text}\n{}", details.trim_end()),
        };
        self.call(&self.error, (number, "%s", text))
    }

    fn access(&self, text: &str) {
        self.call(&self.access, ("%s", text));
    }

    fn request(&self, request: &AccessedRequest<'_>) -> bool {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        let client = match request.client {
            "" => String::new(),
            client => format!("{client}:{}", request.client_port),
        };
        let arguments = (
            "%s - \"%s %s HTTP/%s\" %d",
            client,
            text(request.method),
            text(request.target),
            request.http_version,
            request.status,
        );
        self.call(&self.access, arguments)
    }

    /// Handlers open their files again when the configuration is applied again, at a reload.
    fn reopen(&self) {}
}

impl PythonLogging {
    /// Calls a logger's method; what it raises goes to standard error.
    fn call(&self, method: &Py<PyAny>, arguments: impl for<'py> pyo3::call::PyCallArgs<'py>) -> bool {
        Python::attach(|py| match method.call1(py, arguments) {
            Ok(_) => true,
            Err(error) => {
                error.print(py);
                false
            }
        })
    }
}
