//! Every order in which the steps of a few threads can follow each other, walked through.
//!
//! The threads of `crew.rs` are small machines here, whose steps are what happens under one lock. Waiting is modelled with
//! what wakes: a thread that nobody wakes never moves again. So a wake-up that can be lost shows as a state from which the
//! end cannot be reached any more.

use std::collections::HashMap;

use super::*;

const CAUTION: Caution = Caution {
    least: 1,
    most: 2,
    forget: 2,
};

/// The reactor: the requests it has read and nobody serves yet.
type Reactor = Vec<u8>;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum App {
    Free,
    /// Waits for a request; true: it has been woken.
    Idle(bool),
    /// Waits for the lead; true: it has been woken.
    Awaiting(bool),
    Leading(Reactor),
    Polling(Reactor),
    /// Calls the application: as the leader, with the call's number, or not.
    Calling(u8, Option<u64>),
    /// Has served a request and does not lead.
    Returning(u8, Option<bool>),
    Gone,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Helper {
    /// The latest call it has seen; true: it sleeps.
    Watching(u64, bool),
    Helping(Reactor),
    Polling(Reactor),
    Gone,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Worker {
    lead: Lead<Reactor, u8>,
    apps: Vec<App>,
    helper: Helper,
    /// What the helper has said to other workers when it began to wait: a thread is free.
    shows_idle: bool,
    /// The leader's poll has been woken, the helper has been.
    woken: bool,
    bell: bool,
    /// Requests that have not been sent yet, that have arrived, that have been answered.
    unsent: Vec<u8>,
    arrived: Vec<u8>,
    answered: Vec<u8>,
    /// Requests on their way between workers. Nobody takes them here but the one that has sent them: that is the worst case.
    passed_on: Vec<u8>,
    /// How often one may still be sent, or the walk would have no end.
    sendings: usize,
    /// The signal to leave has been sent, it has been read.
    signalled: bool,
    leaving: bool,
    requests: usize,
}

/// A step: the state after it, and whether it was the end of a call.
type Step = (Worker, bool);

impl Worker {
    fn new(threads: usize, requests: u8, sendings: usize) -> Worker {
        let mut lead = Lead::new(threads, CAUTION);
        lead.yield_lead(Vec::new());
        Worker {
            lead,
            apps: vec![App::Free; threads],
            helper: Helper::Watching(0, false),
            shows_idle: false,
            woken: false,
            bell: false,
            unsent: (0..requests).collect(),
            arrived: Vec::new(),
            answered: Vec::new(),
            passed_on: Vec::new(),
            sendings,
            signalled: false,
            leaving: false,
            requests: requests.into(),
        }
    }

    fn is_over(&self) -> bool {
        self.helper == Helper::Gone && self.apps.iter().all(|app| *app == App::Gone)
    }

    fn is_polled(&self) -> bool {
        matches!(self.helper, Helper::Polling(_))
            || self.apps.iter().any(|app| matches!(app, App::Polling(_)))
    }

    fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut then = |change: &dyn Fn(&mut Worker)| {
            let mut next = self.clone();
            change(&mut next);
            steps.push((next, false));
        };
        if !self.unsent.is_empty() {
            then(&|worker| {
                let request = worker.unsent.remove(0);
                worker.arrived.push(request);
            });
        }
        if !self.signalled {
            then(&|worker| worker.signalled = true);
        }
        for index in 0..self.apps.len() {
            self.app_steps(index, &mut steps);
        }
        self.helper_steps(&mut steps);
        steps.iter().for_each(|(worker, _)| worker.check());
        steps
    }

    /// There is one reactor, nothing is answered twice, and other workers know that a thread is free.
    fn check(&self) {
        let is_settled = !self.apps.contains(&App::Idle(true));
        let is_asleep = matches!(self.helper, Helper::Polling(_)) && !self.woken && is_settled;
        assert!(
            !is_asleep || self.shows_idle || self.lead.are_all_busy(),
            "{self:?}"
        );
        let held = self
            .apps
            .iter()
            .filter(|app| matches!(app, App::Leading(_) | App::Polling(_)))
            .count()
            + usize::from(matches!(self.helper, Helper::Helping(_) | Helper::Polling(_)))
            + usize::from(matches!(
                self.lead.place,
                Place::InCall(_) | Place::ForHelper(_) | Place::ForApplication(_) | Place::Over(_)
            ));
        assert_eq!(held, 1, "{self:?}");
        let mut answered = self.answered.clone();
        answered.sort_unstable();
        answered.dedup();
        assert_eq!(answered.len(), self.answered.len(), "{self:?}");
    }

    fn wake_one(&mut self) {
        if let Some(app) = self.apps.iter_mut().find(|app| **app == App::Idle(false)) {
            *app = App::Idle(true);
        }
    }

    fn wake_those_who_want(&mut self) {
        for app in &mut self.apps {
            if let App::Awaiting(woken) = app {
                *woken = true;
            }
        }
    }

    fn can_poll(&self) -> bool {
        // What has been sent and is not taken is looked after in time.
        self.woken
            || !self.passed_on.is_empty()
            || !self.arrived.is_empty()
            || (self.signalled && !self.leaving)
    }

    fn polled(&mut self) -> Vec<u8> {
        self.woken = false;
        self.leaving |= self.signalled;
        let mut served = Vec::new();
        self.lead.after_poll(&mut served);
        self.answered.append(&mut served);
        std::mem::take(&mut self.arrived)
    }

    fn has_left(&self) -> bool {
        self.leaving && self.answered.len() == self.requests
    }

    fn depart(&mut self, reactor: Reactor) {
        self.lead.depart(reactor);
        self.bell = true;
        for app in &mut self.apps {
            match app {
                App::Idle(woken) | App::Awaiting(woken) => *woken = true,
                _ => {}
            }
        }
    }

    fn hand_out(&mut self, jobs: Vec<u8>) {
        for job in jobs {
            if self.lead.submit(job, None).expect("without a limit") {
                self.wake_one();
            }
        }
    }

    /// Sends away what waits, and has it taken into the worker's own queue again.
    fn passing_steps(&self, steps: &mut Vec<Step>) {
        let mut sent = self.clone();
        if sent.sendings > 0
            && let Some(job) = sent.lead.surplus(|_| true)
        {
            assert!(
                sent.lead.jobs.len() >= sent.lead.idle,
                "a thread was woken for it"
            );
            sent.sendings -= 1;
            sent.passed_on.push(job);
            steps.push((sent, false));
        }
        let mut taken = self.clone();
        if let Some(job) = taken.passed_on.pop() {
            if taken.lead.submit_first(job) {
                taken.wake_one();
            }
            steps.push((taken, false));
        }
    }

    fn next(&mut self, index: usize) {
        self.apps[index] = match self.lead.next() {
            Next::Serve(job) => App::Calling(job, None),
            Next::Lead(mut reactor, jobs) => {
                reactor.extend(jobs);
                App::Leading(reactor)
            }
            Next::Wait => {
                self.woken |= self.lead.begin_idling();
                App::Idle(false)
            }
            Next::WaitForLead(wake) => {
                self.woken |= wake;
                App::Awaiting(false)
            }
            Next::Leave => App::Gone,
        };
    }

    fn app_steps(&self, index: usize, steps: &mut Vec<Step>) {
        let mut next = self.clone();
        let app = std::mem::replace(&mut next.apps[index], App::Free);
        match app {
            App::Free => next.next(index),
            App::Idle(true) => {
                next.lead.end_idling();
                next.next(index);
            }
            App::Awaiting(true) if next.lead.is_lead_awaited() => next.apps[index] = App::Awaiting(false),
            App::Awaiting(true) => next.next(index),
            App::Leading(mut reactor) => {
                reactor.append(&mut next.passed_on);
                if next.lead.expects_to_be_slow() {
                    next.lead.hand_over(reactor);
                    next.bell = true;
                } else if !reactor.is_empty() {
                    let job = reactor.remove(0);
                    let (call, wake) = next.lead.lay_down(reactor);
                    next.bell |= wake;
                    next.apps[index] = App::Calling(job, Some(call));
                } else if next.has_left() {
                    next.depart(reactor);
                } else if next.lead.before_poll() {
                    next.apps[index] = App::Polling(reactor);
                } else {
                    reactor.append(&mut next.polled());
                    next.apps[index] = App::Leading(reactor);
                }
            }
            App::Polling(mut reactor) if next.can_poll() => {
                reactor.append(&mut next.polled());
                next.apps[index] = App::Leading(reactor);
            }
            App::Calling(job, call) => {
                for was_slow in [false, true] {
                    let mut next = next.clone();
                    next.apps[index] = match call.map(|call| next.lead.take_up(call, was_slow)) {
                        Some(Some(reactor)) => {
                            next.answered.push(job);
                            App::Leading(reactor)
                        }
                        Some(None) => App::Returning(job, None),
                        None => App::Returning(job, Some(was_slow)),
                    };
                    steps.push((next, true));
                }
                return;
            }
            App::Returning(job, was_slow) => next.woken |= next.lead.give_back(job, was_slow),
            App::Idle(false) | App::Awaiting(false) | App::Polling(_) | App::Gone => return,
        }
        steps.push((next, false));
    }

    fn helper_steps(&self, steps: &mut Vec<Step>) {
        let mut next = self.clone();
        match std::mem::replace(&mut next.helper, Helper::Gone) {
            Helper::Watching(seen, true) if next.bell => {
                next.bell = false;
                next.helper = Helper::Watching(seen, false);
            }
            Helper::Watching(seen, false) => {
                for may_park in [false, true] {
                    let mut next = next.clone();
                    next.bell = false;
                    next.helper = match next.lead.watch(seen, may_park) {
                        Watch::Lead(reactor) => {
                            next.hand_out(reactor);
                            Helper::Helping(Vec::new())
                        }
                        Watch::Tick(seen) => Helper::Watching(seen, false),
                        Watch::Park(seen) => Helper::Watching(seen, true),
                        Watch::Leave => Helper::Gone,
                    };
                    steps.push((next, false));
                }
                return;
            }
            Helper::Helping(reactor) => {
                self.passing_steps(steps);
                if next.has_left() {
                    next.depart(reactor);
                    next.helper = Helper::Watching(0, false);
                } else if next.lead.is_wanted() {
                    next.lead.yield_lead(reactor);
                    next.wake_those_who_want();
                    next.helper = Helper::Watching(0, false);
                } else if next.lead.before_poll() {
                    next.shows_idle = !next.lead.say_whether_all_are_busy();
                    next.helper = Helper::Polling(reactor);
                } else {
                    let arrived = next.polled();
                    next.hand_out(arrived);
                    next.helper = Helper::Helping(reactor);
                }
            }
            Helper::Polling(reactor) if next.can_poll() => {
                next.shows_idle = false;
                let arrived = next.polled();
                next.hand_out(arrived);
                next.helper = Helper::Helping(reactor);
            }
            Helper::Watching(_, true) | Helper::Polling(_) | Helper::Gone => return,
        }
        steps.push((next, false));
    }
}

/// All states that can be reached, and the steps between them.
struct Walk {
    states: Vec<Worker>,
    /// From, to, and whether a call ends.
    steps: Vec<(usize, usize, bool)>,
}

impl Walk {
    fn through(first: Worker) -> Walk {
        let mut known = HashMap::from([(first.clone(), 0)]);
        let mut walk = Walk {
            states: vec![first],
            steps: Vec::new(),
        };
        let mut from = 0;
        while from < walk.states.len() {
            for (state, ends) in walk.states[from].steps() {
                let to = *known.entry(state.clone()).or_insert_with(|| {
                    walk.states.push(state);
                    walk.states.len() - 1
                });
                walk.steps.push((from, to, ends));
            }
            from += 1;
        }
        walk
    }

    /// The first state from which none of those can be reached for which `is_goal` is true. Calls end on the way if
    /// `calls_end`.
    fn stuck(&self, calls_end: bool, is_goal: impl Fn(&Worker) -> bool) -> Option<&Worker> {
        let mut before = vec![Vec::new(); self.states.len()];
        for (from, to, ends) in &self.steps {
            if calls_end || !ends {
                before[*to].push(*from);
            }
        }
        let mut leads: Vec<bool> = self.states.iter().map(is_goal).collect();
        let mut found: Vec<usize> = (0..leads.len()).filter(|state| leads[*state]).collect();
        while let Some(state) = found.pop() {
            for from in &before[state] {
                if !std::mem::replace(&mut leads[*from], true) {
                    found.push(*from);
                }
            }
        }
        let stuck = leads.iter().position(|leads| !leads)?;
        Some(&self.states[stuck])
    }
}

#[test]
fn whatever_the_order_every_request_is_answered_once_and_every_thread_ends() {
    for (threads, requests, sendings) in [(1, 3, 2), (2, 3, 0), (2, 2, 2), (3, 2, 0)] {
        let walk = Walk::through(Worker::new(threads, requests, sendings));
        println!(
            "{threads} threads, {requests} requests, of which {sendings} are sent away: {} states",
            walk.states.len()
        );
        assert_eq!(walk.stuck(true, Worker::is_over), None);
    }
}

#[test]
fn whatever_the_order_somebody_reads_while_calls_never_end() {
    for (threads, requests, sendings) in [(1, 3, 2), (2, 2, 1)] {
        let walk = Walk::through(Worker::new(threads, requests, sendings));
        assert_eq!(
            walk.stuck(false, |worker| worker.is_polled() || worker.has_left()),
            None
        );
    }
}

#[test]
fn a_thread_that_was_left_behind_does_not_take_the_reactor_of_a_later_leader() {
    let mut lead: Lead<&str, u8> = Lead::new(2, CAUTION);
    lead.yield_lead("the reactor");
    assert!(matches!(lead.next(), Next::Lead("the reactor", _)));
    let (first, _) = lead.lay_down("the reactor");
    assert!(matches!(lead.watch(first, false), Watch::Lead("the reactor")));
    lead.yield_lead("the reactor");
    assert!(matches!(lead.next(), Next::Lead("the reactor", _)));
    let (second, _) = lead.lay_down("the reactor");
    assert_eq!(lead.take_up(first, false), None);
    assert_eq!(lead.take_up(second, false), Some("the reactor"));
}

#[test]
fn only_what_no_thread_is_about_to_take_goes_elsewhere_and_the_oldest_first() {
    let mut lead: Lead<(), u8> = Lead::new(2, CAUTION);
    assert!(!lead.begin_idling(), "nobody waits who would have to know");
    for job in 1..=4 {
        lead.submit(job, None).expect("without a limit");
    }
    assert!(lead.has_surplus());
    assert_eq!(lead.surplus(|job| *job > 1), Some(2));
    assert_eq!(lead.surplus(|job| *job > 4), None);
    assert_eq!(lead.surplus(|_| true), Some(1));
    assert_eq!(lead.surplus(|_| true), Some(3));
    assert!(!lead.has_surplus());
    assert_eq!(lead.surplus(|_| true), None);
    assert!(lead.submit_first(1));
    assert_eq!(lead.surplus(|_| true), Some(1));
    assert!(lead.submit_first(1));
    assert!(matches!(lead.next(), Next::WaitForLead(_)));
    assert_eq!(
        lead.surplus(|_| true),
        None,
        "one will be served by whoever gets the lead"
    );
    assert!(matches!(lead.next(), Next::Serve(1)));
    assert!(matches!(lead.next(), Next::Serve(4)));
}

#[test]
fn a_request_counts_as_waiting_only_while_all_threads_are_busy() {
    let mut lead: Lead<(), u8> = Lead::new(2, CAUTION);
    assert_eq!(lead.submit(1, Some(1)), Ok(false));
    assert_eq!(lead.submit(2, Some(1)), Err(2));
    assert!(!lead.begin_idling(), "nobody waits who would have to know");
    assert_eq!(lead.submit(2, Some(1)), Ok(true));
    assert_eq!(lead.submit(3, Some(1)), Err(3));
    assert_eq!(lead.submit(3, None), Ok(true));
}

#[test]
fn one_slow_call_makes_it_careful_for_a_moment_and_several_for_longer() {
    let caution = Caution {
        least: 4,
        most: 64,
        forget: 100,
    };
    let mut lead: Lead<(), ()> = Lead::new(2, caution);
    let careful_calls = |lead: &mut Lead<(), ()>| {
        (0..1000)
            .take_while(|_| {
                let careful = lead.is_cautious();
                lead.judge(false);
                careful
            })
            .count()
    };
    lead.judge(true);
    assert_eq!(careful_calls(&mut lead), 4);
    lead.judge(true);
    assert_eq!(careful_calls(&mut lead), 16);
    (0..5).for_each(|_| lead.judge(true));
    assert_eq!(careful_calls(&mut lead), 64);
    (0..100).for_each(|_| lead.judge(false));
    lead.judge(true);
    assert_eq!(careful_calls(&mut lead), 4);
}
