//! `wsgi.errors`: text from the application goes into the error log as it is.

use pyo3::prelude::*;
use telemetry::ErrorLog;

/// A text stream that can only be written to.
#[pyclass(frozen, module = "penstock")]
pub(crate) struct ErrorStream {
    log: ErrorLog,
}

impl ErrorStream {
    pub(crate) fn new(log: ErrorLog) -> ErrorStream {
        ErrorStream { log }
    }
}

#[pymethods]
impl ErrorStream {
    /// Writes `text` and returns its length.
    fn write(&self, text: &Bound<'_, pyo3::types::PyString>) -> PyResult<usize> {
        // Lone surrogates cannot be written; a replacement character says that something stood there.
        self.log.raw(text.to_string_lossy().as_bytes());
        text.len()
    }

    /// Writes each of `lines`; no line ends are added.
    fn writelines(&self, lines: &Bound<'_, PyAny>) -> PyResult<()> {
        for line in lines.try_iter()? {
            self.write(line?.cast()?)?;
        }
        Ok(())
    }

    /// Does nothing: every write goes out at once.
    fn flush(&self) {}

    #[getter]
    fn encoding(&self) -> &'static str {
        "utf-8"
    }

    /// False: it is not a terminal.
    fn isatty(&self) -> bool {
        false
    }

    fn writable(&self) -> bool {
        true
    }

    fn readable(&self) -> bool {
        false
    }
}
