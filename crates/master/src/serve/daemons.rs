//! Attached programs (uWSGI's `attach-daemon` and its kin): started, stopped and buried as [`Daemons`](crate::daemons::Daemons)
//! and the master's life have it.

use std::path::Path;
use std::time::Duration;

use config::MasterCommand;
use rustix::process::{Pid, Signal, kill_process, kill_process_group, test_kill_process};
use sys::monotonic_ms;

use super::{LAST_MERCY_MS, Master};
use crate::daemons::Order;
use crate::start::owner;
use crate::supervisor::Input;
use crate::{pidfile, programs};

impl Master<'_> {
    /// Does what is to be done about them.
    pub(super) fn follow(&mut self, orders: Vec<Order>) {
        for order in orders {
            let now_ms = monotonic_ms();
            let more = match order {
                Order::Look(index) => {
                    let lives = self.pid_of_daemon(index).is_some();
                    self.beside.daemons.seen(now_ms, index, lives)
                }
                Order::Start(index) => {
                    let pid = self.start_daemon(index);
                    self.beside.daemons.started(now_ms, index, pid)
                }
                Order::Wait(index, time) => {
                    let command = &self.supervision().daemons[index].command;
                    let seconds = time.as_secs();
                    self.log.warning(format_args!(
                        "[uwsgi-daemons] throttling \"{command}\" for {seconds} seconds"
                    ));
                    Vec::new()
                }
                Order::StopServer => {
                    self.inbox.push_back(Input::Command(MasterCommand::StopNow));
                    Vec::new()
                }
            };
            self.follow(more);
        }
    }

    /// The living process that a program's pidfile names.
    fn pid_of_daemon(&self, index: usize) -> Option<Pid> {
        let path = self.supervision().daemons.get(index)?.pidfile.as_ref()?;
        let pid = pidfile::read(path).ok()??;
        let pid = Pid::from_raw(i32::try_from(pid).ok()?).filter(|pid| pid.as_raw_nonzero().get() > 1)?;
        test_kill_process(pid).ok().map(|()| pid)
    }

    fn start_daemon(&self, index: usize) -> Option<u32> {
        let daemon = self.supervision().daemons.get(index)?;
        let command = &daemon.command;
        let started = self.identity_of(daemon).and_then(|identity| {
            let (uid, gid) = identity
                .as_ref()
                .map_or((0, 0), |who| (who.uid.unwrap_or(0), who.gid.unwrap_or(0)));
            let again = if self.beside.daemons.was_started(index) {
                "re"
            } else {
                ""
            };
            self.log.info(format_args!(
                "[uwsgi-daemons] {again}spawning \"{command}\" (uid: {uid} gid: {gid})"
            ));
            programs::start_daemon(daemon, identity.as_ref()).map_err(|error| error.to_string())
        });
        started
            .map_err(|error| {
                self.log.error(format_args!(
                    "[uwsgi-daemons] \"{command}\" cannot be started: {error}"
                ));
            })
            .ok()
    }

    fn identity_of(&self, daemon: &config::Daemon) -> Result<Option<sys::Identity>, String> {
        let dialect = self.era.settings.dialect;
        if daemon.user.is_none() && daemon.group.is_none() {
            return Ok(self.era.identity.clone());
        }
        let (uid, gid) =
            owner(daemon.user.as_deref(), daemon.group.as_deref(), dialect).map_err(|error| error.message)?;
        Ok(Some(sys::Identity {
            uid,
            gid,
            confinement: self.era.identity.as_ref().and_then(|who| who.confinement.clone()),
            ..sys::Identity::default()
        }))
    }

    /// Stops a program whose file has been touched: it is started again, as when it ends by itself.
    pub(super) fn restart_daemon(&self, index: usize, path: &Path) {
        let living = self.beside.daemons.living().find(|(living, _)| *living == index);
        let (Some((_, number)), Some(daemon)) = (living, self.supervision().daemons.get(index)) else {
            return;
        };
        let (date, path, command) = (self.log.date(), path.display(), &daemon.command);
        self.log.info(format_args!(
            "{date} - *** {path} has been touched... reloading daemon \"{command}\" (pid: {number}) !!! ***"
        ));
        let signal = Signal::from_named_raw(daemon.stop_signal).unwrap_or(Signal::TERM);
        if let Some(pid) = Pid::from_raw(number.cast_signed()) {
            let _ = kill_process_group(pid, signal); // it may just have ended
        }
    }

    /// Stops the programs that end with the server, or with this configuration of it. One that does not obey is killed with the
    /// server's end.
    pub(super) fn stop_daemons(&mut self, reloads: bool) {
        let daemons = &self.era.settings.supervision.daemons;
        let controlled = self.beside.daemons.controlled();
        let by_pidfile = controlled.filter_map(|index| Some((index, self.pid_of_daemon(index)?, false)));
        let own = self.beside.daemons.living().filter_map(|(index, pid)| {
            let pid = Pid::from_raw(pid.cast_signed())?;
            Some((index, pid, true))
        });
        for (index, pid, is_group) in own.chain(by_pidfile).collect::<Vec<_>>() {
            let Some(daemon) = daemons.get(index) else {
                continue;
            };
            let number = pid.as_raw_nonzero();
            self.log.info(format_args!(
                "[uwsgi-daemons] stopping daemon (pid: {number}): {}",
                daemon.command
            ));
            let number = daemon
                .reload_signal
                .filter(|_| reloads)
                .unwrap_or(daemon.stop_signal);
            let signal = Signal::from_named_raw(number).unwrap_or(Signal::TERM);
            let _ = match is_group {
                true => kill_process_group(pid, signal),
                false => kill_process(pid, signal),
            }; // it may just have ended
        }
    }

    /// At the end of the server: waits for the programs that were told to stop, and kills those that do not.
    pub(super) fn bury_daemons(&mut self) {
        let end_ms = monotonic_ms() + LAST_MERCY_MS;
        loop {
            self.reap();
            self.log.take_output();
            let living: Vec<u32> = self.beside.daemons.living().map(|(_, pid)| pid).collect();
            if living.is_empty() {
                break;
            }
            if monotonic_ms() >= end_ms {
                let pids = living
                    .into_iter()
                    .filter_map(|pid| Pid::from_raw(pid.cast_signed()));
                for pid in pids {
                    let _ = kill_process_group(pid, Signal::KILL); // it may just have ended
                }
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
