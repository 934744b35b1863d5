//! gunicorn's server hooks: the functions a configuration file sets, and the `server` and `worker` they are given.

use config::{Plan, RawValue};
use master::{HookFailed, MasterView, WorkerView};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use telemetry::ErrorLog;

use crate::log_object::LogObject;
use crate::python_config::{Functions, python};

/// The hooks of a configuration, with what they see of the server.
pub(crate) struct Hooks {
    functions: Functions,
    log: ErrorLog,
    /// `None` when no hook is set: then nothing of this costs anything.
    objects: Option<Objects>,
}

struct Objects {
    log: Py<LogObject>,
    config: Py<PyAny>,
    server: Py<PyAny>,
    /// The worker that this process is.
    worker: Option<Py<PyAny>>,
}

impl Hooks {
    /// The hooks of a plan.
    pub(crate) fn new(py: Python<'_>, plan: &Plan, functions: Functions, log: &ErrorLog) -> PyResult<Hooks> {
        let mut functions = functions;
        functions.retain(|name, _| plan.hooks.iter().any(|hook| hook == name));
        let objects = match functions.is_empty() {
            true => None,
            false => Some(Objects::new(py, &plan.values, &functions, log)?),
        };
        Ok(Hooks {
            functions,
            log: log.clone(),
            objects,
        })
    }

    /// Calls a hook whose failure is logged and otherwise ignored.
    pub(crate) fn call(&self, py: Python<'_>, name: &str, arguments: &[Argument<'_>]) {
        // The failure has been logged.
        let _ = self.try_call(py, name, arguments);
    }

    /// Calls a hook whose failure ends the process with `exit_code`.
    pub(crate) fn require(
        &self,
        py: Python<'_>,
        name: &str,
        arguments: &[Argument<'_>],
        exit_code: i32,
    ) -> Result<(), HookFailed> {
        self.try_call(py, name, arguments)
            .map_err(|message| HookFailed { message, exit_code })
    }

    fn try_call(&self, py: Python<'_>, name: &str, arguments: &[Argument<'_>]) -> Result<(), String> {
        let (Some(function), Some(objects)) = (self.functions.get(name), &self.objects) else {
            return Ok(());
        };
        let called = (|| {
            let arguments: Vec<Bound<'_, PyAny>> = arguments
                .iter()
                .map(|argument| objects.argument(py, argument))
                .collect::<PyResult<_>>()?;
            function.bind(py).call1(PyTuple::new(py, arguments)?)
        })();
        called.map(drop).map_err(|error| {
            let message = format!("the hook {name} failed: {error}");
            self.log
                .error_with_details(&message, &crate::traceback::text(py, &error));
            message
        })
    }

    /// Shows the master's state in `server`.
    pub(crate) fn show_master(&self, py: Python<'_>, master: &MasterView<'_>) {
        let Some(objects) = &self.objects else { return };
        let shown = (|| -> PyResult<()> {
            let server = objects.server.bind(py);
            server.setattr("pid", master.pid)?;
            server.setattr("num_workers", master.workers)?;
            let workers = PyDict::new(py);
            for view in master.processes {
                workers.set_item(view.pid, objects.worker_of(py, *view)?)?;
            }
            server.setattr("WORKERS", workers)
        })();
        if let Err(error) = shown {
            self.log.error_with_details(
                "cannot show the server to its hooks",
                &crate::traceback::text(py, &error),
            );
        }
    }

    /// This process becomes a worker.
    pub(crate) fn become_worker(&mut self, py: Python<'_>, view: WorkerView) -> PyResult<()> {
        if let Some(objects) = &mut self.objects {
            let worker = objects.worker_of(py, view)?;
            worker.setattr("pid", std::process::id())?;
            objects.worker = Some(worker.unbind());
        }
        Ok(())
    }

    /// Sets attributes of this process's `worker`.
    pub(crate) fn set_worker(&self, py: Python<'_>, name: &str, value: &Bound<'_, PyAny>) -> PyResult<()> {
        match self.objects.as_ref().and_then(|objects| objects.worker.as_ref()) {
            Some(worker) => worker.bind(py).setattr(name, value),
            None => Ok(()),
        }
    }
}

/// What a hook is called with.
pub(crate) enum Argument<'a> {
    /// The master.
    Server,
    /// The worker that this process is.
    ThisWorker,
    /// A worker seen from the master.
    Worker(WorkerView),
    /// A plain value.
    Plain(&'a RawValue),
}

impl Objects {
    fn new(
        py: Python<'_>,
        values: &[(String, RawValue)],
        functions: &Functions,
        log: &ErrorLog,
    ) -> PyResult<Objects> {
        let module = py.import("penstock._gunicorn")?;
        let settings = PyDict::new(py);
        for (name, value) in values {
            settings.set_item(name, python(py, name, value, functions)?)?;
        }
        let log = Bound::new(py, LogObject::new(log.clone()))?;
        let config = module.call_method1("Config", (settings,))?;
        let server = module.call_method1("Server", (&log, &config))?;
        Ok(Objects {
            log: log.unbind(),
            config: config.unbind(),
            server: server.unbind(),
            worker: None,
        })
    }

    fn argument<'py>(&self, py: Python<'py>, argument: &Argument<'_>) -> PyResult<Bound<'py, PyAny>> {
        match argument {
            Argument::Server => Ok(self.server.bind(py).clone()),
            Argument::ThisWorker => match &self.worker {
                Some(worker) => Ok(worker.bind(py).clone()),
                None => Ok(py.None().into_bound(py)),
            },
            Argument::Worker(view) => self.worker_of(py, *view),
            Argument::Plain(value) => python(py, "", value, &Functions::new()),
        }
    }

    fn worker_of<'py>(&self, py: Python<'py>, view: WorkerView) -> PyResult<Bound<'py, PyAny>> {
        let module = py.import("penstock._gunicorn")?;
        let ppid: Bound<'_, PyAny> = self.server.bind(py).getattr("pid")?;
        let worker = module.call_method1("Worker", (&self.log, &self.config, view.age, ppid))?;
        if let Some(pid) = view.pid {
            worker.setattr("pid", pid)?;
        }
        Ok(worker)
    }
}
