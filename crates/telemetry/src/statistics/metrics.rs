//! The metrics that uWSGI has of itself, by its names.

use super::{Statistics, WorkerStatus};

/// One number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metric {
    /// `worker.1.requests`
    pub name: String,
    /// What kind of number it is.
    pub kind: Kind,
    /// The number.
    pub value: u64,
}

/// What kind of number a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
}

/// All metrics, those of threads only `with_cores`.
pub fn metrics(statistics: &Statistics, with_cores: bool) -> Vec<Metric> {
    let mut out = Vec::new();
    let mut push = |name: String, kind, value| out.push(Metric { name, kind, value });
    let workers = &statistics.workers;
    let sum = |of: fn(&super::WorkerStatistics) -> u64| workers.iter().map(of).sum::<u64>();
    let in_state = |status| workers.iter().filter(|worker| worker.status == status).count() as u64;
    let living = workers.iter().filter(|worker| worker.pid > 0).count().max(1) as u64;
    for (name, kind, value) in [
        ("busy_workers", Kind::Gauge, in_state(WorkerStatus::Busy)),
        ("idle_workers", Kind::Gauge, in_state(WorkerStatus::Idle)),
        ("total_tx", Kind::Counter, sum(|worker| worker.sent)),
        ("total_rss", Kind::Gauge, sum(|worker| worker.resident)),
        ("total_vsz", Kind::Gauge, sum(|worker| worker.address_space)),
        (
            "total_running_time",
            Kind::Counter,
            sum(|worker| worker.running_us),
        ),
        (
            "avg_response_time",
            Kind::Gauge,
            sum(|worker| worker.average_us) / living,
        ),
    ] {
        push(format!("core.{name}"), kind, value);
    }
    for worker in workers {
        let number = worker.number;
        for (name, kind, value) in [
            ("requests", Kind::Counter, worker.requests),
            ("delta_requests", Kind::Gauge, worker.requests_since_spawn),
            ("failed_requests", Kind::Counter, worker.exceptions),
            ("respawns", Kind::Counter, worker.spawns),
            ("avg_response_time", Kind::Gauge, worker.average_us),
            ("total_tx", Kind::Counter, worker.sent),
            ("rss_size", Kind::Gauge, worker.resident),
            ("vsz_size", Kind::Gauge, worker.address_space),
            ("running_time", Kind::Counter, worker.running_us),
        ] {
            push(format!("worker.{number}.{name}"), kind, value);
        }
        for (core, index) in worker.cores.iter().zip(0..).filter(|_| with_cores) {
            for (name, value) in [
                ("requests", core.requests),
                ("write_errors", core.write_errors),
                ("routed_requests", core.routed_requests),
                ("static_requests", core.static_requests),
                ("exceptions", core.exceptions),
                ("read_errors", core.read_errors),
            ] {
                push(
                    format!("worker.{number}.core.{index}.{name}"),
                    Kind::Counter,
                    value,
                );
            }
        }
    }
    for (socket, index) in statistics.sockets.iter().zip(0..) {
        push(
            format!("socket.{index}.listen_queue"),
            Kind::Gauge,
            socket.queue.into(),
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::{CoreStatistics, WorkerStatistics};
    use super::*;

    #[test]
    fn workers_threads_and_the_whole_have_their_names() {
        let worker = |number, sent| WorkerStatistics {
            number,
            pid: number,
            sent,
            status: WorkerStatus::Idle,
            cores: vec![CoreStatistics::default()],
            ..WorkerStatistics::default()
        };
        let statistics = Statistics {
            workers: vec![worker(1, 10), worker(2, 20)],
            ..Statistics::default()
        };
        let all = metrics(&statistics, true);
        let value = |name: &str| {
            all.iter()
                .find(|metric| metric.name == name)
                .map(|metric| metric.value)
        };
        assert_eq!(value("core.total_tx"), Some(30));
        assert_eq!(value("core.idle_workers"), Some(2));
        assert_eq!(value("worker.2.total_tx"), Some(20));
        assert_eq!(value("worker.2.core.0.requests"), Some(0));
        assert!(
            !metrics(&statistics, false)
                .iter()
                .any(|metric| metric.name.contains(".core."))
        );
    }
}
