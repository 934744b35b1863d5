//! Two masters at once: the running one starts its command again (USR2), and the new one takes over when the old one is
//! gone. Until then both serve, from the same sockets; which of them stays is the operator's choice: TERM or QUIT to
//! either.

use std::os::fd::AsFd;
use std::path::PathBuf;

use config::Settings;
use sys::{Fork, monotonic_ms};
use telemetry::Event;

use super::Master;
use super::title::set_title;

/// What the names of a new master carry while there is an old one.
const SUFFIX: &str = ".2";

impl Master<'_> {
    /// Starts the same command again, with the sockets of this one.
    pub(super) fn upgrade(&mut self) {
        if self.successor.is_some() {
            return self.log.warning("USR2 signal ignored. Child exists.");
        }
        if self.inheritance.predecessor.is_some() {
            return self.log.warning("USR2 signal ignored. Parent exists.");
        }
        let blocked = sys::block_signals();
        match self.host.fork() {
            Ok(Fork::Parent(pid)) => self.successor = Some(pid),
            Ok(Fork::Child) => {
                let _signals = self.enter_child(blocked);
                let why = self.exec();
                self.log
                    .error(format_args!("the new master cannot be started: {why}"));
                sys::exit_now(1)
            }
            Err(error) => self
                .log
                .error(format_args!("the new master cannot be started: {error}")),
        }
    }

    /// In the child. Comes back only with the reason why it cannot be.
    fn exec(&mut self) -> String {
        let mut sockets = Vec::new();
        for listener in &self.era.listeners {
            if let Err(error) = sys::keep_on_exec(listener.socket.as_fd()) {
                return error.to_string();
            }
            sockets.push(listener.descriptor());
        }
        self.hook(|host, view| host.exec(view, &sockets))
    }

    /// The old master is gone: its names are ours now.
    pub(super) fn take_over(&mut self) {
        let Some(predecessor) = self.inheritance.predecessor else {
            return;
        };
        let parent = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get().cast_unsigned());
        if parent == Some(predecessor) {
            return;
        }
        let before = self.pidfile();
        self.inheritance.predecessor = None;
        self.log.info("Master has been promoted.");
        self.host.promoted();
        if let (Some(before), Some(path)) = (before, self.pidfile())
            && let Err(error) = std::fs::rename(&before, &path)
        {
            let (before, path) = (before.display(), path.display());
            self.log.error(format_args!(
                "the pidfile {before} cannot be renamed to {path}: {error}"
            ));
        }
        self.show_title();
        self.notifier.ready(self.pid, self.supervisor.target());
    }

    /// The pidfile, under the name it has now.
    pub(super) fn pidfile(&self) -> Option<PathBuf> {
        self.pidfile_of(&self.era.settings)
    }

    pub(super) fn pidfile_of(&self, settings: &Settings) -> Option<PathBuf> {
        let mut name = settings.pidfile.clone()?.into_os_string();
        name.push(self.name_suffix());
        Some(PathBuf::from(name))
    }

    pub(super) fn name_suffix(&self) -> &'static str {
        match self.inheritance.predecessor {
            Some(_) => SUFFIX,
            None => "",
        }
    }

    pub(super) fn show_title(&self) {
        set_title(&self.era.settings, None, self.name_suffix());
    }

    /// What systemd wants to know of what happens.
    pub(super) fn notify(&mut self, event: &Event) {
        match event {
            Event::ReloadStarting { .. } => self.notifier.reloading(monotonic_ms()),
            Event::ReloadFinished { .. } | Event::ReloadFailed { .. } => {
                self.notifier.ready(self.pid, self.supervisor.target());
            }
            Event::Stopping { .. } => self.notifier.stopping(),
            _ => {}
        }
    }
}
