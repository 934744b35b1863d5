//! The error log as Python code uses it: `server.log.info(...)` in gunicorn's hooks.

use pyo3::prelude::*;
use pyo3::types::PyTuple;
use telemetry::ErrorLog;

/// A logger that writes into the error log.
#[pyclass(frozen, module = "penstock", name = "Log")]
pub(crate) struct LogObject {
    log: ErrorLog,
}

impl LogObject {
    pub(crate) fn new(log: ErrorLog) -> LogObject {
        LogObject { log }
    }
}

/// `message % arguments`, as the logging module has it.
fn text(message: &Bound<'_, PyAny>, arguments: &Bound<'_, PyTuple>) -> PyResult<String> {
    let message = message.str()?;
    let text = match arguments.len() {
        0 => message.into_any(),
        _ => message.into_any().rem(arguments)?,
    };
    text.extract()
}

#[pymethods]
impl LogObject {
    #[pyo3(signature = (message, *arguments))]
    fn debug(&self, message: &Bound<'_, PyAny>, arguments: &Bound<'_, PyTuple>) -> PyResult<()> {
        self.log.debug(text(message, arguments)?);
        Ok(())
    }

    #[pyo3(signature = (message, *arguments))]
    fn info(&self, message: &Bound<'_, PyAny>, arguments: &Bound<'_, PyTuple>) -> PyResult<()> {
        self.log.info(text(message, arguments)?);
        Ok(())
    }

    #[pyo3(signature = (message, *arguments))]
    fn warning(&self, message: &Bound<'_, PyAny>, arguments: &Bound<'_, PyTuple>) -> PyResult<()> {
        self.log.warning(text(message, arguments)?);
        Ok(())
    }

    #[pyo3(signature = (message, *arguments))]
    fn error(&self, message: &Bound<'_, PyAny>, arguments: &Bound<'_, PyTuple>) -> PyResult<()> {
        self.log.error(text(message, arguments)?);
        Ok(())
    }

    #[pyo3(signature = (message, *arguments))]
    fn critical(&self, message: &Bound<'_, PyAny>, arguments: &Bound<'_, PyTuple>) -> PyResult<()> {
        self.log.critical(text(message, arguments)?);
        Ok(())
    }

    /// As `error`, with the traceback of the exception being handled.
    #[pyo3(signature = (message, *arguments))]
    fn exception(
        &self,
        py: Python<'_>,
        message: &Bound<'_, PyAny>,
        arguments: &Bound<'_, PyTuple>,
    ) -> PyResult<()> {
        let details: String = py.import("traceback")?.call_method0("format_exc")?.extract()?;
        self.log.error_with_details(text(message, arguments)?, &details);
        Ok(())
    }
}
