//! Lives of servers in virtual time: what happens on the left, what the supervisor does about it on the right.

mod scaling;

use std::time::Duration;

use config::{Dialect, Harakiri, MasterCommand, Memory, Scaling, WorkerLimits};
use rustix::process::Signal;
use telemetry::{ExitStatus, ScalingStep, UwsgiEvent, WorkerLimit};

use super::births::how;
use super::*;
use crate::cheaper::Load;
use crate::signals::MasterSignal;
use MasterSignal::{Hup, Int, Quit, Term, Ttin, Ttou, Usr1, Usr2, Winch};

/// A supervisor with a clock, whose forks succeed at once. The pid of a worker is 100 plus its age.
struct World {
    now_ms: u64,
    supervisor: Supervisor,
    plan: Plan,
    done: Vec<Action>,
    /// What rereading the configuration gives.
    reread: Result<Plan, String>,
}

impl World {
    fn new(dialect: Dialect, workers: u32) -> World {
        let plan = Plan {
            dialect,
            workers,
            most: workers,
            scaling: Scaling::default(),
            harakiri: Harakiri::default(),
            graceful_ms: 30_000,
            term_reloads: false,
            exit_on_reload: false,
            daemonized: false,
            limits: WorkerLimits::default(),
            code_after_term: 0,
            signals: Vec::new(),
        };
        World::with(plan)
    }

    fn with(plan: Plan) -> World {
        World {
            now_ms: 1000,
            supervisor: Supervisor::new(1, plan.clone()),
            plan: plan.clone(),
            done: vec![],
            reread: Ok(plan),
        }
    }

    /// Booted, with all workers ready.
    fn serving(workers: u32) -> World {
        World::with_workers_ready(World::new(Dialect::Gunicorn, workers))
    }

    fn with_workers_ready(mut world: World) -> World {
        world.tell(Input::Start);
        (1..=world.plan.workers).for_each(|age| world.tell(Input::Ready { age }));
        world.done.clear();
        world
    }

    fn tell(&mut self, input: Input) {
        let mut inbox = vec![input];
        while !inbox.is_empty() {
            for action in self.supervisor.step(self.now_ms, inbox.remove(0)) {
                match action {
                    Action::Spawn { age, .. } => inbox.push(Input::Spawned { age, pid: 100 + age }),
                    Action::Reread => inbox.push(Input::Reread(self.reread.clone())),
                    Action::Renew => inbox.push(Input::Reread(Ok(self.plan.clone()))),
                    _ => {}
                }
                self.done.push(action);
            }
        }
    }

    fn signal(&mut self, signal: MasterSignal) {
        self.tell(Input::Signal(signal));
    }

    fn ready(&mut self, age: u32) {
        self.tell(Input::Ready { age });
    }

    fn exited(&mut self, age: u32, code: i32) {
        self.tell(Input::Exited {
            age,
            status: ExitStatus::Code(code),
        });
    }

    /// Lets time pass to the next deadline; returns how long that was.
    fn pass(&mut self) -> Option<u64> {
        let until_ms = self.supervisor.next_deadline_ms()?;
        let passed = until_ms.saturating_sub(self.now_ms);
        self.now_ms += passed;
        self.tell(Input::Tick);
        Some(passed)
    }

    /// What was done since the last call, in short: `spawn 3#1` is the third worker at place 1.
    fn did(&mut self) -> Vec<String> {
        std::mem::take(&mut self.done).iter().filter_map(short).collect()
    }
}

