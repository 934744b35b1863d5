//! What a worker does before it serves: it opens its logs, becomes who it shall be, and loads the application.
//!
//! The order is gunicorn's and uWSGI's, because hooks and options see what came before them. A step that fails says so in the
//! log and gives the exit code, by which the supervisor knows whether another try is worth it.

use config::{Dialect, Moment, Settings};
use master::{WorkerSeat, WorkerView};
use pyo3::prelude::*;
use pyo3::types::PyCFunction;
use telemetry::AccessLog;

use super::Interpreter;
use crate::application::{self, LoadFailure, Loaded};
use crate::hooks::Argument;
use crate::uwsgi::{Commons, Place, Role};
use crate::wsgi::greenlets;

/// gunicorn's exit code for a worker that has not come as far as its application.
const UNPREPARED: i32 = 3;
/// uWSGI's exit code for "no application, and one is needed".
const UWSGI_NO_APPLICATION: i32 = 22;
/// The exit code for a setting that cannot be followed, whatever the application.
pub(super) const WRONG_SETTING: i32 = 1;

impl Interpreter {
    /// Everything up to the application; an exit code when the worker cannot serve. uWSGI serves without one, too.
    pub(super) fn boot(&mut self, py: Python<'_>, seat: &WorkerSeat) -> Result<Option<Loaded>, i32> {
        let unprepared = |error: PyErr| {
            let details = crate::traceback::text(py, &error);
            seat.share
                .log
                .error_with_details("the worker cannot be prepared", &details);
            UNPREPARED
        };
        let view = WorkerView {
            pid: None,
            number: seat.number,
            age: seat.age,
        };
        self.hooks.become_worker(py, view).map_err(unprepared)?;
        self.equip_worker(py, seat).map_err(unprepared)?;
        self.hooks
            .require(
                py,
                "post_fork",
                &[Argument::Server, Argument::ThisWorker],
                UNPREPARED,
            )
            .map_err(|failure| failure.exit_code)?;
        become_somebody(py, seat)?;
        self.prepare_for_abort(py).map_err(unprepared)?;
        if seat.share.settings.timeouts.interpreter.is_some() {
            let row = seat.share.scoreboard.worker(seat.slot);
            crate::answers::tell(row).map_err(|error| unprepared(error.into()))?;
        }
        if let Some(commons) = &self.commons {
            let offered = commons.offer(py, Place::of(seat), Role::Worker(seat.number));
            offered.map_err(unprepared)?;
        }
        if seat.share.settings.greenlets {
            greenlets::patch(py).map_err(unprepared)?;
        }
        let application = self.find_application(py, seat)?;
        if self.commons.is_some() {
            Commons::after_fork(py).map_err(unprepared)?;
        }
        if let Some(application) = &application {
            let callable = application.callable.bind(py);
            self.hooks.set_worker(py, "wsgi", callable).map_err(unprepared)?;
        }
        self.hooks
            .require(py, "post_worker_init", &[Argument::ThisWorker], 1)
            .map_err(|failure| failure.exit_code)?;
        run_hooks_before_accepting(seat)?;
        Ok(application)
    }

    /// The application: the one that the master has loaded, or one that is loaded now.
    fn find_application(&mut self, py: Python<'_>, seat: &WorkerSeat) -> Result<Option<Loaded>, i32> {
        if let Some(application) = self.preloaded.take() {
            return Ok(Some(application));
        }
        let settings = &seat.share.settings;
        if settings.application.is_none() && settings.loading.mounts.is_empty() {
            // Scripts alone are enough to serve.
            return match settings.cgi.mounts.is_empty() {
                true => self.without_application(py, settings, seat.share.generation, None),
                false => Ok(None),
            };
        }
        match application::load(py, settings) {
            Ok(application) => Ok(Some(application)),
            Err(failure) => self.without_application(py, settings, seat.share.generation, Some(failure)),
        }
    }

    /// Lets hooks ask the worker for the number of its requests, and for its replacement.
    fn equip_worker(&self, py: Python<'_>, seat: &WorkerSeat) -> PyResult<()> {
        let (row, ready) = (seat.share.scoreboard.worker(seat.slot), seat.ready.clone());
        let requests = PyCFunction::new_closure(py, None, None, move |_, _| row.requests())?;
        let retire = PyCFunction::new_closure(py, None, None, move |_, _| ready.ask_to_retire())?;
        self.hooks.set_worker(py, "_requests", requests)?;
        self.hooks.set_worker(py, "_retire", retire)
    }

