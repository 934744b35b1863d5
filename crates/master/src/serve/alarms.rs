//! Alarms (uWSGI's `alarm` and its kin): those that were raised are told, and what the master itself sees raises some.

use std::collections::BTreeMap;
use std::os::fd::AsFd;

use config::{AlarmAction, Dialect};
use sys::monotonic_ms;
use telemetry::alarms;

use super::Master;
use crate::listener::Listener;
use crate::programs;
use crate::start::StartError;

/// What each alarm was told last, and when.
pub(super) type Told = BTreeMap<String, (Vec<u8>, u64)>;

/// A socket as uWSGI names it: an address or a path.
pub(super) fn name(listener: &Listener) -> &str {
    let text = listener.text.as_str();
    text.strip_prefix("http://")
        .or_else(|| text.strip_prefix("unix:"))
        .unwrap_or(text)
}

impl Master<'_> {
    /// Opens the way for alarms, where there is somebody to tell.
    pub(super) fn open_alarms(&self) -> Result<(), StartError> {
        match self.era.settings.supervision.alarms.alarms.is_empty() {
            true => Ok(()),
            false => alarms::open().map_err(|error| StartError::new(format!("alarms: {error}"))),
        }
    }

    /// Tells what has been raised.
    pub(super) fn tell_alarms(&mut self) {
        for (name, text) in alarms::take() {
            self.tell(&name, &text);
        }
    }

    /// The same again within a moment is not told: what somebody is told may raise the alarm itself.
    fn tell(&mut self, name: &str, text: &[u8]) {
        let settings = std::sync::Arc::clone(&self.era.settings);
        let alarms = &settings.supervision.alarms;
        let Some((_, action)) = alarms.alarms.iter().find(|(known, _)| known == name) else {
            return;
        };
        let now_ms = monotonic_ms();
        let is_again = self.alarms_told.get(name).is_some_and(|(last, told_ms)| {
            last == text && u128::from(now_ms.saturating_sub(*told_ms)) < alarms.interval.as_millis()
        });
        if is_again || text.len() > alarms.longest {
            return;
        }
        self.alarms_told.insert(name.to_owned(), (text.to_vec(), now_ms));
        let heard = match action {
            AlarmAction::Run(command) => programs::start_with(command, self.era.identity.as_ref(), text)
                .map(drop)
                .map_err(|error| format!("command \"{command}\" cannot be started: {error}")),
            AlarmAction::Log(words) => {
                let space = if words.is_empty() { "" } else { " " };
                let text = String::from_utf8_lossy(text);
                let (date, text) = (self.log.date(), text.trim_end_matches('\n'));
                self.log
                    .info(format_args!("{date} - ALARM: {words}{space}{text}"));
                Ok(())
            }
            AlarmAction::Signal(number) => match self.host.raise(*number) {
                true => Ok(()),
                false => Err(format!(
                    "nobody has registered signal {number}, or nobody has room for it"
                )),
            },
            AlarmAction::Mule(number) => match self.host.tell_mule(*number, text) {
                true => Ok(()),
                false => Err(format!(
                    "there is no mule {number}, or it has no room for the text"
                )),
            },
        };
        if let Err(reason) = heard {
            self.log.error(format_args!("[uwsgi-alarm] {name}: {reason}"));
        }
    }

    /// Whether accept queues are looked at each second: uWSGI says of each that is full.
    pub(super) fn watches_queues(&self) -> bool {
        let mut queues = self.era.listeners.iter();
        self.era.settings.dialect == Dialect::Uwsgi
            && queues.any(|listener| sys::accept_queue(listener.socket.as_fd()).is_ok())
    }

    /// Says of each accept queue that is full.
    pub(super) fn look_at_queues(&self) {
        if self.era.settings.dialect != Dialect::Uwsgi {
            return;
        }
        for listener in &self.era.listeners {
            let Ok((length, limit)) = sys::accept_queue(listener.socket.as_fd()) else {
                continue;
            };
            let length = length.saturating_add(self.scoreboard.waiting());
            if length == 0 || length < limit {
                continue;
            }
            let text = format!(
                "listen queue of socket \"{}\" (fd: {}) full !!! ({length}/{limit})",
                name(listener),
                listener.descriptor()
            );
            self.log
                .warning(format_args!("{} - *** uWSGI {text} ***", self.log.date()));
            for name in &self.era.settings.supervision.alarms.backlog {
                alarms::raise(name, text.as_bytes());
            }
        }
    }

    /// Says of a process that has crashed, and tells of it.
    pub(super) fn note_crash(&self, pid: u32, signal: Option<i32>) {
        if signal != Some(rustix::process::Signal::SEGV.as_raw()) {
            return;
        }
        if self.era.settings.dialect != Dialect::Uwsgi {
            return;
        }
        let text = format!("uWSGI process {pid} got Segmentation Fault !!!");
        self.log.error(format_args!("!!! {text}"));
        for name in &self.era.settings.supervision.alarms.crash {
            alarms::raise(name, format!("{text}\n").as_bytes());
        }
    }
}
