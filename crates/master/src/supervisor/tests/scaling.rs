//! The number of workers follows the load.

use super::*;
use crate::cheaper::WorkerLoad;

/// From two to five workers by uWSGI's `backlog`, one at a time; all are ready.
fn cheaper() -> World {
    let mut world = World::new(Dialect::Uwsgi, 2);
    world.plan.most = 5;
    world.plan.scaling.cheaper = Some(Box::new(config::Cheaper {
        least: 2,
        initial: 2,
        algorithm: config::CheaperAlgorithm::Backlog,
        ..config::Cheaper::default()
    }));
    World::with_workers_ready(World::with(world.plan))
}

impl World {
    /// A look at workers by age, whether each is in a request, and the length of the queue.
    fn look(&mut self, workers: &[(u32, bool)], queue: u32) -> Vec<String> {
        self.now_ms += 1000;
        let worker = |(age, is_busy): &(u32, bool)| WorkerLoad {
            age: *age,
            number: *age,
            is_busy: *is_busy,
            ..WorkerLoad::default()
        };
        self.tell(Input::Load(Load {
            workers: workers.iter().map(worker).collect(),
            queue,
            requests: 0,
        }));
        self.did()
    }
}

#[test]
fn workers_come_with_the_load_and_the_oldest_idle_one_goes_with_it() {
    let mut world = cheaper();
    assert_eq!(
        world.look(&[(1, true), (2, true)], 9),
        ["workers 2->3", "spawn 3#3"]
    );
    world.ready(3);
    let three = [(1, true), (2, false), (3, false)];
    assert_eq!(world.look(&three, 0), ["workers 3->2", "TERM 2"]);
    world.exited(2, 0);
    assert_eq!(world.did(), ["lost #2", "cheaped #2"]);
    assert_eq!(world.look(&[(1, false), (3, false)], 0), [] as [&str; 0]);
    // The place that has become free is the first to be taken again.
    assert_eq!(
        world.look(&[(1, true), (3, true)], 9),
        ["workers 2->3", "spawn 4#2"]
    );
}

#[test]
fn no_worker_goes_while_all_are_busy_and_a_cheaped_one_is_not_counted() {
    let mut world = cheaper();
    world.look(&[(1, true), (2, true)], 9);
    world.ready(3);
    world.did();
    let busy = [(1, true), (2, true), (3, true)];
    assert_eq!(world.look(&busy, 0), [] as [&str; 0]);
    let idle = [(1, false), (2, false), (3, false)];
    assert_eq!(world.look(&idle, 0), ["workers 3->2", "TERM 1"]);
    assert_eq!(world.look(&idle, 0), [] as [&str; 0], "worker 1 is on its way");
}

#[test]
fn commands_change_the_number_within_its_bounds() {
    let mut world = cheaper();
    let command = |world: &mut World, command, times| {
        (0..times).for_each(|_| world.tell(Input::Command(command)));
    };
    command(&mut world, MasterCommand::MoreWorkers, 9);
    let both = [(1, false), (2, false)];
    assert_eq!(world.look(&both, 3)[0], "workers 2->5");
    (3..=5).for_each(|age| world.ready(age));
    world.did();
    command(&mut world, MasterCommand::FewerWorkers, 9);
    let all = [1, 2, 3, 4, 5].map(|age| (age, false));
    let gone = world.look(&all, 3);
    assert_eq!(gone.iter().filter(|action| action.starts_with("TERM")).count(), 4);
    let mut fixed = World::with_workers_ready(World::new(Dialect::Uwsgi, 2));
    command(&mut fixed, MasterCommand::MoreWorkers, 1);
    assert_eq!(fixed.look(&both, 99), [] as [&str; 0]);
}

#[test]
fn a_reload_keeps_the_number_that_the_load_has_brought() {
    let mut world = cheaper();
    world.look(&[(1, true), (2, true)], 9);
    world.ready(3);
    world.did();
    world.signal(Hup);
    assert_eq!(world.did(), ["reread", "spawn 4#1", "spawn 5#2", "spawn 6#3"]);
    let three = [(1, false), (2, false), (3, false)];
    assert_eq!(world.look(&three, 0), [] as [&str; 0], "not during a reload");
}

#[test]
fn idle_workers_rest_until_somebody_connects() {
    let mut world = World::new(Dialect::Uwsgi, 2);
    world.plan.scaling.idle = Some(Duration::from_secs(3));
    let mut world = World::with_workers_ready(World::with(world.plan));
    let both = [(1, false), (2, false)];
    assert!(world.supervisor.watches_load());
    assert_eq!(world.look(&[(1, false), (2, true)], 0), [] as [&str; 0]);
    (0..3).for_each(|_| assert_eq!(world.look(&both, 0), [] as [&str; 0]));
    assert_eq!(
        world.look(&both, 0),
        ["inactive", "workers 2->0", "TERM 1", "TERM 2"]
    );
    assert!(!world.supervisor.awaits_connection(), "they are not gone yet");
    world.exited(1, 0);
    world.exited(2, 0);
    assert_eq!(
        world.did(),
        ["lost #1", "cheaped #1", "lost #2", "cheaped #2", "resting"]
    );
    assert!(world.supervisor.awaits_connection() && !world.supervisor.watches_load());
    world.tell(Input::Knock);
    assert_eq!(world.did(), ["workers 0->2", "spawn 3#1", "spawn 4#2"]);
    world.tell(Input::Knock);
    assert_eq!(world.did(), [] as [&str; 0]);
}

#[test]
fn a_server_may_end_itself_when_it_is_idle() {
    let mut world = World::new(Dialect::Uwsgi, 1);
    world.plan.scaling.idle = Some(Duration::from_secs(1));
    world.plan.scaling.die_on_idle = true;
    let mut world = World::with_workers_ready(World::with(world.plan));
    world.look(&[(1, false)], 0);
    world.look(&[(1, false)], 0);
    assert_eq!(world.look(&[(1, false)], 0), ["inactive", "close", "QUIT 1"]);
    world.exited(1, 0);
    assert_eq!(world.did(), ["exit 0"]);
}

#[test]
fn a_cheap_server_has_no_workers_before_the_first_connection() {
    let mut world = World::new(Dialect::Uwsgi, 0);
    world.plan.most = 2;
    world.plan.scaling.cheap = true;
    let mut world = World::with(world.plan);
    world.tell(Input::Start);
    assert_eq!(world.did(), ["serving", "resting"]);
    world.signal(Hup);
    assert_eq!(world.did(), ["reread", "commit"]);
    world.tell(Input::Knock);
    assert_eq!(world.did(), ["workers 0->2", "spawn 1#1", "spawn 2#2"]);
    world.ready(1);
    world.ready(2);
    world.tell(Input::Command(MasterCommand::GoCheap));
    assert_eq!(world.did(), ["going cheap", "workers 2->0", "TERM 1", "TERM 2"]);
    world.signal(Term);
    world.exited(1, 0);
    world.exited(2, 0);
    assert_eq!(
        world.did(),
        [
            "close",
            "lost #1",
            "cheaped #1",
            "lost #2",
            "cheaped #2",
            "exit 0"
        ]
    );
}
