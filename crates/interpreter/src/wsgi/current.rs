//! Which request the code that runs belongs to: what uWSGI's functions without an argument mean.
//!
//! A context variable holds it, which each thread and each greenlet has its own value of. Until the application has imported
//! `uwsgi` there is none, and requests cost nothing more.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;
use telemetry::ErrorLog;

use super::transaction::Transaction;

/// The variable, and the content of the module `uwsgi`.
static WATCHED: PyOnceLock<(Py<PyAny>, Py<PyDict>)> = PyOnceLock::new();

/// From now on it is known which request is current. `module`: the content of `uwsgi`.
///
/// # Errors
/// What Python says.
pub(crate) fn watch(module: &Bound<'_, PyDict>) -> PyResult<()> {
    let py = module.py();
    let variable = py
        .import("contextvars")?
        .call_method1("ContextVar", ("uwsgi_request",))?;
    // Whoever came first watches already.
    let _ = WATCHED.set(py, (variable.unbind(), module.clone().unbind()));
    Ok(())
}

/// The application is about to be called.
pub(super) fn begin(transaction: &Bound<'_, Transaction>, environ: &Bound<'_, PyDict>) -> PyResult<()> {
    let py = transaction.py();
    if let Some((variable, _)) = WATCHED.get(py) {
        variable.call_method1(py, intern!(py, "set"), ((transaction, environ),))?;
    }
    Ok(())
}

/// The answer is sent: the application's `after_req_hook` has its turn, and there is no current request any more.
pub(super) fn end(py: Python<'_>, log: &ErrorLog) {
    let Some((variable, module)) = WATCHED.get(py) else {
        return;
    };
    let hook = module.bind(py).get_item(intern!(py, "after_req_hook"));
    let called = match hook {
        Ok(Some(hook)) if !hook.is_none() => hook.call0().map(drop),
        Ok(_) => Ok(()),
        Err(error) => Err(error),
    };
    let forgotten = variable
        .call_method1(py, intern!(py, "set"), (py.None(),))
        .map(drop);
    if let Err(error) = called.and(forgotten) {
        log.error_with_details("uwsgi.after_req_hook failed", &crate::traceback::text(py, &error));
    }
}

/// The request of the code that runs, and its environ.
pub(crate) fn request(py: Python<'_>) -> PyResult<Option<(Py<Transaction>, Py<PyDict>)>> {
    let Some((variable, _)) = WATCHED.get(py) else {
        return Ok(None);
    };
    variable
        .call_method1(py, intern!(py, "get"), (py.None(),))?
        .extract(py)
}
