//! The emperor's life: look, decide, act, sleep. It serves nobody itself and holds no sockets.
//!
//! Vassals are started as commands, by the program that is given, in a process group of their own. They hear where to say that
//! they serve as from systemd (NOTIFY_SOCKET), and who their emperor is: they leave when it is gone.

use std::io;
use std::os::fd::AsFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::SystemTime;

use config::{Emperor as Settings, VassalFile, option_for_vassal};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, WaitOptions, kill_process, wait};
use sys::monotonic_ms;
use telemetry::ErrorLog;

use super::{Action, Emperor, Input};
use crate::inheritance::{EMPEROR, Inheritance};
use crate::notify::Notifier;
use crate::pidfile;
use crate::programs;
use crate::signals::{MasterSignal, Signals};
use crate::start::identity;
use crate::touch::TouchWatch;

/// What goes on around the decisions.
struct Court<'a> {
    settings: &'a config::Settings,
    reign: &'a Settings,
    program: &'a [String],
    identity: Option<sys::Identity>,
    log: &'a ErrorLog,
    /// Where vassals say that they serve, and its name.
    ear: UnixDatagram,
    ear_name: String,
    /// The last complaint about a directory, which is said once.
    complaint: Option<String>,
}

/// Keeps the vassals of the settings until it is told to stop, and returns the exit code. `program`: the command that a vassal's
/// arguments follow.
pub fn reign(
    settings: &config::Settings,
    program: &[String],
    signals: &Signals,
    inheritance: &Inheritance,
    log: &ErrorLog,
) -> i32 {
    let Some(own) = settings.emperor.as_deref() else {
        return 0;
    };
    match Court::open(settings, own, program, log) {
        Ok(mut court) => {
            let pidfile = own.pidfile.as_deref();
            if settings.process_titles {
                sys::set_process_title("uWSGI Emperor");
            }
            log.info("*** starting uWSGI Emperor ***");
            Notifier::new(inheritance).ready(std::process::id(), 0);
            court.run(signals);
            Notifier::new(inheritance).stopping();
            if settings.remove_files_at_exit && pidfile.is_some_and(pidfile::remove) {
                log.info("VACUUM: pidfile removed.");
            }
            log.info(format_args!("{} - The Emperor is buried.", log.date()));
            0
        }
        Err(message) => {
            log.error(message);
            1
        }
    }
}

impl<'a> Court<'a> {
    fn open(
        settings: &'a config::Settings,
        reign: &'a Settings,
        program: &'a [String],
        log: &'a ErrorLog,
    ) -> Result<Court<'a>, String> {
        // A directory that is not there is an error now; later on its vassals live on.
        reign.find()?;
        let identity = identity(settings).map_err(|error| error.message)?;
        let said = |error: io::Error| format!("the emperor cannot hear its vassals: {error}");
        let ear_name = format!("penstock-emperor-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&ear_name).map_err(said)?;
        let ear = UnixDatagram::bind_addr(&address).map_err(said)?;
        ear.set_nonblocking(true).map_err(said)?;
        if let Some(path) = &reign.pidfile {
            pidfile::write(path, settings.dialect).map_err(|error| error.message)?;
            log.info(format_args!("writing pidfile to {}", path.display()));
        }
        Ok(Court {
            settings,
            reign,
            program,
            identity,
            log,
            ear,
            ear_name,
            complaint: None,
        })
    }

    fn run(&mut self, signals: &Signals) {
        let mut emperor = Emperor::new(self.reign);
        let mut touch = TouchWatch::new(&self.settings.touch_reload);
        let interval_ms = u64::try_from(self.reign.frequency.as_millis()).unwrap_or(u64::MAX / 4);
        let mut next_look_ms = 0;
        loop {
            let mut inbox = vec![Input::Tick];
            if monotonic_ms() >= next_look_ms {
                next_look_ms = monotonic_ms() + interval_ms;
                inbox.extend(self.look());
                inbox.extend((!touch.touched().is_empty()).then_some(Input::ReloadAll));
            }
            for signal in signals.take() {
                match signal {
                    MasterSignal::Term | MasterSignal::Int | MasterSignal::Quit => inbox.push(Input::Stop),
                    MasterSignal::Hup => inbox.push(Input::ReloadAll),
                    MasterSignal::Winch => inbox.extend(self.look()),
                    _ => {}
                }
            }
            inbox.extend(self.hear());
            inbox.extend(reap());
            if self.decide(&mut emperor, inbox) {
                return;
            }
            self.sleep(signals, next_look_ms, emperor.next_deadline_ms());
        }
    }

