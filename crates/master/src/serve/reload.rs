//! A configuration is read again beside the one that serves; it takes its place, or is thrown away.

use std::io;
use std::sync::Arc;

use config::{Moment, Settings};
use rustix::process::Signal;
use shared::Scoreboard;

use super::{Era, Master, statistics};
use crate::listener::{Listener, Patience, bind_all};
use crate::pidfile;
use crate::start::{StartError, identity};
use crate::supervisor::{Action, Plan};
use crate::touch::TouchWatch;

impl Master<'_> {
    /// Evaluates the configuration again and opens what it asks for in addition. The logs are its own from here on, until
    /// it is thrown away.
    pub(super) fn reread(&mut self) -> Result<Plan, String> {
        let settings = Arc::new(self.host.reread()?);
        self.log
            .adopt(&settings.logs)
            .map_err(|error| error.to_string())?;
        if !settings.supervision.alarms.alarms.is_empty() {
            telemetry::alarms::open().map_err(|error| format!("alarms: {error}"))?;
        }
        self.prepare(settings).inspect_err(|_| self.forget_next_era())
    }

    fn prepare(&mut self, settings: Arc<Settings>) -> Result<Plan, String> {
        let said = |error: StartError| error.message;
        let identity = identity(&settings).map_err(said)?;
        let binds = self.inheritance.binds(&settings);
        let listeners =
            bind_all(&binds, &settings, &self.era.listeners, Patience::Once, &self.log).map_err(said)?;
        let statistics =
            statistics::open(&settings, &self.era.statistics, Patience::Once, &self.log).map_err(said)?;
        if !fits(&self.scoreboard, &settings) {
            // Workers that run keep their rows in the old one.
            let larger = scoreboard_for(&settings).map_err(|error| format!("no memory: {error}"))?;
            larger.inherit_past(&self.scoreboard);
            self.scoreboard = larger;
        }
        self.reopen_logs();
        let plan = Plan::of(&settings);
        let generation = self.supervisor.next_generation();
        self.next_era = Some(Era {
            settings,
            listeners,
            statistics,
            identity,
            generation,
        });
        self.hook(|host, view| host.on_reload(view));
        let all_of_a_start = [
            Moment::Asap,
            Moment::PreJail,
            Moment::PostJail,
            Moment::InJail,
            Moment::AsRoot,
            Moment::AsUser,
            Moment::PreApp,
        ];
        for moment in all_of_a_start {
            self.run_hooks(moment).map_err(|failed| failed.message)?;
        }
        Ok(plan)
    }

    /// The configuration as it is, for a generation of its own.
    pub(super) fn renew(&mut self) -> Plan {
        let settings = Arc::clone(&self.era.settings);
        let plan = Plan::of(&settings);
        self.next_era = Some(Era {
            settings,
            listeners: self.era.listeners.clone(),
            statistics: self.era.statistics.clone(),
            identity: self.era.identity.clone(),
            generation: self.supervisor.next_generation(),
        });
        plan
    }

    /// Throws away what a reload that fails has opened.
    pub(super) fn forget_next_era(&mut self) {
        if let Some(abandoned) = self.next_era.take() {
            remove_unshared(&abandoned.listeners, &self.era.listeners);
            remove_unshared(&abandoned.statistics, &self.era.statistics);
        }
        if let Err(error) = self.log.adopt(&self.era.settings.logs) {
            self.log.error(error);
        }
    }

    pub(super) fn commit_reload(&mut self) {
        let Some(next) = self.next_era.take() else { return };
        // The programs are the configuration's, which `renew` keeps.
        let is_new = !Arc::ptr_eq(&next.settings, &self.era.settings);
        if is_new {
            self.stop_daemons(true);
        }
        let old = std::mem::replace(&mut self.era, next);
        remove_unshared(&old.listeners, &self.era.listeners);
        remove_unshared(&old.statistics, &self.era.statistics);
        self.teller.adopt(&self.era.settings.statistics);
        if self.era.settings.pidfile != old.settings.pidfile {
            self.pidfile_of(&old.settings).map(|path| pidfile::remove(&path));
            if let Err(error) = self.write_pidfile() {
                self.log.error(error.message);
            }
        }
        if self.era.settings.control != old.settings.control {
            self.close_control();
            self.open_control();
        }
        self.touch = TouchWatch::new(&self.era.settings.touch_reload);
        self.show_title();
        if self.aides.have_begun() {
            self.begin_aides();
        }
        if is_new {
            if let Err(error) = self.start_beside() {
                self.log.error(error);
            }
            self.try_hooks(Moment::MasterStart);
            self.try_hooks(Moment::PostApp);
        }
    }

    pub(super) fn reopen_logs(&self) {
        if let Err(error) = self.log.reopen() {
            self.log
                .error(format_args!("the error log cannot be reopened: {error}"));
        }
    }

    /// Sets aside logs that have become too large; workers open them anew.
    pub(super) fn rotate_logs(&mut self) {
        let rotated = self.log.rotate();
        self.on_rotated(rotated);
    }

    /// As [`Master::rotate_logs`], however large they are.
    pub(super) fn rotate_logs_now(&mut self) {
        let rotated = self.log.rotate_now();
        self.on_rotated(rotated);
    }

    fn on_rotated(&mut self, rotated: io::Result<bool>) {
        match rotated {
            Ok(true) => {
                let pids: Vec<u32> = self.processes.keys().copied().collect();
                for pid in pids {
                    let signal = Signal::USR1;
                    self.act(Action::Kill { pid, signal });
                }
            }
            Ok(false) => {}
            Err(error) => self
                .log
                .error(format_args!("the log cannot be set aside: {error}")),
        }
    }
}

/// Removes the socket files of `gone` that `kept` does not use.
pub(super) fn remove_unshared(gone: &[Arc<Listener>], kept: &[Arc<Listener>]) {
    for listener in gone
        .iter()
        .filter(|listener| !kept.iter().any(|other| Arc::ptr_eq(other, listener)))
    {
        listener.remove_file();
    }
}

/// Room for two generations and for whatever TTIN adds; pages that nobody touches cost nothing.
fn slots_for(settings: &Settings) -> usize {
    settings.workers as usize * 3 + 64
}

pub(super) fn scoreboard_for(settings: &Settings) -> io::Result<Scoreboard> {
    Scoreboard::create(slots_for(settings), settings.threads as usize)
}

fn fits(scoreboard: &Scoreboard, settings: &Settings) -> bool {
    scoreboard.slots() >= slots_for(settings) && scoreboard.threads() >= settings.threads as usize
}