fn short(action: &Action) -> Option<String> {
    Some(match action {
        Action::Spawn { age, number, .. } => format!("spawn {age}#{number}"),
        Action::Kill { pid, signal } => format!("{} {}", signal_name(*signal), pid - 100),
        Action::Condemn { age } => format!("condemn {age}"),
        Action::Reread => "reread".into(),
        Action::CommitReload => "commit".into(),
        Action::AbandonReload => "abandon".into(),
        Action::CloseListeners => "close".into(),
        Action::WorkersChanged { new, old } => format!("workers {old}->{new}"),
        Action::ReopenLogs => "reopen".into(),
        Action::LogStatistics => "statistics".into(),
        Action::LogStatus => "status".into(),
        Action::Renew => "renew".into(),
        Action::RewritePidfile => "pidfile".into(),
        Action::RotateLogs => "rotate".into(),
        Action::RenewAides(kind) => format!("renew {kind:?}"),
        Action::Upgrade => "upgrade".into(),
        Action::Serving => "serving".into(),
        Action::Exit(code) => format!("exit {code}"),
        Action::Log(Event::BootFailed { exit_code }) => format!("boot failed {exit_code}"),
        Action::Log(Event::ReloadFailed { reason }) => format!("reload failed: {reason}"),
        Action::Log(Event::WorkerLimit(WorkerLimit::TooOld { number, .. })) => format!("old #{number}"),
        Action::Log(Event::WorkerLimit(WorkerLimit::TooLarge { number, what, .. })) => {
            format!("{what} #{number}")
        }
        Action::Log(Event::RequestDeadline { late, .. }) => format!("deadline {}", late.request),
        Action::Log(Event::Uwsgi(UwsgiEvent::DeadlineWaived { .. })) => "waived".into(),
        Action::Log(Event::Uwsgi(UwsgiEvent::DeadlineGrace { signal, .. })) => format!("grace {signal}"),
        Action::Log(Event::Uwsgi(UwsgiEvent::DeadlineKill { .. })) => "deadline kill".into(),
        Action::Log(Event::WorkerExited {
            number,
            expected: false,
            ..
        }) => format!("lost #{number}"),
        Action::Log(Event::Uwsgi(UwsgiEvent::ChainNext { number })) => format!("next #{number}"),
        Action::Log(Event::Uwsgi(UwsgiEvent::ChainComplete)) => "chain complete".into(),
        Action::Log(Event::Uwsgi(UwsgiEvent::Scaling(step))) => match step {
            ScalingStep::Cheaped { number } => format!("cheaped #{number}"),
            ScalingStep::Inactive { .. } => "inactive".into(),
            ScalingStep::GoingCheap => "going cheap".into(),
            ScalingStep::Resting => "resting".into(),
            ScalingStep::Said(_) => return None,
        },
        Action::Log(_) => return None,
    })
}

fn signal_name(signal: Signal) -> &'static str {
    [
        (Signal::TERM, "TERM"),
        (Signal::QUIT, "QUIT"),
        (Signal::KILL, "KILL"),
        (Signal::ABORT, "ABRT"),
        (Signal::VTALARM, "VTALRM"),
        (Signal::USR1, "USR1"),
        (Signal::STOP, "STOP"),
        (Signal::CONT, "CONT"),
    ]
    .into_iter()
    .find_map(|(known, name)| (known == signal).then_some(name))
    .expect("a signal that workers are sent")
}

#[test]
fn boot_starts_every_worker_and_then_sleeps() {
    let mut world = World::new(Dialect::Gunicorn, 2);
    world.tell(Input::Start);
    assert_eq!(world.did(), ["spawn 1#1", "spawn 2#2"]);
    world.ready(1);
    assert!(world.did().is_empty());
    world.ready(2);
    assert_eq!(world.did(), ["serving"], "said once");
    world.ready(2);
    assert!(world.did().is_empty());
    assert_eq!(world.pass(), None, "nothing to wake up for");
}

#[test]
fn a_worker_that_cannot_boot_ends_the_first_start_with_the_dialects_code() {
    let cases = [
        (Dialect::Gunicorn, 3, 3),
        (Dialect::Gunicorn, 4, 4),
        (Dialect::Gunicorn, 1, 1),
        (Dialect::Native, 3, 3),
        (Dialect::Uwsgi, 22, 22),
        (Dialect::Uwsgi, 3, 1),
    ];
    for (dialect, code, exit_code) in cases {
        let mut world = World::new(dialect, 2);
        world.tell(Input::Start);
        world.did();
        world.exited(1, code);
        let failed = format!("boot failed {exit_code}");
        assert_eq!(
            world.did(),
            ["lost #1", failed.as_str(), "close", "QUIT 2"],
            "{dialect:?} {code}"
        );
        world.exited(2, code);
        assert_eq!(world.did(), [format!("exit {exit_code}")], "{dialect:?} {code}");
    }
}