    /// Whether that was the end.
    fn decide(&self, emperor: &mut Emperor, inbox: Vec<Input>) -> bool {
        let mut inbox = std::collections::VecDeque::from(inbox);
        while let Some(input) = inbox.pop_front() {
            for action in emperor.step(monotonic_ms(), input) {
                match action {
                    Action::Start(file) => inbox.push_back(self.start(file)),
                    Action::Kill { pid, signal } => {
                        if let Some(pid) = Pid::from_raw(pid.cast_signed()) {
                            let _ = kill_process(pid, signal); // it may just have ended
                        }
                    }
                    Action::Bury(file) => self.tell(self.reign.stop_hook.as_deref(), "stop", &file),
                    Action::Log(line) => self.log.info(format_args!("{} - {line}", self.log.date())),
                    Action::Exit => return true,
                }
            }
        }
        false
    }

    fn look(&mut self) -> Option<Input> {
        let files = match self.reign.find() {
            Ok(files) => files,
            Err(message) => {
                if self.complaint.as_ref() != Some(&message) {
                    self.log.error(&message);
                    self.complaint = Some(message);
                }
                return None;
            }
        };
        self.complaint = None;
        let times = files.into_iter().filter_map(|file| {
            let changed = self.changed(&file.path())?;
            Some((file, changed))
        });
        Some(Input::Found(times.collect()))
    }

    fn changed(&self, path: &Path) -> Option<SystemTime> {
        let metadata = match self.reign.no_follow {
            true => std::fs::symlink_metadata(path),
            false => std::fs::metadata(path),
        };
        metadata.and_then(|metadata| metadata.modified()).ok()
    }

    fn start(&self, file: VassalFile) -> Input {
        let mut command = Command::new(&self.program[0]);
        command
            .args(&self.program[1..])
            .args(&self.reign.before)
            .args([option_for_vassal(&file.name), &file.name])
            .args(&self.reign.after)
            .current_dir(&file.directory)
            .env("NOTIFY_SOCKET", format!("@{}", self.ear_name))
            .env(EMPEROR, std::process::id().to_string())
            .env_remove("WATCHDOG_USEC")
            .env_remove("WATCHDOG_PID")
            .stdin(Stdio::null())
            .process_group(0);
        if let Some(identity) = &self.identity {
            sys::start_as(&mut command, identity);
        }
        match command.spawn() {
            Ok(child) => {
                let pid = child.id();
                self.tell(self.reign.start_hook.as_deref(), "start", &file);
                Input::Started { file, pid }
            }
            Err(error) => {
                let name = &file.name;
                self.log.error(format_args!(
                    "[emperor] the vassal {name} cannot be started: {error}"
                ));
                Input::NotStarted { file }
            }
        }
    }

    /// Runs a hook, for which nobody waits.
    fn tell(&self, hook: Option<&str>, what: &str, file: &VassalFile) {
        let Some(hook) = hook else { return };
        let name = &file.name;
        self.log.info(format_args!(
            "[emperor] running vassal {what}-hook: {hook} {name}"
        ));
        let command = format!("{hook} '{}'", name.replace('\'', r"'\''"));
        if let Err(error) = programs::start(&command, self.identity.as_ref(), Some(&file.directory)) {
            self.log.error(format_args!(
                "[emperor] the {what}-hook of {name} cannot be started: {error}"
            ));
        }
    }

    /// Vassals that say that they serve.
    fn hear(&self) -> Vec<Input> {
        let mut message = [0; 512];
        let mut ready = Vec::new();
        while let Ok(length) = self.ear.recv(&mut message) {
            let text = String::from_utf8_lossy(&message[..length]);
            let pid = text
                .lines()
                .find_map(|line| line.strip_prefix("MAINPID=")?.parse().ok());
            if let Some(pid) = pid.filter(|_| text.contains("READY=1")) {
                ready.push(Input::Ready { pid });
            }
        }
        ready
    }

    fn sleep(&self, signals: &Signals, next_look_ms: u64, deadline_ms: Option<u64>) {
        let until_ms = deadline_ms.map_or(next_look_ms, |at| at.min(next_look_ms));
        let wait_ms = until_ms.saturating_sub(monotonic_ms()).min(i32::MAX as u64);
        let wait = Timespec {
            tv_sec: (wait_ms / 1000) as _,
            tv_nsec: (wait_ms % 1000 * 1_000_000) as _,
        };
        let mut sources = [
            PollFd::from_borrowed_fd(signals.wake(), PollFlags::IN),
            PollFd::from_borrowed_fd(self.ear.as_fd(), PollFlags::IN),
        ];
        let _ = poll(&mut sources, Some(&wait)); // an interruption is a signal, whose byte is there now
    }
}

fn reap() -> Vec<Input> {
    let mut ended = Vec::new();
    while let Ok(Some((pid, _))) = wait(WaitOptions::NOHANG) {
        let pid = pid.as_raw_nonzero().get().cast_unsigned();
        ended.push(Input::Ended { pid });
    }
    ended
}
