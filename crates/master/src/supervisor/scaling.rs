//! Fewer workers when there is less to do: what [`Cheaper`] decides is carried out here, and all of them rest when there is
//! nothing to do at all (uWSGI's `cheap` and `idle`).
//!
//! Whoever leaves finishes its requests. Resting workers come back with the first connection; while they leave, connections wait
//! in the accept queue.

use telemetry::{Event, ScalingStep, StopKind, UwsgiEvent};

use super::{Action, Phase, Plan, Stage, Supervisor};
use crate::cheaper::{Cheaper, Load, Verdict};

/// What is remembered of the load.
#[derive(Debug, Default)]
pub(super) struct Scale {
    cheaper: Option<Cheaper>,
    /// No workers are wanted until somebody connects.
    resting: bool,
    /// The log has been told.
    told_resting: bool,
    /// Requests that were finished at the last look.
    requests: u64,
    /// When something was last seen to happen; `None`: nobody has looked yet.
    last_work_ms: Option<u64>,
    /// Workers that commands want in addition, until the next look.
    wanted: i32,
}

impl Scale {
    pub(super) fn new(plan: &Plan) -> Scale {
        Scale {
            resting: plan.scaling.cheap,
            ..Scale::default()
        }
    }
}

impl Supervisor {
    /// Whether the sockets should be watched for somebody who connects.
    pub(crate) fn awaits_connection(&self) -> bool {
        self.phase == Phase::Running && self.scale.resting && self.workers.is_empty()
    }

    /// Whether it wants to be told of the load.
    pub(crate) fn watches_load(&self) -> bool {
        self.plan.scaling.cheaper.is_some() || (self.plan.scaling.idle.is_some() && !self.scale.resting)
    }

    /// A configuration begins to be in force.
    pub(super) fn begin_scaling(&mut self, now_ms: u64) {
        let most = self.plan.most;
        let settings = self.plan.scaling.cheaper.as_deref();
        self.scale.cheaper = settings.map(|settings| Cheaper::new(settings, most, now_ms));
        self.scale.last_work_ms = None;
        let lines = self.scale.cheaper.as_ref().map(Cheaper::introduction);
        lines
            .into_iter()
            .flatten()
            .for_each(|line| self.tell_scaling(ScalingStep::Said(line)));
    }

    /// A new configuration gets as many workers as there are now, if it allows so many.
    pub(super) fn carry_scaling(&self, plan: &mut Plan) {
        plan.workers = match &plan.scaling.cheaper {
            _ if self.scale.resting => 0,
            Some(cheaper) if self.plan.scaling.cheaper.is_some() => {
                self.plan.workers.clamp(cheaper.least, plan.most)
            }
            Some(cheaper) => cheaper.initial,
            None => plan.workers,
        };
    }

    /// The load has been measured.
    pub(super) fn on_load(&mut self, now_ms: u64, mut load: Load) {
        if self.reload.is_some() || self.chain.is_some() || self.paused || self.scale.resting {
            return;
        }
        let staying = self.ages(|worker| !worker.wants_retirement);
        load.workers.retain(|worker| staying.contains(&worker.age));
        if self.is_idle(now_ms, &load) {
            return self.on_idle(now_ms);
        }
        let Some(cheaper) = &mut self.scale.cheaper else {
            return;
        };
        let Verdict { change, lines } = match std::mem::take(&mut self.scale.wanted) {
            0 => cheaper.decide(now_ms, &load),
            wanted => cheaper.obey(wanted, &load),
        };
        for line in lines {
            self.tell_scaling(ScalingStep::Said(line));
        }
        if change > 0 {
            let target = self.plan.workers.saturating_add(change.unsigned_abs());
            self.aim_at(target.min(self.plan.most));
        }
        for _ in change..0 {
            self.cheapen(now_ms, &load);
        }
    }

    /// Sends the oldest worker that is idle home. If all are busy, the next look will find another one.
    fn cheapen(&mut self, now_ms: u64, load: &Load) {
        let is_idle = |age: &u32| {
            let seen = load.workers.iter().find(|worker| worker.age == *age);
            seen.is_some_and(|worker| !worker.is_busy)
        };
        let ages = self.ages(|worker| worker.stage == Stage::Ready && !worker.wants_retirement);
        let Some(age) = ages.into_iter().find(is_idle).filter(|_| self.plan.workers > 1) else {
            return;
        };
        if let Some(worker) = self.workers.get_mut(&age) {
            worker.is_cheaped = true;
        }
        self.aim_at(self.plan.workers - 1);
        self.retire(now_ms, age, StopKind::Graceful);
    }

    fn is_idle(&mut self, now_ms: u64, load: &Load) -> bool {
        let Some(idle) = self.plan.scaling.idle else {
            return false;
        };
        let works = load.workers.iter().any(|worker| worker.is_busy) || load.requests != self.scale.requests;
        self.scale.requests = load.requests;
        if works {
            self.scale.last_work_ms = Some(now_ms);
        }
        let since_ms = *self.scale.last_work_ms.get_or_insert(now_ms);
        u128::from(now_ms.saturating_sub(since_ms)) > idle.as_millis()
    }

    fn on_idle(&mut self, now_ms: u64) {
        let seconds = self.plan.scaling.idle.unwrap_or_default().as_secs();
        self.tell_scaling(ScalingStep::Inactive { seconds });
        if self.plan.scaling.die_on_idle {
            return self.stop(now_ms, StopKind::Quick, Some(0));
        }
        self.rest(now_ms);
    }

    /// All workers leave, until somebody connects.
    pub(super) fn go_cheap(&mut self, now_ms: u64) {
        if !self.scale.resting && self.reload.is_none() {
            self.tell_scaling(ScalingStep::GoingCheap);
            self.rest(now_ms);
        }
    }

    fn rest(&mut self, now_ms: u64) {
        self.resume();
        self.scale.resting = true;
        self.scale.told_resting = false;
        self.chain = None;
        self.aim_at(0);
        self.workers
            .values_mut()
            .for_each(|worker| worker.is_cheaped = true);
        self.retire_all(now_ms, StopKind::Graceful, |_| true);
    }

    /// Tells the log once that there are no workers.
    pub(super) fn announce_rest(&mut self) {
        if self.awaits_connection() && !std::mem::replace(&mut self.scale.told_resting, true) {
            self.tell_scaling(ScalingStep::Resting);
        }
    }

    /// Somebody connects while no worker is there.
    pub(super) fn on_knock(&mut self) {
        if !self.awaits_connection() {
            return;
        }
        self.scale.resting = false;
        self.scale.last_work_ms = None;
        let cheaper = self.plan.scaling.cheaper.as_ref();
        self.aim_at(cheaper.map_or(self.plan.most, |cheaper| cheaper.least));
    }

    /// A command wants one worker more, or one fewer.
    pub(super) fn want_workers(&mut self, change: i32) {
        if self.plan.scaling.cheaper.is_none() {
            let said = "the number of workers is fixed: give cheaper, then + and - change it";
            return self.tell_scaling(ScalingStep::Said(said.to_owned()));
        }
        self.scale.wanted += change;
    }

    fn tell_scaling(&mut self, step: ScalingStep) {
        self.actions
            .push(Action::Log(Event::Uwsgi(UwsgiEvent::Scaling(step))));
    }
}
