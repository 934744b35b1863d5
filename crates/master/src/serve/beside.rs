//! What the master does beside keeping workers (uWSGI's `master-fifo`, `touch-*`, `attach-daemon`, `cron`, `hook-*`): this file
//! carries out what `daemons`, `fifo` and `hooks` decide or know, and hands commands to the supervisor.

use std::collections::BTreeMap;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

use config::{MasterCommand, Moment, Supervision, Touched, WatchedDescriptor};
use rustix::process::{Pid, Signal, kill_process, kill_process_group, test_kill_process};
use sys::monotonic_ms;
use telemetry::log_programs;

use super::Master;
use crate::daemons::{Daemons, Order};
use crate::descriptors::{Called, Descriptors};
use crate::fifo::{Fifos, Letter, meaning};
use crate::host::HookFailed;
use crate::start::owner;
use crate::supervisor::Input;
use crate::touch::TouchWatch;
use crate::{hooks, pidfile, programs};

/// Between two starts of a program that reads the log.
const LOG_PROGRAM_PAUSE_MS: u64 = 1000;

/// The state of all that.
pub(super) struct Beside {
    fifos: Fifos,
    descriptors: Descriptors,
    touch: TouchWatch,
    daemons: Daemons,
    /// Programs that read the log, by their commands: the process, and when it was started.
    readers: BTreeMap<String, (Option<u32>, u64)>,
    /// Commands of the timetable that run, by process id, and since when.
    timed: BTreeMap<u32, (String, u64)>,
    /// The minute, counted from 1970, that the timetable was last looked at in.
    minute: u64,
}

impl Beside {
    pub(super) fn new() -> Beside {
        Beside {
            fifos: Fifos::default(),
            descriptors: Descriptors::default(),
            touch: TouchWatch::new(&[]),
            daemons: Daemons::new(&[], 0),
            readers: BTreeMap::new(),
            timed: BTreeMap::new(),
            minute: 0,
        }
    }

    /// Readable when there are commands.
    pub(super) fn readable(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.fifos
            .readable()
            .into_iter()
            .chain(self.descriptors.readable())
    }

    /// Attached programs, for the statistics.
    pub(super) fn daemons(&self) -> &Daemons {
        &self.daemons
    }

    /// The process that a command of the timetable runs in, and for how many milliseconds.
    pub(super) fn running(&self, command: &str) -> Option<(u32, u64)> {
        let mut timed = self.timed.iter();
        let (pid, (_, since_ms)) = timed.find(|(_, (running, _))| running == command)?;
        Some((*pid, monotonic_ms().saturating_sub(*since_ms)))
    }

    /// Nothing of it is a forked worker's business.
    pub(super) fn forget(&mut self) {
        *self = Beside::new();
    }
}

