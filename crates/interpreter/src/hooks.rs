//! gunicorn's server hooks: the functions a configuration file sets, and the `server` and `worker` they are given.
//!
//! A worker's object is made when it is about to be forked and is the same in all its hooks, on both sides of the fork:
//! attributes set on it stay. Without hooks none of this exists.

use std::collections::HashMap;

use config::{Plan, RawValue};
use master::{HookFailed, MasterView, WorkerView};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};
use telemetry::ErrorLog;

use crate::log_object::LogObject;
use crate::python_config::{Functions, config_object, python};

/// The hooks of a configuration, with what they see of the server.
pub(crate) struct Hooks {
    functions: Functions,
    log: ErrorLog,
    /// `None` when no hook is set: then nothing of this costs anything.
    objects: Option<Objects>,
}

struct Objects {
    log: Py<PyAny>,
    config: Py<PyAny>,
    server: Py<PyAny>,
    /// What `worker` is made of.
    worker_class: Py<PyAny>,
    /// The workers that exist, by age.
    workers: HashMap<u32, Py<PyAny>>,
    /// The worker that this process is.
    worker: Option<Py<PyAny>>,
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

impl Hooks {
    /// The hooks of a plan. `logger` is the logger in Python, where one is configured; `before` the hooks that these
    /// replace, whose `server` goes on.
    pub(crate) fn new(
        py: Python<'_>,
        plan: &Plan,
        functions: Functions,
        log: &ErrorLog,
        logger: Option<&Py<PyAny>>,
        before: Option<&mut Hooks>,
    ) -> PyResult<Hooks> {
        let mut hooks = HashMap::new();
        for name in &plan.hooks {
            let dotted = plan.values.iter().find_map(|(known, value)| match value {
                RawValue::Text(dotted) if known == name => Some(dotted),
                _ => None,
            });
            let function = match (functions.get(name), dotted) {
                (Some(function), _) => function.clone_ref(py),
                (None, Some(dotted)) => import(py, dotted)?,
                (None, None) => continue,
            };
            hooks.insert(name.clone(), function);
        }
        let objects = match hooks.is_empty() {
            true => None,
            false => Some(Objects::new(
                py,
                &plan.values,
                &functions,
                log_object(py, log, logger)?,
                before,
            )?),
        };
        Ok(Hooks {
            functions: hooks,
            log: log.clone(),
            objects,
        })
    }

    /// Calls a hook whose failure is logged and otherwise ignored.
    pub(crate) fn call(&mut self, py: Python<'_>, name: &str, arguments: &[Argument<'_>]) {
        // The failure has been logged.
        let _ = self.try_call(py, name, arguments);
    }

    /// Calls a hook whose failure ends the process with `exit_code`.
    pub(crate) fn require(
        &mut self,
        py: Python<'_>,
        name: &str,
        arguments: &[Argument<'_>],
        exit_code: i32,
    ) -> Result<(), HookFailed> {
        self.try_call(py, name, arguments)
            .map_err(|message| HookFailed { message, exit_code })
    }

    fn try_call(&mut self, py: Python<'_>, name: &str, arguments: &[Argument<'_>]) -> Result<(), String> {
        let (Some(function), Some(objects)) = (self.functions.get(name), &mut self.objects) else {
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

    /// A hook as something to be called later, and the worker that this process is; `None` when it is not set.
    pub(crate) fn bound(&self, py: Python<'_>, name: &str) -> Option<(Py<PyAny>, Py<PyAny>)> {
        let function = self.functions.get(name)?;
        let worker = self.objects.as_ref()?.worker.as_ref()?;
        Some((function.clone_ref(py), worker.clone_ref(py)))
    }

    /// Shows the master's state in `server`.
    pub(crate) fn show_master(&mut self, py: Python<'_>, master: &MasterView<'_>) {
        let Some(objects) = &mut self.objects else { return };
        if let Err(error) = objects.show_master(py, master) {
            self.log.error_with_details(
                "cannot show the server to its hooks",
                &crate::traceback::text(py, &error),
            );
        }
    }

    /// A worker is gone for good.
    pub(crate) fn forget(&mut self, worker: WorkerView) {
        if let Some(objects) = &mut self.objects {
            objects.workers.remove(&worker.age);
        }
    }

    /// This process becomes a worker.
    pub(crate) fn become_worker(&mut self, py: Python<'_>, view: WorkerView) -> PyResult<()> {
        if let Some(objects) = &mut self.objects {
            let worker = objects.worker_of(py, view)?;
            worker.setattr("pid", std::process::id())?;
            objects.workers.clear();
            objects.worker = Some(worker.unbind());
        }
        Ok(())
    }

    /// Sets an attribute of this process's `worker`.
    pub(crate) fn set_worker<'py>(
        &self,
        py: Python<'py>,
        name: &str,
        value: impl IntoPyObject<'py>,
    ) -> PyResult<()> {
        match self.objects.as_ref().and_then(|objects| objects.worker.as_ref()) {
            Some(worker) => worker.bind(py).setattr(name, value),
            None => Ok(()),
        }
    }
}

/// What hooks log with: the logger in Python, where there is one.
fn log_object<'py>(
    py: Python<'py>,
    log: &ErrorLog,
    logger: Option<&Py<PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    match logger {
        Some(logger) => Ok(logger.bind(py).clone()),
        None => Ok(Bound::new(py, LogObject::new(log.clone()))?.into_any()),
    }
}

