//! What the master does beside keeping workers (uWSGI's `master-fifo`, `touch-*`, `hook-*`, programs that read the log): this file carries
//! out what `fifo`, `descriptors` and `hooks` decide or know, and hands commands to the supervisor. Attached programs are in
//! `daemons`, commands by the clock in `timetable`.

use std::collections::BTreeMap;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;

use config::{MasterCommand, Moment, Supervision, Touched, WatchedDescriptor};
use sys::monotonic_ms;
use telemetry::log_programs;

use super::Master;
use crate::daemons::Daemons;
use crate::descriptors::{Called, Descriptors};
use crate::fifo::{Fifos, Letter, meaning};
use crate::host::HookFailed;
use crate::supervisor::Input;
use crate::touch::TouchWatch;
use crate::{hooks, programs};

/// Between two starts of a program that reads the log.
const LOG_PROGRAM_PAUSE_MS: u64 = 1000;

/// The state of all that.
pub(super) struct Beside {
    /// Named pipes that commands are written to.
    fifos: Fifos,
    /// Descriptors that say when something is to be done.
    descriptors: Descriptors,
    /// Files whose touch means something other than a reload.
    touch: TouchWatch,
    /// Attached programs.
    pub(super) daemons: Daemons,
    /// Programs that read the log, by their commands: the process, and when it was started.
    readers: BTreeMap<String, (Option<u32>, u64)>,
    /// Commands of the timetable that run, by process id, and since when.
    pub(super) timed: BTreeMap<u32, (String, u64)>,
    /// The minute, counted from 1970, that the timetable was last looked at in.
    pub(super) minute: u64,
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
    pub(super) fn supervision(&self) -> &Supervision {
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

    /// At the end of the server: takes away the pipes, where files are not to be left (uWSGI's `vacuum`).
    pub(super) fn remove_fifos(&self) {
        if self.era.settings.remove_files_at_exit {
            self.beside.fifos.remove();
        }
    }
}