    /// A worker that is ended for a request that takes too long says where each of its threads is, and calls a hook.
    fn prepare_for_abort(&self, py: Python<'_>) -> PyResult<()> {
        // uWSGI's client gets no answer, and its application no exception.
        let uwsgi = self.log.dialect() == Dialect::Uwsgi;
        let hook = match self.hooks.bound(py, "worker_abort") {
            Some(call) => Some(py.import("functools")?.getattr("partial")?.call1(call)?),
            None => None,
        };
        py.import("penstock._stuck")?
            .call_method1("prepare", (self.log.descriptor(), !uwsgi, hook, uwsgi))?;
        Ok(())
    }

    /// There is no application: uWSGI goes on and answers 500, unless told otherwise; everybody else gives up.
    fn without_application(
        &self,
        py: Python<'_>,
        settings: &Settings,
        generation: u32,
        failure: Option<LoadFailure>,
    ) -> Result<Option<Loaded>, i32> {
        let mut code = 4;
        if let Some(failure) = failure {
            failure.tell(&self.log);
            code = failure.exit_code;
            let shows = matches!(settings.dialect, Dialect::Gunicorn | Dialect::Native);
            if settings.reload_on_change && shows && !failure.page.is_empty() {
                return application::failing(py, &failure.page)
                    .map(Some)
                    .map_err(|_| code);
            }
        }
        let is_wrong_setting = code == WRONG_SETTING && settings.dialect != Dialect::Uvicorn;
        if settings.reload_on_change && generation == 1 && !is_wrong_setting {
            self.log
                .error("There is no application yet: requests get 500 until a change brings one");
            return Ok(None);
        }
        // A reload must fail if it can do no better than what is there.
        let may_go_on = settings.dialect == Dialect::Uwsgi && generation == 1;
        if settings.dialect != Dialect::Uwsgi || code == WRONG_SETTING {
            return Err(code);
        }
        self.log
            .error("unable to load app 0 (mountpoint='') (callable not found or import error)");
        if settings.need_application || !may_go_on {
            self.log.error("*** no app loaded. GAME OVER ***");
            return Err(UWSGI_NO_APPLICATION);
        }
        self.log
            .error("*** no app loaded. going in full dynamic mode ***");
        Ok(None)
    }
}

/// The worker becomes the configured user, with the configured surroundings; an exit code when it cannot.
fn become_somebody(py: Python<'_>, seat: &WorkerSeat) -> Result<(), i32> {
    let settings = &seat.share.settings;
    let said = |message: String| {
        seat.share.log.error(message);
        1
    };
    if let Some(identity) = &seat.share.identity {
        application::become_user(py, identity).map_err(said)?;
    }
    master::run_hooks_of_worker(settings, Moment::PostFork, &seat.share.log)?;
    if let Some(umask) = settings.umask {
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(umask as _));
    }
    // The master's may be those of a reload that has failed.
    application::set_variables(py, settings).map_err(said)
}

/// uWSGI's hooks for the moment before connections are taken, those that this worker is meant by.
fn run_hooks_before_accepting(seat: &WorkerSeat) -> Result<(), i32> {
    let moments = [
        (Moment::Accepting, true),
        (Moment::AcceptingOnce, !seat.replaces),
        (Moment::FirstAccepting, seat.number == 1),
        (Moment::FirstAcceptingOnce, seat.number == 1 && !seat.replaces),
    ];
    for (moment, _) in moments.into_iter().filter(|(_, is_meant)| *is_meant) {
        master::run_hooks_of_worker(&seat.share.settings, moment, &seat.share.log)?;
    }
    Ok(())
}

/// Opens the worker's access log, while it still has the master's rights; an exit code when it cannot be written. The
/// files go to the user that the worker will be, so that it can open them again.
pub(super) fn open_logs(seat: &WorkerSeat) -> Result<Option<AccessLog>, i32> {
    let (logs, dialect) = (&seat.share.settings.logs, seat.share.settings.dialect);
    let opened = match seat.share.log.relay() {
        // uvicorn's logger says by having no handlers that it wants none; it need not be called to find out.
        Some(relay) if dialect != Dialect::Uvicorn || logs.access.is_some() => {
            AccessLog::relayed(logs, dialect, relay).map(Some)
        }
        _ => AccessLog::open(logs, dialect),
    };
    let access_log = opened.map_err(|error| {
        seat.share.log.error(error);
        1
    })?;
    if let Some(identity) = &seat.share.identity {
        let (user, group) = (identity.uid, identity.gid);
        let given = seat.share.log.give_to(user, group);
        let access_given = access_log.as_ref().map_or(Ok(()), |log| log.give_to(user, group));
        if let Err(error) = given.and(access_given) {
            seat.share.log.warning(format_args!(
                "the log files cannot be given to the workers' user, who then cannot reopen them: {error}"
            ));
        }
    }
    Ok(access_log)
}
