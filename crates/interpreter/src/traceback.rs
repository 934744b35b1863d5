//! A Python exception as text for the log.

use pyo3::prelude::*;

/// The traceback as Python prints it, ending with a line end.
pub(crate) fn text(py: Python<'_>, error: &PyErr) -> String {
    formatted(py, error).unwrap_or_else(|_| format!("{error}\n"))
}

fn formatted(py: Python<'_>, error: &PyErr) -> PyResult<String> {
    let parts = (error.get_type(py), error.value(py), error.traceback(py));
    let lines = py.import("traceback")?.call_method1("format_exception", parts)?;
    let text = pyo3::types::PyString::new(py, "").call_method1("join", (lines,))?;
    Ok(text
        .cast::<pyo3::types::PyString>()?
        .to_string_lossy()
        .into_owned())
}