#[test]
fn one_ready_worker_does_not_hide_that_another_cannot_boot() {
    let mut world = World::new(Dialect::Gunicorn, 2);
    world.tell(Input::Start);
    world.ready(1);
    world.did();
    world.exited(2, 3);
    assert_eq!(world.did(), ["lost #2", "boot failed 3", "close", "QUIT 1"]);
}

#[test]
fn a_crash_is_replaced_at_once_at_the_same_place() {
    let mut world = World::serving(3);
    for code in [0, 1, 3, 4, 22] {
        let age = world.supervisor.spawned;
        let age = if age == 3 { 2 } else { age };
        world.exited(age, code);
        let next = world.supervisor.spawned;
        assert_eq!(
            world.did(),
            ["lost #2".to_owned(), format!("spawn {next}#2")],
            "code {code}"
        );
        world.ready(next);
    }
}

#[test]
fn workers_that_die_at_boot_are_retried_later_and_later_up_to_five_seconds() {
    let mut world = World::serving(1);
    world.exited(1, 1);
    let mut waits = vec![];
    for _ in 0..8 {
        let age = world.supervisor.spawned;
        world.exited(age, 3);
        waits.extend(world.pass());
    }
    assert_eq!(waits, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
    let age = world.supervisor.spawned;
    world.ready(age);
    world.did();
    world.exited(age, 1);
    assert_eq!(
        world.did(),
        ["lost #1".to_owned(), format!("spawn {}#1", age + 1)],
        "it had been ready: at once"
    );
}

#[test]
fn workers_killed_at_first_boot_are_retried_with_the_same_patience() {
    let mut world = World::new(Dialect::Gunicorn, 4);
    world.tell(Input::Start);
    world.did();
    (1..=4).for_each(|age| {
        world.tell(Input::Exited {
            age,
            status: ExitStatus::Signal(11),
        })
    });
    assert_eq!(world.did(), ["lost #1", "lost #2", "lost #3", "lost #4"]);
    assert_eq!(world.pass(), Some(100), "four deaths, one failure");
    assert_eq!(world.did(), ["spawn 5#1", "spawn 6#2", "spawn 7#3", "spawn 8#4"]);
}

#[test]
fn a_fork_that_fails_is_tried_again_later() {
    let mut world = World::serving(1);
    world.supervisor.step(
        world.now_ms,
        Input::Exited {
            age: 1,
            status: ExitStatus::Code(1),
        },
    );
    world.tell(Input::SpawnFailed {
        age: 2,
        reason: "no processes".into(),
    });
    assert_eq!(world.pass(), Some(100));
    assert_eq!(world.did(), ["spawn 3#1"]);
}

#[test]
fn a_reload_retires_the_old_when_all_the_new_are_ready() {
    let mut world = World::serving(2);
    world.signal(Hup);
    assert_eq!(world.did(), ["reread", "spawn 3#1", "spawn 4#2"]);
    world.ready(3);
    assert!(world.did().is_empty());
    world.ready(4);
    assert_eq!(world.did(), ["commit", "TERM 1", "TERM 2"]);
    world.exited(1, 0);
    assert_eq!(world.pass(), Some(30_500));
    assert_eq!(world.did(), ["KILL 2"]);
    world.tell(Input::Exited {
        age: 2,
        status: ExitStatus::Signal(9),
    });
    assert!(world.did().is_empty());
    assert_eq!(world.pass(), None);
}

#[test]
fn a_reload_takes_the_new_number_of_workers() {
    for (new, expected) in [
        (
            3,
            vec![
                "spawn 3#1",
                "spawn 4#2",
                "spawn 5#3",
                "commit",
                "workers 2->3",
                "TERM 1",
                "TERM 2",
            ],
        ),
        (1, vec!["spawn 3#1", "commit", "workers 2->1", "TERM 1", "TERM 2"]),
    ] {
        let mut world = World::serving(2);
        world.reread = Ok(Plan {
            workers: new,
            ..world.plan.clone()
        });
        world.signal(Hup);
        (3..3 + new).for_each(|age| world.ready(age));
        assert_eq!(world.did()[1..], expected);
    }
}

#[test]
fn a_reload_that_cannot_boot_is_abandoned_and_the_old_workers_stay() {
    for status in [ExitStatus::Code(3), ExitStatus::Code(0), ExitStatus::Signal(11)] {
        let mut world = World::serving(3);
        world.signal(Hup);
        world.ready(4);
        world.did();
        world.tell(Input::Exited { age: 5, status });
        let reason = format!("reload failed: a new worker {} before it was ready", how(status));
        assert_eq!(
            world.did(),
            ["lost #2", "TERM 4", "KILL 6", reason.as_str(), "abandon"]
        );
        world.exited(4, 0);
        world.tell(Input::Exited {
            age: 6,
            status: ExitStatus::Signal(9),
        });
        assert!(world.did().is_empty());
        assert_eq!(world.pass(), None);
        world.signal(Hup);
        assert_eq!(
            world.did(),
            ["reread", "spawn 7#1", "spawn 8#2", "spawn 9#3"],
            "the next one is a fresh start"
        );
    }
}

#[test]
fn a_configuration_that_cannot_be_read_changes_nothing() {
    let mut world = World::serving(1);
    world.reread = Err("line 3".into());
    world.signal(Hup);
    assert_eq!(world.did(), ["reread", "reload failed: line 3"]);
}

#[test]
fn reloads_asked_for_during_a_reload_become_one_afterwards() {
    let mut world = World::serving(1);
    (0..3).for_each(|_| world.signal(Hup));
    assert_eq!(world.did(), ["reread", "spawn 2#1"]);
    world.ready(2);
    assert_eq!(world.did(), ["commit", "TERM 1", "reread", "spawn 3#1"]);
    world.ready(3);
    assert_eq!(world.did(), ["commit", "TERM 2"]);
}

#[test]
fn an_old_worker_that_crashes_during_a_reload_is_replaced() {
    let mut world = World::serving(1);
    world.signal(Hup);
    world.did();
    world.exited(1, 1);
    assert_eq!(world.did(), ["lost #1", "spawn 3#1"]);
}

#[test]
fn a_reload_before_anything_is_ready_is_obeyed() {
    let mut world = World::new(Dialect::Gunicorn, 1);
    world.tell(Input::Start);
    world.signal(Hup);
    assert_eq!(world.did(), ["spawn 1#1", "reread", "spawn 2#1"]);
    world.exited(1, 3);
    assert_eq!(world.did(), ["lost #1"], "it was to be replaced anyway");
    world.ready(2);
    assert_eq!(world.did(), ["commit", "serving"]);

    let mut world = World::new(Dialect::Gunicorn, 1);
    world.tell(Input::Start);
    world.signal(Hup);
    world.did();
    world.exited(2, 3);
    assert_eq!(
        world.did(),
        ["lost #1", "boot failed 3", "close", "QUIT 1"],
        "nothing to keep"
    );
}

#[test]
fn stops_tell_the_workers_first_and_kill_them_late() {
    for (signal, sent, limit_ms) in [(Term, "TERM", 30_500), (Int, "QUIT", 2000), (Quit, "QUIT", 2000)] {
        let mut world = World::serving(2);
        world.signal(signal);
        assert_eq!(
            world.did(),
            ["close".into(), format!("{sent} 1"), format!("{sent} 2")]
        );
        world.exited(1, 0);
        assert_eq!(world.pass(), Some(limit_ms), "{signal:?}");
        assert_eq!(world.did(), ["KILL 2"]);
        world.tell(Input::Exited {
            age: 2,
            status: ExitStatus::Signal(9),
        });
        assert_eq!(world.did(), ["exit 0"]);
    }
}

#[test]
fn a_worker_that_ends_its_application_gets_some_more_time_once() {
    let mut world = World::serving(1);
    world.signal(Term);
    world.did();
    world.now_ms += 30_000;
    world.tell(Input::Ending { age: 1 });
    world.now_ms += 100;
    world.tell(Input::Ending { age: 1 });
    assert_eq!(world.pass(), Some(4900));
    assert_eq!(world.did(), ["KILL 1"]);
}

#[test]
fn a_stop_is_obeyed_at_any_moment() {
    let mut world = World::new(Dialect::Gunicorn, 1);
    world.tell(Input::Start);
    world.signal(Term);
    assert_eq!(world.did(), ["spawn 1#1", "close", "TERM 1"], "while booting");
    world.exited(1, 0);
    assert_eq!(world.did(), ["exit 0"]);

    let mut world = World::serving(1);
    world.signal(Hup);
    world.signal(Term);
    assert_eq!(
        world.did(),
        ["reread", "spawn 2#1", "close", "TERM 1", "TERM 2"],
        "during a reload"
    );
    world.exited(2, 0);
    world.exited(1, 0);
    assert_eq!(world.did(), ["exit 0"]);

    let mut world = World::serving(1);
    world.supervisor.step(
        world.now_ms,
        Input::Exited {
            age: 1,
            status: ExitStatus::Code(1),
        },
    );
    world.exited(2, 1);
    world.signal(Term);
    assert_eq!(
        world.did().last().expect("it exits"),
        "exit 0",
        "while waiting for the next try"
    );
}

#[test]
fn a_second_interrupt_makes_a_graceful_stop_quick() {
    let mut world = World::serving(1);
    world.signal(Term);
    world.signal(Term);
    world.signal(Hup);
    assert_eq!(
        world.did(),
        ["close", "TERM 1"],
        "the same again and a reload change nothing"
    );
    world.signal(Int);
    assert_eq!(world.did(), ["close", "QUIT 1"]);
    world.now_ms += 500;
    world.signal(Int);
    assert!(world.did().is_empty());
    assert_eq!(world.pass(), Some(1500));
    assert_eq!(world.did(), ["KILL 1"]);
}

#[test]
fn ttin_and_ttou_change_the_number_and_the_oldest_goes() {
    let mut world = World::serving(2);
    world.signal(Ttin);
    assert_eq!(world.did(), ["workers 2->3", "spawn 3#3"]);
    world.ready(3);
    world.signal(Ttou);
    world.signal(Ttou);
    assert_eq!(world.did(), ["workers 3->2", "TERM 1", "workers 2->1", "TERM 2"]);
    world.signal(Ttou);
    assert!(world.did().is_empty(), "never below one");
}

#[test]
fn a_worker_that_wants_to_retire_stays_until_its_replacement_is_ready() {
    let mut world = World::serving(2);
    world.tell(Input::WantsRetirement { age: 1 });
    assert_eq!(world.did(), ["spawn 3#1"]);
    world.exited(3, 3);
    assert_eq!(world.did(), ["lost #1"]);
    assert_eq!(world.pass(), Some(100));
    assert_eq!(world.did(), ["spawn 4#1"], "the old one goes on meanwhile");
    world.ready(4);
    assert_eq!(world.did(), ["TERM 1"]);
    world.exited(1, 0);
    assert!(world.did().is_empty());
}

#[test]
fn workers_that_all_want_to_retire_go_one_for_one() {
    let mut world = World::serving(2);
    (1..=2).for_each(|age| world.tell(Input::WantsRetirement { age }));
    assert_eq!(world.did(), ["spawn 3#1", "spawn 4#2"]);
    world.ready(4);
    assert_eq!(world.did(), ["TERM 1"]);
    world.ready(3);
    assert_eq!(world.did(), ["TERM 2"]);
}

#[test]
fn a_request_past_its_deadline_costs_its_worker() {
    let mut world = World::serving(2);
    let request = "GET /slow".to_owned();
    let overdue = OverdueRequest {
        age: 1,
        thread: 0,
        request,
        client: "::1".into(),
        elapsed_ms: 31_000,
        queue: 0,
        kernel: vec![],
    };
    world.tell(Input::Overdue(overdue.clone()));
    assert_eq!(
        world.did(),
        [
            "deadline GET /slow",
            "condemn 1",
            "VTALRM 1",
            "ABRT 1",
            "spawn 3#1"
        ]
    );
    world.tell(Input::Overdue(overdue));
    assert!(world.did().is_empty(), "said once");
    assert_eq!(world.pass(), Some(1000));
    assert_eq!(world.did(), ["KILL 1"]);
}

#[test]
fn a_reload_may_be_a_stop() {
    let mut world = World::new(Dialect::Uwsgi, 1);
    world.plan.exit_on_reload = true;
    let mut world = World::with_workers_ready(World::with(world.plan));
    world.signal(Hup);
    assert_eq!(world.did(), ["close", "TERM 1"]);
    world.exited(1, 0);
    assert_eq!(world.did(), ["exit 0"]);
}

#[test]
fn a_worker_may_get_a_grace_after_a_signal_and_be_spared_while_the_queue_is_short() {
    let mut world = World::new(Dialect::Uwsgi, 1);
    world.plan.harakiri.grace = Some(Duration::from_secs(5));
    world.plan.harakiri.signal = 10;
    world.plan.harakiri.queue = 3;
    let mut world = World::with_workers_ready(World::with(world.plan));
    let mut overdue = OverdueRequest {
        age: 1,
        thread: 0,
        request: "GET /slow".to_owned(),
        client: "::1".into(),
        elapsed_ms: 31_000,
        queue: 2,
        kernel: vec![],
    };
    world.tell(Input::Overdue(overdue.clone()));
    assert_eq!(world.did(), ["waived"]);
    overdue.queue = 3;
    world.tell(Input::Overdue(overdue));
    assert_eq!(
        world.did(),
        [
            "deadline GET /slow",
            "grace 10",
            "condemn 1",
            "VTALRM 1",
            "USR1 1",
            "spawn 2#1"
        ]
    );
    world.ready(2);
    assert_eq!(world.pass(), Some(5000));
    assert_eq!(world.did(), ["deadline kill", "KILL 1"]);
}

#[test]
fn the_other_signals_mean_what_the_dialect_says() {
    let cases = [
        (Dialect::Gunicorn, Usr1, vec!["reopen", "USR1 1"]),
        (Dialect::Gunicorn, Usr2, vec!["upgrade"]),
        (Dialect::Gunicorn, Winch, vec![]),
        (Dialect::Uwsgi, Usr1, vec!["statistics"]),
        (Dialect::Uwsgi, Usr2, vec!["status"]),
        (Dialect::Uwsgi, Winch, vec![]),
        (Dialect::Uwsgi, Ttin, vec![]),
        (Dialect::Uwsgi, Term, vec!["close", "TERM 1"]),
        (Dialect::Uwsgi, Hup, vec!["reread", "spawn 2#1"]),
    ];
    for (dialect, signal, expected) in cases {
        let mut world = World::with_workers_ready(World::new(dialect, 1));
        world.signal(signal);
        assert_eq!(world.did(), expected, "{dialect:?} {signal:?}");
    }
}

#[test]
fn term_reloads_where_that_is_written_out() {
    let plan = World::new(Dialect::Uwsgi, 1).plan;
    let mut world = World::with_workers_ready(World::with(Plan {
        term_reloads: true,
        ..plan
    }));
    world.signal(Term);
    assert_eq!(world.did(), ["reread", "spawn 2#1"]);
    world.signal(Quit);
    assert_eq!(world.did(), ["close", "QUIT 1", "QUIT 2"]);
}

#[test]
fn winch_sends_the_workers_of_a_daemon_home_and_hup_brings_them_back() {
    let plan = World::new(Dialect::Gunicorn, 1).plan;
    let mut world = World::with_workers_ready(World::with(Plan {
        daemonized: true,
        ..plan
    }));
    world.signal(Winch);
    assert_eq!(world.did(), ["workers 1->0", "TERM 1"]);
    world.exited(1, 0);
    assert_eq!(world.pass(), None);
    world.signal(Hup);
    world.ready(2);
    assert_eq!(world.did(), ["reread", "spawn 2#1", "commit", "workers 0->1"]);
}

#[test]
fn a_touched_file_reloads() {
    let mut world = World::serving(1);
    world.tell(Input::Touched("/run/reload".into()));
    assert_eq!(world.did(), ["reread", "spawn 2#1"]);
}

#[test]
fn exits_are_reported_with_how_long_the_worker_took_to_leave() {
    let mut world = World::serving(1);
    world.now_ms += 2500;
    world.signal(MasterSignal::Term);
    world.now_ms += 1500;
    world.exited(1, 0);
    let took = world.done.iter().find_map(|action| match action {
        Action::Log(Event::WorkerExited { leaving, .. }) => Some(*leaving),
        _ => None,
    });
    assert_eq!(took, Some(Duration::from_millis(1500)));
}

#[test]
fn exits_are_reported_with_how_long_the_worker_lived() {
    let mut world = World::serving(1);
    world.now_ms += 2500;
    world.exited(1, 1);
    let lived = world.done.iter().find_map(|action| match action {
        Action::Log(Event::WorkerExited { pid, after, .. }) => Some((*pid, *after)),
        _ => None,
    });
    assert_eq!(lived, Some((101, Duration::from_millis(2500))));
}

fn limited(workers: u32, limits: WorkerLimits) -> World {
    let plan = World::new(Dialect::Uwsgi, workers).plan;
    World::with_workers_ready(World::with(Plan { limits, ..plan }))
}

#[test]
fn workers_that_have_lived_long_enough_are_replaced_one_after_the_other() {
    let mut world = limited(
        2,
        WorkerLimits {
            lifetime: Some(Duration::from_secs(60)),
            lifetime_step: Duration::from_secs(5),
            ..WorkerLimits::default()
        },
    );
    assert_eq!(world.pass(), Some(60_000));
    assert_eq!(world.did(), ["old #1", "spawn 3#1"]);
    world.ready(3);
    assert_eq!(world.did(), ["TERM 1"]);
    world.exited(1, 0);
    assert_eq!(world.pass(), Some(5000));
    assert_eq!(world.did(), ["old #2", "spawn 4#2"]);
    world.ready(4);
    assert_eq!(world.did(), ["TERM 2"]);
}

#[test]
fn a_worker_that_grows_too_large_is_replaced_and_one_far_too_large_is_killed() {
    let mut world = limited(
        1,
        WorkerLimits {
            least_lifetime: Duration::from_secs(10),
            graceful: Memory {
                resident: Some(100),
                address_space: Some(1000),
            },
            brutal: Memory {
                resident: Some(200),
                address_space: None,
            },
            ..WorkerLimits::default()
        },
    );
    let uses = |age, resident, address_space| Input::Memory {
        age,
        used: Memory {
            resident,
            address_space,
        },
    };
    world.tell(uses(1, 150, 0));
    assert_eq!(world.did(), [""; 0], "it is too young");
    world.now_ms += 10_000;
    world.tell(uses(1, 99, 999));
    assert_eq!(world.did(), [""; 0], "it is small enough");
    world.tell(uses(1, 50, 1000));
    assert_eq!(world.did(), ["ADDRESS SPACE #1", "spawn 2#1"]);
    world.tell(uses(1, 50, 1000));
    assert_eq!(world.did(), [""; 0], "it is known already");
    world.ready(2);
    assert_eq!(world.did(), ["TERM 1"]);
    world.exited(1, 0);
    world.tell(uses(2, 200, 0));
    assert_eq!(world.did(), ["RSS #1", "KILL 2", "spawn 3#1"]);
}

#[test]
fn under_uvicorn_the_first_interrupt_is_gentle_and_the_second_is_not() {
    let mut world = World::with_workers_ready(World::new(Dialect::Uvicorn, 1));
    world.tell(Input::Signal(Int));
    let gentle = Action::Kill {
        pid: 101,
        signal: Signal::TERM,
    };
    assert!(world.done.contains(&gentle), "{:?}", world.done);
    world.done.clear();
    world.tell(Input::Signal(Int));
    let urgent = Action::Kill {
        pid: 101,
        signal: Signal::QUIT,
    };
    assert!(world.done.contains(&urgent), "{:?}", world.done);
    world.tell(Input::Exited {
        age: 1,
        status: ExitStatus::Code(0),
    });
    assert_eq!(world.done.last(), Some(&Action::Exit(0)));
}

#[test]
fn a_server_of_one_process_ends_by_the_term_that_stops_it() {
    let plan = Plan {
        code_after_term: ENDED_BY_TERM,
        ..World::new(Dialect::Uvicorn, 1).plan
    };
    let mut world = World::with_workers_ready(World::with(plan));
    world.tell(Input::Signal(Term));
    world.tell(Input::Exited {
        age: 1,
        status: ExitStatus::Code(0),
    });
    assert_eq!(world.done.last(), Some(&Action::Exit(143)));
}

#[test]
fn a_chain_reload_replaces_one_worker_after_the_other_and_never_serves_with_fewer() {
    let mut world = World::with_workers_ready(World::new(Dialect::Uwsgi, 2));
    world.tell(Input::Command(MasterCommand::ChainReload));
    assert_eq!(world.did(), ["next #1", "spawn 3#1"]);
    world.tell(Input::Command(MasterCommand::ChainReload));
    assert_eq!(world.did(), [""; 0], "one is enough");
    world.ready(3);
    assert_eq!(world.did(), ["TERM 1"]);
    world.exited(1, 0);
    assert_eq!(world.did(), ["next #2", "spawn 4#2"]);
    world.ready(4);
    world.tell(Input::Tick);
    assert_eq!(world.did(), ["TERM 2", "chain complete"]);
}

#[test]
fn paused_workers_are_halted_until_the_next_pause_or_the_stop_and_no_request_is_overdue() {
    let mut world = World::with_workers_ready(World::new(Dialect::Uwsgi, 1));
    world.signal(MasterSignal::Tstp);
    assert_eq!(world.did(), ["STOP 1"]);
    world.tell(Input::Overdue(OverdueRequest {
        age: 1,
        thread: 0,
        request: "GET /".into(),
        client: "x".into(),
        elapsed_ms: 9000,
        queue: 0,
        kernel: vec![],
    }));
    assert_eq!(world.did(), [""; 0]);
    world.tell(Input::Command(MasterCommand::PauseOrResume));
    assert_eq!(world.did(), ["CONT 1"]);
    world.tell(Input::Command(MasterCommand::PauseOrResume));
    world.tell(Input::Command(MasterCommand::Stop));
    assert_eq!(world.did(), ["STOP 1", "CONT 1", "close", "TERM 1"]);
}

#[test]
fn workers_are_renewed_with_the_configuration_as_it_is_gently_or_not() {
    for (command, told) in [
        (MasterCommand::ReloadWorkers, "TERM 1"),
        (MasterCommand::BrutalReloadWorkers, "QUIT 1"),
    ] {
        let mut world = World::with_workers_ready(World::new(Dialect::Uwsgi, 1));
        world.tell(Input::Command(command));
        assert_eq!(world.did(), ["renew", "spawn 2#1"]);
        world.ready(2);
        assert_eq!(world.did(), ["commit", told]);
    }
}

#[test]
fn a_signal_that_is_bound_to_a_command_means_that_command() {
    let mut world = World::new(Dialect::Uwsgi, 1);
    world.plan.signals = vec![(15, MasterCommand::Reload), (15, MasterCommand::LogStatistics)];
    world = World::with_workers_ready(World::with(world.plan));
    world.signal(Term);
    assert_eq!(world.did(), ["statistics"]);
}
