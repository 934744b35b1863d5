//! Has a worker replaced after exceptions of the application that the configuration names (uWSGI's `reload-on-exception`).
//!
//! The request that raised is answered and those in progress are finished: the worker only asks to be replaced.

use config::FatalExceptions;
use master::{ReadyPipe, WorkerSeat};
use pyo3::prelude::*;
use telemetry::ErrorLog;

/// Which exceptions, and whom to ask.
pub(crate) struct Replacement {
    fatal: FatalExceptions,
    ready: ReadyPipe,
    number: u32,
    log: ErrorLog,
}

impl Replacement {
    /// `None`: no exception has a worker replaced.
    pub(crate) fn of(seat: &WorkerSeat) -> Option<Replacement> {
        let fatal = &seat.share.settings.fatal_exceptions;
        fatal.are_any().then(|| Replacement {
            fatal: fatal.clone(),
            ready: seat.ready.clone(),
            number: seat.number,
            log: seat.share.log.clone(),
        })
    }

    /// The application has raised.
    pub(crate) fn consider(&self, py: Python<'_>, error: &PyErr) {
        let kind = error.get_type(py);
        let name = |of: PyResult<String>| of.unwrap_or_default(); // it can be no reason then
        let module = name(kind.getattr("__module__").and_then(|module| module.extract()));
        let class = name(kind.qualname().and_then(|name| name.extract()));
        let text = name(error.value(py).str().and_then(|text| text.extract()));
        if self.fatal.has(&module, &class, &text) {
            let number = self.number;
            self.log.info(format_args!(
                "worker {number} is replaced after an exception: {class}"
            ));
            self.ready.ask_to_retire();
        }
    }
}
