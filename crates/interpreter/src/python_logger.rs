//! gunicorn's logger in Python (`logger_class`, `logconfig_dict`, ...) as the relay of the error log.
//!
//! Only where a configuration asks for it: each line then takes the interpreter. What the logger raises is written to
//! standard error as the logging module would, and the line is written by the server itself.

use config::{Dialect, Level, Plan};
use pyo3::prelude::*;
use telemetry::{ErrorLog, Relay};

use crate::python_config::{Functions, config_object};

/// The logger, as the error log calls it.
#[derive(Debug)]
struct PythonLogger {
    logger: Py<PyAny>,
}

impl Relay for PythonLogger {
    fn line(&self, level: Level, text: &str, details: &str) -> bool {
        let method = match level {
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warning => "warning",
            Level::Error => "error",
            Level::Critical => "critical",
        };
        let text = match details {
            "" => text.to_owned(),
            _ => format!("{text}\n{}", details.trim_end()),
        };
        self.call(method, &text)
    }

    fn access(&self, text: &str) {
        Python::attach(|py| {
            let logged = self
                .logger
                .bind(py)
                .getattr("access_log")
                .and_then(|log| log.call_method1("info", (text,)));
            if let Err(error) = logged {
                error.print(py);
            }
        });
    }

    fn reopen(&self) {
        Python::attach(|py| {
            if let Err(error) = self.logger.call_method0(py, "reopen_files") {
                error.print(py);
            }
        });
    }
}

impl PythonLogger {
    fn call(&self, method: &str, text: &str) -> bool {
        Python::attach(|py| match self.logger.call_method1(py, method, (text,)) {
            Ok(_) => true,
            Err(error) => {
                error.print(py);
                false
            }
        })
    }
}

/// Has the logger that `plan` asks for, if any, write the lines of `log`. `before` is the one that did so far, which is
/// set up anew if it is still the one that is wanted.
///
/// # Errors
/// What is wrong with the logger or its configuration; then everything stays as it was.
pub(crate) fn install(
    py: Python<'_>,
    plan: &Plan,
    functions: &Functions,
    log: &ErrorLog,
    before: Option<&Py<PyAny>>,
) -> Result<Option<Py<PyAny>>, String> {
    if plan.settings.dialect == Dialect::Uvicorn {
        return crate::uvicorn_logging::install(py, plan, log).map(|()| None);
    }
    if !plan.settings.logs.in_python {
        log.set_relay(None);
        return Ok(None);
    }
    let made = (|| {
        let config = config_object(py, &plan.values, functions)?;
        let module = py.import("penstock._gunicorn.glogging")?;
        let logger = match before {
            Some(logger) => module.call_method1("renew", (logger, &config))?,
            None => module.call_method1("make", (&config,))?,
        };
        Ok(logger.unbind())
    })();
    let logger = made.map_err(|error: PyErr| error.value(py).to_string())?;
    log.set_relay(Some(std::sync::Arc::new(PythonLogger {
        logger: logger.clone_ref(py),
    })));
    Ok(Some(logger))
}
