//! The metrics that uWSGI has of itself, by its names, in its order, and those of the application's own behind them.

use super::{CoreStatistics, Statistics, WorkerStatistics, WorkerStatus};

/// One number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metric {
    /// `worker.1.requests`
    pub name: String,
    /// Its place in uWSGI's tree of numbers.
    pub oid: String,
    /// What kind of number it is.
    pub kind: Kind,
    /// The number.
    pub value: i64,
}

/// What kind of number a metric is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// It only grows.
    #[default]
    Counter,
    /// It goes up and down.
    Gauge,
    /// It is whatever it is set to.
    Absolute,
    /// Another metric, under another name.
    Alias,
}

use Kind::{Absolute, Alias, Counter, Gauge};

/// A number of a worker: name, last part of its oid, kind, value.
type OfWorker = (&'static str, u32, Kind, fn(&WorkerStatistics) -> u64);

/// The oids are uWSGI's own, which has 13 twice.
const OF_WORKER: [OfWorker; 9] = [
    ("requests", 1, Counter, |worker| worker.requests),
    ("delta_requests", 2, Absolute, |worker| {
        worker.requests_since_spawn
    }),
    ("failed_requests", 13, Counter, |worker| worker.exceptions),
    ("respawns", 14, Counter, |worker| worker.spawns),
    ("avg_response_time", 8, Gauge, |worker| worker.average_us),
    ("total_tx", 9, Counter, |worker| worker.sent),
    ("rss_size", 11, Gauge, |worker| worker.resident),
    ("vsz_size", 12, Gauge, |worker| worker.address_space),
    ("running_time", 13, Counter, |worker| worker.running_us),
];

/// A number of a thread: name, last part of its oid, value.
type OfCore = (&'static str, u32, fn(&CoreStatistics) -> u64);

const OF_CORE: [OfCore; 7] = [
    ("requests", 1, |core| core.requests),
    ("write_errors", 3, |core| core.write_errors),
    ("routed_requests", 4, |core| core.routed_requests),
    ("static_requests", 5, |core| core.static_requests),
    ("offloaded_requests", 6, |_| 0),
    ("exceptions", 7, |core| core.exceptions),
    ("read_errors", 8, |core| core.read_errors),
];

/// All metrics, those of threads only `with_cores`.
pub fn metrics(statistics: &Statistics, with_cores: bool) -> Vec<Metric> {
    let mut out = Vec::new();
    let mut push = |name: String, oid: String, kind, value: u64| {
        let value = i64::try_from(value).unwrap_or(i64::MAX);
        out.push(Metric {
            name,
            oid,
            kind,
            value,
        });
    };
    let workers = &statistics.workers;
    let sum = |of: fn(&WorkerStatistics) -> u64| workers.iter().map(of).sum::<u64>();
    let in_state = |status| workers.iter().filter(|worker| worker.status == status).count() as u64;
    let living = workers.iter().filter(|worker| worker.pid > 0).count().max(1) as u64;
    let (resident, address_space) = (sum(|worker| worker.resident), sum(|worker| worker.address_space));
    let mut core = |name: &str, number: u32, kind, value| {
        push(format!("core.{name}"), format!("5.{number}"), kind, value);
    };
    core("routed_signals", 1, Counter, sum(|worker| worker.signals));
    core("unrouted_signals", 2, Counter, 0);
    core("busy_workers", 3, Gauge, in_state(WorkerStatus::Busy));
    core("idle_workers", 4, Gauge, in_state(WorkerStatus::Idle));
    core("overloaded", 5, Counter, 0);
    for (name, number, kind, _) in OF_WORKER {
        // uWSGI's worker 0 has the requests of all, and nothing else.
        let value = if number == 1 {
            sum(|worker| worker.requests)
        } else {
            0
        };
        push(format!("worker.0.{name}"), format!("3.0.{number}"), kind, value);
    }
    for worker in workers {
        let id = worker.number;
        for (name, number, kind, of) in OF_WORKER {
            push(
                format!("worker.{id}.{name}"),
                format!("3.{id}.{number}"),
                kind,
                of(worker),
            );
        }
        for (index, core) in worker.cores.iter().enumerate().filter(|_| with_cores) {
            for (name, number, of) in OF_CORE {
                let oid = format!("3.{id}.2.{index}.{number}");
                push(format!("worker.{id}.core.{index}.{name}"), oid, Counter, of(core));
            }
        }
    }
    let average = sum(|worker| worker.average_us) / living;
    let mut core = |name: &str, number: u32, kind, value| {
        push(format!("core.{name}"), format!("5.{number}"), kind, value);
    };
    core("total_tx", 100, Counter, sum(|worker| worker.sent));
    core("total_rss", 101, Gauge, resident);
    core("total_vsz", 102, Gauge, address_space);
    core("avg_response_time", 103, Gauge, average);
    core(
        "total_running_time",
        104,
        Counter,
        sum(|worker| worker.running_us),
    );
    for (index, socket) in statistics.sockets.iter().enumerate() {
        let oid = format!("7.{index}.1");
        push(
            format!("socket.{index}.listen_queue"),
            oid,
            Gauge,
            socket.queue.into(),
        );
    }
    push("rss_size".to_owned(), "5.101".to_owned(), Alias, resident);
    push("vsz_size".to_owned(), "5.102".to_owned(), Alias, address_space);
    out.extend(statistics.extras.metrics.iter().cloned());
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
