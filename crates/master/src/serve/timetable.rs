//! Commands by the clock (uWSGI's `cron` and `unique-cron`): they are started when they are due, and killed when they take too long.

use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use sys::monotonic_ms;

use super::Master;
use crate::programs;

impl Master<'_> {
    /// Once a second: has the minute come for any?
    pub(super) fn look_at_timetable(&mut self) {
        let settings = Arc::clone(&self.era.settings);
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
    fn kill_overdue_commands(&mut self, limit: Option<Duration>) {
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
}
