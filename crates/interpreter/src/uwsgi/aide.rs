//! The life of a process beside the workers: a mule or a spooler, with the application loaded.

use std::os::fd::OwnedFd;

use config::Aide;
use master::AideSeat;
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;

use super::lines::Role;
use super::server::Place;
use crate::application;
use crate::host::Interpreter;

/// Runs it to its end; the exit code.
pub(crate) fn run(host: &mut Interpreter, py: Python<'_>, seat: &AideSeat) -> i32 {
    match prepare(host, py, seat).and_then(|()| work(py, seat)) {
        Ok(()) => 0,
        Err(error) => {
            let title = seat.aide.title();
            let details = crate::traceback::text(py, &error);
            seat.share
                .log
                .error_with_details(format_args!("{title} has failed"), &details);
            1
        }
    }
}

/// Everything up to the application. Without one it goes on: its tasks and messages may be somebody else's.
fn prepare(host: &mut Interpreter, py: Python<'_>, seat: &AideSeat) -> PyResult<()> {
    let settings = &seat.share.settings;
    end_with_the_master(seat.share.lifeline.try_clone()?)?;
    if let Some(identity) = &seat.share.identity {
        application::become_user(py, identity).map_err(PyOSError::new_err)?;
    }
    if let Some(umask) = settings.umask {
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(umask as _));
    }
    let Some(commons) = &host.commons else {
        return Ok(());
    };
    commons.offer(py, Place::beside(seat), Role::Aide(seat.aide.clone()))?;
    if (settings.application.is_some() || !settings.loading.mounts.is_empty())
        && let Err(failure) = application::load(py, settings)
    {
        failure.tell(&seat.share.log);
    }
    super::Commons::after_fork(py)
}

fn work(py: Python<'_>, seat: &AideSeat) -> PyResult<()> {
    let names = py.import("penstock._uwsgi.names")?;
    let harakiri = &seat.share.settings.harakiri;
    match &seat.aide {
        Aide::Mule { program, .. } => names.call_method1("run_mule", (program, harakiri.mule))?,
        Aide::Spooler { index, .. } => {
            let spooling = &seat.share.settings.commons.spooling;
            let frequency = spooling.frequency.as_secs_f64();
            let arguments = (
                *index,
                frequency,
                &spooling.chdir,
                spooling.max_tasks,
                spooling.quiet,
                spooling.imports.clone(),
                harakiri.spooler,
            );
            names.call_method1("run_spooler", arguments)?
        }
    };
    Ok(())
}

/// Ends this process once the master is gone, whatever it is doing: its work is safe where it came from.
fn end_with_the_master(lifeline: OwnedFd) -> std::io::Result<()> {
    let wait = move || {
        let mut source = [rustix::event::PollFd::new(
            &lifeline,
            rustix::event::PollFlags::IN,
        )];
        loop {
            if rustix::event::poll(&mut source, None).is_ok_and(|ready| ready > 0) {
                sys::exit_now(0);
            }
        }
    };
    sys::spawn_watcher("lifeline", wait).map(drop)
}
