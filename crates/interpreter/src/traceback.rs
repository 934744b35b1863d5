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

/// Where a thread is that Python knows by this number, the innermost call last.
pub(crate) fn stack_of(py: Python<'_>, thread: u64) -> PyResult<String> {
    let frames = py.import("sys")?.call_method0("_current_frames")?;
    let frame = frames.get_item(thread)?;
    let lines = py.import("traceback")?.call_method1("format_stack", (frame,))?;
    let text = pyo3::types::PyString::new(py, "").call_method1("join", (lines,))?;
    text.extract()
}
