//! The events of ASGI as Python has them: what is read from those an application sends, and who waits for those it gets.

use protocol::ResponseFault;
use pyo3::exceptions::{PyOSError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};

pyo3::create_exception!(
    penstock,
    ClientDisconnected,
    PyOSError,
    "The client has closed the connection before its answer was complete."
);

/// All of these futures, if something has become possible for them.
pub(super) fn take_if(condition: bool, futures: &mut Vec<Py<PyAny>>) -> Vec<Py<PyAny>> {
    if condition {
        std::mem::take(futures)
    } else {
        Vec::new()
    }
}

/// Lets those who wait for these futures go on.
pub(super) fn wake(py: Python<'_>, futures: Vec<Py<PyAny>>) {
    for future in futures {
        let future = future.bind(py);
        let done = future
            .call_method0(pyo3::intern!(py, "done"))
            .and_then(|done| done.is_truthy());
        // One that was cancelled needs no result, and whatever else cannot be told has nobody who waits.
        if let Ok(false) = done {
            let _ = future.call_method1(pyo3::intern!(py, "set_result"), (py.None(),));
        }
    }
}

/// The value of a key that has to be there.
pub(super) fn required<'py>(event: &Bound<'py, PyDict>, key: &str) -> PyResult<Bound<'py, PyAny>> {
    event
        .get_item(PyString::intern(event.py(), key))?
        .ok_or_else(|| PyValueError::new_err(format!("the event has no {key:?}: {event}")))
}

/// A value that is false when it is not there.
pub(super) fn truth(event: &Bound<'_, PyDict>, key: &Bound<'_, PyString>) -> PyResult<bool> {
    event.get_item(key)?.map_or(Ok(false), |value| value.is_truthy())
}

/// The bytes of a value that may be given as any kind of buffer.
pub(super) fn bytes_of<'py>(value: Bound<'py, PyAny>, key: &str) -> PyResult<Bound<'py, PyBytes>> {
    if let Ok(bytes) = value.cast::<PyBytes>() {
        return Ok(bytes.clone());
    }
    let py = value.py();
    let buffer = value.is_instance_of::<pyo3::types::PyByteArray>()
        || value.is_instance_of::<pyo3::types::PyMemoryView>();
    if !buffer {
        return Err(PyTypeError::new_err(format!(
            "{key:?} of an event must be bytes, not {}",
            super::type_name(&value)
        )));
    }
    let bytes = py.get_type::<PyBytes>().call1((value,))?;
    Ok(bytes.cast_into::<PyBytes>()?)
}

/// A header as an application gives it.
pub(super) type Pair<'py> = (Bound<'py, PyBytes>, Bound<'py, PyBytes>);

/// Headers as the application gives them: an iterable of pairs of bytes.
pub(super) fn pairs<'py>(headers: &Bound<'py, PyAny>) -> PyResult<Vec<Pair<'py>>> {
    let mut pairs = Vec::with_capacity(headers.len().unwrap_or_default());
    for pair in headers.try_iter()? {
        let pair = pair?;
        let mut items = pair.try_iter()?;
        let (Some(name), Some(value), None) = (items.next(), items.next(), items.next()) else {
            return Err(PyTypeError::new_err(format!(
                "a header must be a pair [name, value] of bytes, not {}",
                pair.repr()?
            )));
        };
        pairs.push((bytes_of(name?, "headers")?, bytes_of(value?, "headers")?));
    }
    Ok(pairs)
}

/// The event an application sends, and its type.
pub(super) fn event_of<'a, 'py>(
    event: &'a Bound<'py, PyAny>,
) -> PyResult<(&'a Bound<'py, PyDict>, Bound<'py, PyString>)> {
    let Ok(event) = event.cast::<PyDict>() else {
        return Err(PyTypeError::new_err(format!(
            "an event must be a dict, not {}",
            super::type_name(event)
        )));
    };
    let kind = required(event, "type")?
        .cast_into::<PyString>()
        .map_err(|_| PyTypeError::new_err("the type of an event must be a str"))?;
    Ok((event, kind))
}

/// An application's answer that cannot be sent.
pub(super) fn invalid(fault: ResponseFault) -> PyErr {
    PyValueError::new_err(fault.to_string())
}

/// What `send` raises once nobody listens.
pub(super) fn gone() -> PyErr {
    ClientDisconnected::new_err("the client has closed the connection")
}

/// Whether an exception is our own word that the client has left, or was raised while that was handled.
pub(super) fn because_client_left(py: Python<'_>, error: &PyErr) -> bool {
    let mut current = Some(error.value(py).clone().into_any());
    // Exceptions can be linked in a circle.
    for _ in 0..16 {
        let Some(value) = current else { return false };
        if value.is_instance_of::<ClientDisconnected>() {
            return true;
        }
        current = value
            .getattr(pyo3::intern!(py, "__context__"))
            .ok()
            .filter(|context| !context.is_none());
    }
    false
}
