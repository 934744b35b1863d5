//! Touched files that are commands (uWSGI's `touch-*` and `hook-touch`).

use std::path::Path;

use config::{HookAction, MasterCommand, Touched};

use super::Master;
use crate::supervisor::Input;
use crate::{hooks, programs};

impl Master<'_> {
    pub(super) fn on_touched(&mut self, path: &Path, what: Touched) {
        match what {
            Touched::Command(command) => {
                let (date, path, words) = (self.log.date(), path.display(), words(command));
                self.log.info(format_args!(
                    "{date} - *** {path} has been touched... {words} !!! ***"
                ));
                self.inbox.push_back(Input::Command(command));
            }
            Touched::Run(command) => {
                let date = self.log.date();
                self.log
                    .info(format_args!("{date} - [uwsgi-touch-exec] running {command}"));
                if let Err(error) = programs::start(&command, self.era.identity.as_ref(), None) {
                    self.log
                        .error(format_args!("command \"{command}\" cannot be started: {error}"));
                }
            }
            Touched::Signal(number) => {
                let date = self.log.date();
                self.log
                    .info(format_args!("{date} - [uwsgi-touch-signal] raising {number}"));
                if !self.host.raise(number) {
                    self.log.warning(format_args!(
                        "nobody has registered signal {number}, or nobody has room for it"
                    ));
                }
            }
            Touched::Hook(action, text) => self.run_touched(&action, &text),
            Touched::Daemon(index) => self.restart_daemon(index, path),
        }
    }

    /// As the workers' user: what a file in the file system sets off should not do more than they may.
    fn run_touched(&self, action: &HookAction, text: &str) {
        self.log.info(format_args!("running \"{text}\" (touch)..."));
        let identity = self.era.identity.as_ref();
        if let Err(failed) = hooks::act(action, identity, None, &self.log) {
            self.log.error(failed.message.lines().next().unwrap_or_default());
        }
    }
}

/// What uWSGI's log says of a touched file.
fn words(command: MasterCommand) -> &'static str {
    match command {
        MasterCommand::ChainReload => "chain reload",
        MasterCommand::ReloadWorkers => "workers reload",
        MasterCommand::ReloadMules => "mules reload",
        MasterCommand::ReloadSpoolers => "spoolers reload",
        MasterCommand::ReopenLogs => "reopening log",
        MasterCommand::RotateLogs => "rotating log",
        _ => "grace them all",
    }
}
