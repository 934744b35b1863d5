//! What `receive` and `send` return: native awaitables, complete already whenever that can be.
//!
//! Awaiting one that is complete touches neither the loop nor a coroutine. They have `__await__`, `send`, `throw` and
//! `close`, so that `create_task`, `wait`, `gather` and `wait_for` take them for the coroutines other servers return. What
//! has to wait goes on as a real coroutine of `penstock._asgi`.

use std::sync::{Mutex, PoisonError};

use pyo3::exceptions::PyStopIteration;
use pyo3::prelude::*;

use super::held::Held;

/// A `send` that has been done. There is one for all.
#[pyclass(frozen, module = "penstock")]
pub(crate) struct Sent;

#[pymethods]
impl Sent {
    fn __await__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__(&self) -> Option<Py<PyAny>> {
        None
    }

    fn send(&self, _value: &Bound<'_, PyAny>) -> PyResult<()> {
        Err(PyStopIteration::new_err(()))
    }

    #[pyo3(signature = (kind, value = None, _traceback = None))]
    fn throw(
        &self,
        kind: &Bound<'_, PyAny>,
        value: Option<&Bound<'_, PyAny>>,
        _traceback: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        Err(thrown(kind, value))
    }

    fn close(&self) {}
}

/// A `receive`. The event is taken when it is awaited, so that one that never is eats none.
#[pyclass(frozen, module = "penstock")]
pub(crate) struct Receive {
    held: Held,
    /// The coroutine that waits for the event, once it has to be waited for.
    waiting: Mutex<Option<Py<PyAny>>>,
}

impl Receive {
    pub(super) fn new(held: Held) -> Receive {
        Receive {
            held,
            waiting: Mutex::default(),
        }
    }

    fn waiting<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.as_ref().map(|coroutine| coroutine.bind(py).clone())
    }

    /// Goes on until the event is there (`StopIteration`) or a future has to be waited for.
    fn step<'py>(&self, py: Python<'py>, value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        if let Some(coroutine) = self.waiting(py) {
            return coroutine.call_method1(pyo3::intern!(py, "send"), (value,));
        }
        if let Some(event) = self.held.take_event(py)? {
            return Err(PyStopIteration::new_err((event.unbind(),)));
        }
        let coroutine = self.held.receive_later(py)?;
        *self.waiting.lock().unwrap_or_else(PoisonError::into_inner) = Some(coroutine.clone().unbind());
        coroutine.call_method1(pyo3::intern!(py, "send"), (py.None(),))
    }
}

#[pymethods]
impl Receive {
    fn __await__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.step(py, py.None().bind(py))
    }

    fn send<'py>(&self, value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.step(value.py(), value)
    }

    #[pyo3(signature = (kind, value = None, traceback = None))]
    fn throw<'py>(
        &self,
        kind: &Bound<'py, PyAny>,
        value: Option<&Bound<'py, PyAny>>,
        traceback: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = kind.py();
        match (self.waiting(py), value, traceback) {
            (None, ..) => Err(thrown(kind, value)),
            (Some(coroutine), None, _) => coroutine.call_method1("throw", (kind,)),
            (Some(coroutine), Some(value), None) => coroutine.call_method1("throw", (kind, value)),
            (Some(coroutine), Some(value), Some(traceback)) => {
                coroutine.call_method1("throw", (kind, value, traceback))
            }
        }
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        match self.waiting(py) {
            Some(coroutine) => coroutine.call_method0("close").map(drop),
            None => Ok(()),
        }
    }
}

/// The exception of a `throw(type[, value])` or `throw(exception)`.
fn thrown(kind: &Bound<'_, PyAny>, value: Option<&Bound<'_, PyAny>>) -> PyErr {
    match value.filter(|value| !value.is_none()) {
        Some(value) if value.is_instance(kind).unwrap_or(false) => PyErr::from_value(value.clone()),
        Some(value) => kind.call1((value,)).map_or_else(|error| error, PyErr::from_value),
        None => PyErr::from_value(kind.clone()),
    }
}
