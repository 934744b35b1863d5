//! A worker's life, from the fork to its exit code: it boots, serves, and takes its leave.
//!
//! What happens until there is an application is in `boot`, what its reactor is given in `serving`.

use std::time::{Instant, SystemTime};

use config::Interface;
use master::WorkerSeat;
use pyo3::prelude::*;
use telemetry::{AccessLog, Event};
use worker::{Departure, Errand};

use super::Interpreter;
use super::boot::open_logs;
use super::serving::{Equipment, aborted, serve_asgi, serve_wsgi};
use crate::application::{self, Loaded};
use crate::hooks::Argument;
use crate::observers::Observers;
use crate::reloader;
use crate::uwsgi::Commons;

impl Interpreter {
    /// A worker's life, from the fork to its exit code.
    pub(super) fn work(&mut self, py: Python<'_>, seat: WorkerSeat) -> i32 {
        let begun = Instant::now();
        let (pid, number) = (std::process::id(), seat.number);
        self.log.event(&Event::WorkerBooting { pid, number });
        let booted = open_logs(&seat).and_then(|access_log| Ok((self.boot(py, &seat)?, access_log)));
        let (code, served) = match booted {
            Ok((application, access_log)) => {
                let code = self.serve(py, seat, application, access_log, begun);
                (code, code == 0)
            }
            Err(code) => (code, false),
        };
        if self.commons.is_some() {
            Commons::at_exit(py, &self.log);
        }
        self.hooks
            .call(py, "worker_exit", &[Argument::Server, Argument::ThisWorker]);
        self.log.event(&Event::WorkerExiting { pid, served });
        code
    }

    fn serve(
        &mut self,
        py: Python<'_>,
        seat: WorkerSeat,
        application: Option<Loaded>,
        access_log: Option<AccessLog>,
        begun: Instant,
    ) -> i32 {
        let equipment = match self.equip(py, &seat, application.as_ref(), access_log, begun) {
            Ok(equipment) => equipment,
            Err(error) => return self.cannot_serve(py, &error),
        };
        let _ = self.hooks.set_worker(py, "booted", true);
        if seat.share.settings.reload_on_change && seat.number == 1 {
            let booted_at = SystemTime::now() - begun.elapsed();
            reloader::reload_when_changed(
                py,
                seat.share.ppid,
                booted_at,
                &seat.share.settings.reload_watch,
                &self.log,
            );
        }
        let log = seat.share.log.clone();
        let served = match application {
            Some(Loaded {
                callable,
                interface: interface @ (Interface::Asgi2 | Interface::Asgi3),
            }) => serve_asgi(py, callable, interface, seat, equipment),
            other => serve_wsgi(py, other.map(|loaded| loaded.callable), seat, equipment),
        };
        // What it has done before is not undone by the hooks that follow.
        let _ = self.hooks.set_worker(py, "_alive", false);
        match served {
            _ if aborted(py) => 1,
            Ok(ended) => {
                if ended.departure == Departure::MasterGone {
                    log.event(&Event::MasterGone {
                        pid: std::process::id(),
                    });
                }
                self.departure = ended.departure;
                ended.exit_code
            }
            Err(error) => self.cannot_serve(py, &error),
        }
    }

    fn equip(
        &self,
        py: Python<'_>,
        seat: &WorkerSeat,
        application: Option<&Loaded>,
        access_log: Option<AccessLog>,
        begun: Instant,
    ) -> PyResult<Equipment> {
        let commons = self.commons.as_ref();
        Ok(Equipment {
            // A logger in Python is called with each request itself, not with a line.
            access_log: access_log.filter(|_| self.logger.is_none()),
            begun,
            has_application: application.is_some(),
            interrupted: self.hooks.bound(py, "worker_int"),
            observers: Observers::new(py, &self.hooks, self.python_access(py), &self.log)?,
            passage: self.passage.try_clone()?,
            commons: commons.map(|commons| commons.for_rules(&seat.share.log)),
            errand: self.errand(py, seat, application)?,
        })
    }

    /// How the application's own signals (uWSGI's) are heard: between requests, or in a thread of Python's where this thread
    /// is not the one that calls the application.
    fn errand(
        &self,
        py: Python<'_>,
        seat: &WorkerSeat,
        application: Option<&Loaded>,
    ) -> PyResult<Option<Errand>> {
        let Some(commons) = &self.commons else {
            return Ok(None);
        };
        let signals = py.import("penstock._uwsgi.names")?;
        let is_called_here = application.is_none_or(|loaded| loaded.interface == Interface::Wsgi);
        if seat.share.settings.threads > 1 || seat.share.settings.greenlets || !is_called_here {
            signals.call_method0("hear_signals_in_a_thread")?;
            return Ok(None);
        }
        let (hear, log) = (signals.getattr("hear_signals")?.unbind(), seat.share.log.clone());
        Ok(Some(Errand {
            descriptors: commons.ears(seat.number),
            run: Box::new(move || {
                Python::attach(|py| {
                    if let Err(error) = hear.call0(py) {
                        log.error_with_details("a signal failed", &crate::traceback::text(py, &error));
                    }
                });
            }),
        }))
    }

    /// `access` of the logger in Python, if it wants to hear of requests.
    fn python_access(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        let logger = self.logger.as_ref()?.bind(py);
        let wanted = logger
            .getattr("access_log_enabled")
            .and_then(|wanted| wanted.is_truthy());
        if wanted.unwrap_or(true) {
            logger.getattr("access").ok().map(Bound::unbind)
        } else {
            None
        }
    }

    fn cannot_serve(&self, py: Python<'_>, error: &PyErr) -> i32 {
        if let Some(failure) = application::told(py, error) {
            failure.tell(&self.log);
            return failure.exit_code;
        }
        let traceback = crate::traceback::text(py, error);
        self.log.error_with_details("the worker cannot serve", &traceback);
        1
    }
}
