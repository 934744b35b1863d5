//! `wsgi.errors`: text from the application goes into the error log as it is, or, over FastCGI and if that is wanted, to
//! the web server, which has an error log too.

use pyo3::prelude::*;
use telemetry::ErrorLog;

use super::transaction::Transaction;

/// A text stream that can only be written to.
#[pyclass(frozen, module = "penstock")]
pub(crate) struct ErrorStream {
    log: ErrorLog,
    /// The request whose web server is told instead.
    transaction: Option<Py<Transaction>>,
}

impl ErrorStream {
    pub(crate) fn new(log: ErrorLog) -> ErrorStream {
        ErrorStream {
            log,
            transaction: None,
        }
    }

    /// A stream to the web server of one request; once that is over, to the log.
    pub(crate) fn to_web_server(log: ErrorLog, transaction: Py<Transaction>) -> ErrorStream {
        ErrorStream {
            log,
            transaction: Some(transaction),
        }
    }
}

#[pymethods]
impl ErrorStream {
    /// Writes `text` and returns its length.
    fn write(&self, text: &Bound<'_, pyo3::types::PyString>) -> PyResult<usize> {
        // Lone surrogates cannot be written; a replacement character says that something stood there.
        let bytes = text.to_string_lossy();
        let told = self.transaction.as_ref().is_some_and(|transaction| {
            let told = transaction
                .get()
                .with(|exchange| exchange.write_stderr(bytes.as_bytes()));
            told.unwrap_or(false)
        });
        if !told {
            self.log.raw(bytes.as_bytes());
        }
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