/// What a dotted name stands for.
fn import(py: Python<'_>, dotted: &str) -> PyResult<Py<PyAny>> {
    let (module, name) = dotted.rsplit_once('.').unwrap_or(("builtins", dotted));
    Ok(py.import(module)?.getattr(name)?.unbind())
}

impl Objects {
    fn new(
        py: Python<'_>,
        values: &[(String, RawValue)],
        functions: &Functions,
        log: Bound<'_, PyAny>,
        before: Option<&mut Hooks>,
    ) -> PyResult<Objects> {
        let module = py.import("penstock._gunicorn.objects")?;
        let config = config_object(py, values, functions)?;
        let (server, workers) = match before.and_then(|hooks| hooks.objects.as_mut()) {
            Some(objects) => {
                let server = objects.server.bind(py).clone();
                server.setattr("log", &log)?;
                server.setattr("cfg", &config)?;
                (server, std::mem::take(&mut objects.workers))
            }
            None => (module.call_method1("Arbiter", (&log, &config))?, HashMap::new()),
        };
        Ok(Objects {
            worker_class: module.call_method1("worker_class", (&config,))?.unbind(),
            log: log.unbind(),
            config: config.unbind(),
            server: server.unbind(),
            workers,
            worker: None,
        })
    }

    fn argument<'py>(&mut self, py: Python<'py>, argument: &Argument<'_>) -> PyResult<Bound<'py, PyAny>> {
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

    fn worker_of<'py>(&mut self, py: Python<'py>, view: WorkerView) -> PyResult<Bound<'py, PyAny>> {
        let worker = match self.workers.get(&view.age) {
            Some(worker) => worker.bind(py).clone(),
            None => {
                let server = self.server.bind(py);
                let ppid = server.getattr("pid")?;
                let worker = self
                    .worker_class
                    .bind(py)
                    .call1((&self.log, &self.config, view.age, ppid))?;
                worker.setattr("sockets", server.getattr("LISTENERS")?)?;
                server.setattr("worker_age", view.age)?;
                self.workers.insert(view.age, worker.clone().unbind());
                worker
            }
        };
        if let Some(pid) = view.pid {
            worker.setattr("pid", pid)?;
        }
        Ok(worker)
    }

    fn show_master(&mut self, py: Python<'_>, master: &MasterView<'_>) -> PyResult<()> {
        let workers = PyDict::new(py);
        for view in master.processes {
            workers.set_item(view.pid, self.worker_of(py, *view)?)?;
        }
        let module = py.import("penstock._gunicorn.objects")?;
        let listeners = PyList::empty(py);
        for listener in master.listeners {
            listeners.append(module.call_method1(
                "Listener",
                (&listener.text, address(py, listener)?, listener.descriptor()),
            )?)?;
        }
        let server = self.server.bind(py);
        server.setattr("pid", master.pid)?;
        server.setattr("num_workers", master.workers)?;
        server.setattr("LISTENERS", listeners)?;
        server.setattr("WORKERS", workers)
    }
}

/// A listener's address as Python's socket module writes it.
fn address<'py>(py: Python<'py>, listener: &master::Listener) -> PyResult<Bound<'py, PyAny>> {
    match listener.local_address {
        Some(address) => (address.ip().to_string(), address.port())
            .into_pyobject(py)
            .map(Bound::into_any),
        None => Ok(listener
            .text
            .trim_start_matches("unix:")
            .into_pyobject(py)?
            .into_any()),
    }
}
