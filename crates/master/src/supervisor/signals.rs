//! Signals to the master: what each of them means, which depends on the dialect. Those that the configuration binds to commands
//! are in `commands`.

use config::Dialect;
use rustix::process::Signal;
use telemetry::{Event, StopKind};

use super::{Action, Phase, Supervisor};
use crate::signals::MasterSignal;

impl Supervisor {
    pub(super) fn on_signal(&mut self, now_ms: u64, signal: MasterSignal) {
        use MasterSignal::{Hup, Int, Quit, Term, Tstp, Ttin, Ttou, Usr1, Usr2, Winch};
        self.log(Event::SignalHandled { name: name(signal) });
        if let Phase::Stopping { .. } = self.phase {
            if matches!(signal, Int | Quit) {
                self.stop(now_ms, StopKind::Quick, None);
            }
            return;
        }
        let uwsgi = self.plan.dialect == Dialect::Uwsgi;
        if let Some(command) = self.bound_to(signal) {
            return self.on_command(now_ms, command);
        }
        match signal {
            Tstp => self.pause_or_resume(),
            Hup => self.ask_to_reload(now_ms),
            Term if self.plan.term_reloads => self.ask_to_reload(now_ms),
            Term => self.stop(now_ms, StopKind::Graceful, Some(self.plan.code_after_term)),
            // uvicorn is in no hurry before the second one.
            Int if self.plan.dialect == Dialect::Uvicorn => self.stop(now_ms, StopKind::Graceful, Some(0)),
            Int | Quit => self.stop(now_ms, StopKind::Quick, Some(0)),
            Usr1 if uwsgi => self.actions.push(Action::LogStatistics),
            Usr2 if uwsgi => self.actions.push(Action::LogStatus),
            Usr1 => {
                self.actions.push(Action::ReopenLogs);
                let pids: Vec<u32> = self.serving().filter_map(|worker| worker.pid).collect();
                self.actions.extend(pids.into_iter().map(|pid| Action::Kill {
                    pid,
                    signal: Signal::USR1,
                }));
            }
            Usr2 => self.actions.push(Action::Upgrade),
            Ttin if !uwsgi => self.aim_at(self.plan.workers.saturating_add(1)),
            Ttou if !uwsgi && self.plan.workers > 1 => self.aim_at(self.plan.workers - 1),
            Winch if !uwsgi && self.plan.daemonized => self.aim_at(0),
            Ttin | Ttou | Winch => {}
        }
    }
}

fn name(signal: MasterSignal) -> &'static str {
    match signal {
        MasterSignal::Usr1 => "usr1",
        MasterSignal::Usr2 => "usr2",
        MasterSignal::Winch => "winch",
        MasterSignal::Ttin => "ttin",
        MasterSignal::Ttou => "ttou",
        MasterSignal::Tstp => "tstp",
        MasterSignal::Hup => "hup",
        MasterSignal::Term => "term",
        MasterSignal::Int => "int",
        MasterSignal::Quit => "quit",
    }
}