impl Master<'_> {
    fn supervision(&self) -> &Supervision {
        &self.era.settings.supervision
    }

    /// Opens and starts what the configuration asks for, or what a new configuration asks for instead.
    pub(super) fn start_beside(&mut self) -> Result<(), String> {
        let supervision = self.supervision().clone();
        if !self.beside.fifos.are(&supervision.fifos) {
            self.beside.fifos.remove();
            self.beside.fifos = Fifos::open(&supervision.fifos)?;
        }
        self.beside.descriptors = Descriptors::open(&supervision.descriptors)?;
        for watched in &supervision.descriptors {
            let WatchedDescriptor { number, length, .. } = watched;
            let kind = match watched.command {
                MasterCommand::BrutalReload => "brutal",
                _ => "graceful",
            };
            self.log.info(format_args!(
                "added {kind} reload monitor for fd {number} (read size: {length})"
            ));
        }
        let paths: Vec<PathBuf> = supervision
            .touches
            .iter()
            .map(|touch| touch.path.clone())
            .collect();
        self.beside.touch = TouchWatch::new(&paths);
        self.beside.daemons = Daemons::new(&supervision.daemons, monotonic_ms());
        self.start_log_programs();
        for timed in &supervision.timetable {
            let command = &timed.command;
            self.log.info(format_args!(
                "[uwsgi-cron] command \"{command}\" registered as cron task"
            ));
        }
        Ok(())
    }

    /// Does what the configuration, or the new one that a reload tries, wants done at a moment.
    pub(super) fn run_hooks(&self, moment: Moment) -> Result<(), HookFailed> {
        let era = self.next_era.as_ref().unwrap_or(&self.era);
        let identity = era.identity.as_ref();
        hooks::run(&era.settings, moment, identity, Some(&self.signals), &self.log)
    }

    /// As [`Master::run_hooks`], where nothing depends on the outcome.
    pub(super) fn try_hooks(&self, moment: Moment) {
        if let Err(failed) = self.run_hooks(moment) {
            failed.message.lines().for_each(|line| self.log.error(line));
        }
    }

    /// All workers have loaded the application. Where they have done so for the first time, a hook that fails ends the start.
    pub(super) fn after_loading(&mut self) {
        let Err(failed) = self.run_hooks(Moment::PostApp) else {
            return;
        };
        failed.message.lines().for_each(|line| self.log.error(line));
        // A stop in the middle of it is no failure.
        if self.era.generation == 1 && !self.signals.stop_wanted() {
            let exit_code = failed.exit_code;
            self.inbox.push_back(Input::Failed { exit_code });
        }
    }

    /// When there is something to do next.
    pub(super) fn beside_deadline_ms(&self) -> Option<u64> {
        self.beside.daemons.next_deadline_ms()
    }

    /// Whether it has to look around once a second.
    pub(super) fn looks_beside(&self) -> bool {
        !self.beside.touch.is_empty()
            || !self.supervision().timetable.is_empty()
            || !self.beside.readers.is_empty()
    }

    /// Reads commands and starts what is due.
    pub(super) fn tend_beside(&mut self) {
        for letter in self.beside.fifos.take() {
            match meaning(letter) {
                Letter::Command(command) => self.inbox.push_back(Input::Command(command)),
                Letter::Nothing => {}
                Letter::Choose(slot) => match self.beside.fifos.choose(slot) {
                    Ok(()) => self.log.info(format_args!(
                        "{} - active master fifo is now {}",
                        self.log.date(),
                        self.supervision().fifos[slot].display()
                    )),
                    Err(error) => self.log.error(error),
                },
                Letter::Refused(letter, reason) => self
                    .log
                    .warning(format_args!("the FIFO command {letter:?} is ignored: {reason}")),
            }
        }
        self.heed_descriptors();
        let now_ms = monotonic_ms();
        let due = self.beside.daemons.due(now_ms);
        self.follow(due);
    }

    fn heed_descriptors(&mut self) {
        for called in self.beside.descriptors.take() {
            match called {
                Called::Ready(watched) => {
                    let date = self.log.date();
                    let text = match watched.text.as_str() {
                        "" => " !!!".to_owned(),
                        text => format!(": {text}"),
                    };
                    let number = watched.number;
                    self.log.info(format_args!("{date} - *** fd {number} ready{text} ***"));
                    self.inbox.push_back(Input::Command(watched.command));
                }
                Called::Ended(number) => self.log.warning(format_args!(
                    "fd {number} is at its end and brings no more reloads: whoever was to write there has closed it"
                )),
            }
        }
    }

    /// What is looked at once a second: touched files and the clock.
    pub(super) fn look_beside(&mut self) {
        for path in self.beside.touch.touched() {
            let touches = self.supervision().touches.iter();
            let asked: Vec<Touched> = touches
                .filter(|touch| touch.path == path)
                .map(|touch| touch.what.clone())
                .collect();
            asked.into_iter().for_each(|what| self.on_touched(&path, what));
        }
        self.look_at_timetable();
        self.start_log_programs();
    }

    /// Starts the programs that read the log, and again those that have ended. What was logged meanwhile has waited for them.
    pub(super) fn start_log_programs(&mut self) {
        for program in log_programs() {
            let (pid, since_ms) = self.beside.readers.entry(program.command.clone()).or_default();
            if pid.is_some() || (*since_ms > 0 && monotonic_ms() < *since_ms + LOG_PROGRAM_PAUSE_MS) {
                continue;
            }
            *since_ms = monotonic_ms();
            let started = program
                .streams()
                .and_then(|streams| programs::start_between(&program.command, streams));
            match started {
                Ok(started) => *pid = Some(started),
                Err(error) => {
                    let command = &program.command;
                    self.log.error(format_args!(
                        "the program \"{command}\", which reads the log, cannot be started: {error}"
                    ));
                }
            }
        }
    }

    fn look_at_timetable(&mut self) {
        let settings = std::sync::Arc::clone(&self.era.settings);
        let timetable = &settings.supervision.timetable;
        if timetable.is_empty() {
            return;
        }
        self.kill_overdue_commands(settings.harakiri.timed);
        let (minute, now) = self.log.local_minute();
        if std::mem::replace(&mut self.beside.minute, minute) == minute {
            return;
        }
        for timed in timetable.iter().filter(|timed| timed.is_due(now)) {
            let command = &timed.command;
            let runs = self.beside.timed.values().any(|(running, _)| running == command);
            if timed.unique && runs {
                continue;
            }
            match programs::start(command, self.era.identity.as_ref(), None) {
                Ok(pid) => {
                    self.beside.timed.insert(pid, (command.clone(), monotonic_ms()));
                    self.log
                        .info(format_args!("[uwsgi-cron] running \"{command}\" (pid {pid})"));
                }
                Err(error) => self.log.error(format_args!(
                    "[uwsgi-cron] \"{command}\" cannot be started: {error}"
                )),
            }
        }
    }

    /// Kills commands by the clock that take too long, once.
    fn kill_overdue_commands(&mut self, limit: Option<std::time::Duration>) {
        let now_ms = monotonic_ms();
        let Some(limit) = limit else { return };
        for (pid, (command, since_ms)) in &self.beside.timed {
            if u128::from(now_ms.saturating_sub(*since_ms)) <= limit.as_millis() {
                continue;
            }
            self.log.error(format_args!(
                "*** HARAKIRI ON CRON \"{command}\" (pid: {pid}) ***"
            ));
            if let Some(pid) = Pid::from_raw(pid.cast_signed()) {
                let _ = kill_process_group(pid, Signal::KILL); // it may just have ended
            }
        }
    }

    /// A child that is no worker has ended.
    pub(super) fn on_other_exit(&mut self, pid: u32) {
        let now_ms = monotonic_ms();
        if let Some((_, orders)) = self.beside.daemons.exited(now_ms, pid) {
            return self.follow(orders);
        }
        let mut readers = self.beside.readers.iter_mut();
        if let Some((command, (reader, _))) = readers.find(|(_, (reader, _))| *reader == Some(pid)) {
            *reader = None;
            return self.log.warning(format_args!(
                "the program \"{command}\", which reads the log, has ended: it is started again"
            ));
        }
        let Some((command, started_ms)) = self.beside.timed.remove(&pid) else {
            return;
        };
        let seconds = now_ms.saturating_sub(started_ms) / 1000;
        self.log.info(format_args!(
            "[uwsgi-cron] command \"{command}\" running with pid {pid} exited after {seconds} second(s)"
        ));
    }

    fn follow(&mut self, orders: Vec<Order>) {
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
        let end_ms = monotonic_ms() + super::LAST_MERCY_MS;
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
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        if self.era.settings.remove_files_at_exit {
            self.beside.fifos.remove();
        }
    }
}
