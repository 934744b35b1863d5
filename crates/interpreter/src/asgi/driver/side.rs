//! What the driver needs of the running loop, looked up once.

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use super::Driver;
use crate::asgi::scope::Scopes;

/// What is needed of the running loop.
pub(super) struct LoopSide {
    pub(super) event_loop: Py<PyAny>,
    pub(super) create_future: Py<PyAny>,
    pub(super) call_soon: Py<PyAny>,
    /// `asyncio.Task`, or the loop's `create_task` where it has a task factory.
    pub(super) new_task: Py<PyAny>,
    pub(super) task_options: Py<PyDict>,
    /// `contextvars.Context`, where requests do not run in a copy of the server's context.
    pub(super) new_context: Option<Py<PyAny>>,
    /// Tasks run in the middle of the turn, up to their first wait.
    pub(super) is_eager: bool,
    /// `penstock._asgi.run(application, scope, request)`, or `run_with_deadline`.
    pub(super) run: Py<PyAny>,
    pub(super) receive_later: Py<PyAny>,
    pub(super) send_later: Py<PyAny>,
    pub(super) application: Py<PyAny>,
    pub(super) scopes: Scopes,
    pub(super) turn: Py<PyAny>,
    pub(super) after: Py<PyAny>,
    pub(super) beat: Py<PyAny>,
    pub(super) linger: Py<PyAny>,
    pub(super) departed: Py<PyAny>,
}

impl LoopSide {
    /// That of the running loop. `run`: the function of `penstock._asgi` that calls the application.
    pub(super) fn of(
        driver: &Bound<'_, Driver>,
        application: Py<PyAny>,
        scopes: Scopes,
        helpers: &Bound<'_, PyModule>,
        run: &str,
    ) -> PyResult<LoopSide> {
        let (py, this) = (driver.py(), driver.get());
        let asyncio = py.import("asyncio")?;
        let event_loop = asyncio.call_method0("get_running_loop")?;
        let task_options = PyDict::new(py);
        let has_factory = !event_loop.call_method0("get_task_factory")?.is_none();
        // Tasks that run at once came with 3.12; uvicorn's and everybody's semantics from their first wait on are the same.
        let is_eager = !has_factory && py.version_info() >= (3, 12);
        let new_task = if has_factory {
            event_loop.getattr("create_task")?
        } else {
            task_options.set_item("loop", &event_loop)?;
            asyncio.getattr("Task")?
        };
        task_options.set_item("name", PyString::intern(py, "request"))?;
        if is_eager {
            task_options.set_item("eager_start", true)?;
        }
        let new_context = this
            .settings
            .asgi
            .reset_contextvars
            .then(|| py.import("contextvars")?.getattr("Context"))
            .transpose()?;
        let departed = event_loop.call_method0("create_future")?;
        Ok(LoopSide {
            create_future: event_loop.getattr("create_future")?.unbind(),
            call_soon: event_loop.getattr("call_soon")?.unbind(),
            new_task: new_task.unbind(),
            task_options: task_options.unbind(),
            new_context: new_context.map(Bound::unbind),
            is_eager,
            run: helpers.getattr(run)?.unbind(),
            receive_later: helpers.getattr("receive_later")?.unbind(),
            send_later: helpers.getattr("send_later")?.unbind(),
            application,
            scopes,
            turn: driver.getattr("turn")?.unbind(),
            after: driver.getattr("after")?.unbind(),
            beat: driver.getattr("beat")?.unbind(),
            linger: driver.getattr("linger")?.unbind(),
            departed: departed.unbind(),
            event_loop: event_loop.unbind(),
        })
    }

    /// Starts a task for a coroutine; with eager tasks it has come to its first wait by then, or to its end.
    pub(super) fn start_task(&self, coroutine: Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let py = coroutine.py();
        let options = Some(self.task_options.bind(py));
        let task = match &self.new_context {
            None => self.new_task.bind(py).call((coroutine,), options)?,
            Some(new_context) => new_context.bind(py).call0()?.call_method(
                pyo3::intern!(py, "run"),
                (&self.new_task, coroutine),
                options,
            )?,
        };
        Ok(task.unbind())
    }
}

impl Driver {
    pub(super) fn side(&self) -> PyResult<&LoopSide> {
        self.side
            .get()
            .ok_or_else(|| PyRuntimeError::new_err("the worker does not serve yet"))
    }

    pub(in crate::asgi) fn future<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.side()?.create_future.bind(py).call0()
    }

    pub(in crate::asgi) fn receive_later<'py>(
        &self,
        py: Python<'py>,
        request: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.side()?.receive_later.bind(py).call1((request,))
    }

    pub(in crate::asgi) fn send_later<'py>(
        &self,
        py: Python<'py>,
        request: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.side()?.send_later.bind(py).call1((request,))
    }
}
