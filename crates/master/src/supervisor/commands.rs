//! Commands that reach the master by its FIFO, by touched files and by signals that the configuration binds to them.

use config::MasterCommand;
use rustix::process::Signal;
use telemetry::{Event, StopKind, UwsgiEvent};

use super::{Action, Kind, Phase, Stage, Supervisor};
use crate::signals::MasterSignal;

impl Supervisor {
    pub(super) fn on_command(&mut self, now_ms: u64, command: MasterCommand) {
        match command {
            MasterCommand::Stop => self.stop_by_command(now_ms, StopKind::Graceful),
            MasterCommand::StopNow => self.stop_by_command(now_ms, StopKind::Quick),
            MasterCommand::ReopenLogs => self.actions.push(Action::ReopenLogs),
            MasterCommand::LogStatistics => self.actions.push(Action::LogStatistics),
            MasterCommand::RewritePidfile => self.actions.push(Action::RewritePidfile),
            MasterCommand::RotateLogs => self.actions.push(Action::RotateLogs),
            MasterCommand::ReloadMules => self.actions.push(Action::RenewAides(Kind::Mules)),
            MasterCommand::ReloadSpoolers => self.actions.push(Action::RenewAides(Kind::Spoolers)),
            _ if self.phase != Phase::Running => {}
            MasterCommand::Reload => self.ask_to_reload(now_ms),
            MasterCommand::BrutalReload => {
                self.ask_to_reload(now_ms);
                self.reload_kind = StopKind::Quick;
            }
            MasterCommand::ReloadWorkers => self.renew(StopKind::Graceful),
            MasterCommand::BrutalReloadWorkers => self.renew(StopKind::Quick),
            MasterCommand::ChainReload => self.begin_chain(),
            MasterCommand::PauseOrResume => self.pause_or_resume(),
            MasterCommand::MoreWorkers => self.want_workers(1),
            MasterCommand::FewerWorkers => self.want_workers(-1),
            MasterCommand::GoCheap => self.go_cheap(now_ms),
        }
    }

    /// The command that a signal is bound to.
    pub(super) fn bound_to(&self, signal: MasterSignal) -> Option<MasterCommand> {
        let number = signal.number();
        let mut bound = self.plan.signals.iter().rev();
        bound
            .find(|(bound, _)| *bound == number)
            .map(|(_, command)| *command)
    }

    fn stop_by_command(&mut self, now_ms: u64, kind: StopKind) {
        match self.phase {
            Phase::Stopping { .. } if kind == StopKind::Graceful => {}
            Phase::Stopping { .. } => self.stop(now_ms, kind, None),
            Phase::Created | Phase::Running => self.stop(now_ms, kind, Some(0)),
        }
    }

    /// New workers with the configuration as it is. A reload that is going on brings them anyway.
    fn renew(&mut self, kind: StopKind) {
        if self.reload.is_none() {
            self.resume();
            self.reload_kind = kind;
            self.actions.push(Action::Renew);
        }
    }

    fn begin_chain(&mut self) {
        if self.chain.is_some() || self.reload.is_some() {
            return;
        }
        self.resume();
        self.log(Event::Uwsgi(UwsgiEvent::ChainStarting));
        let mut ages = self.ages(|worker| !worker.wants_retirement);
        ages.reverse();
        self.chain = Some(ages);
    }

    /// Has the next worker of a chain replaced, once the replacement of the one before it is ready.
    pub(super) fn pull_chain(&mut self) {
        let Some(mut chain) = self.chain.take() else {
            return;
        };
        let target = self.plan.workers;
        let replaced = self.ready_count(self.generation) >= target
            && self.ages(|worker| worker.wants_retirement).is_empty();
        if !replaced {
            self.chain = Some(chain);
            return;
        }
        while let Some(age) = chain.pop() {
            let Some(worker) = self
                .workers
                .get_mut(&age)
                .filter(|worker| worker.stage == Stage::Ready)
            else {
                continue; // it has gone or is going: a new one takes its place anyway
            };
            worker.wants_retirement = true;
            let number = worker.number;
            self.log(Event::Uwsgi(UwsgiEvent::ChainNext { number }));
            self.chain = Some(chain);
            return;
        }
        self.log(Event::Uwsgi(UwsgiEvent::ChainComplete));
    }

    pub(super) fn pause_or_resume(&mut self) {
        if self.paused {
            return self.resume();
        }
        self.paused = true;
        self.log_pause(false);
        self.send_to_all(Signal::STOP);
    }

    pub(super) fn resume(&mut self) {
        if std::mem::take(&mut self.paused) {
            self.log_pause(true);
            self.send_to_all(Signal::CONT);
        }
    }

    fn log_pause(&mut self, resumed: bool) {
        let workers = self.workers.values().map(|worker| worker.number).collect();
        self.log(Event::Uwsgi(UwsgiEvent::Paused { resumed, workers }));
    }

    fn send_to_all(&mut self, signal: Signal) {
        let pids = self.workers.values().filter_map(|worker| worker.pid);
        self.actions.extend(pids.map(|pid| Action::Kill { pid, signal }));
    }
}
