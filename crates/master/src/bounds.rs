//! What the system holds a worker to (uWSGI's `cpu-affinity`, `limit-as`, `limit-nproc`): set in the worker, right after its fork,
//! so that everything in it inherits them.

use config::WorkerBounds;
use rustix::process::{Resource, Rlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use telemetry::ErrorLog;

/// Sets them for the worker at place `number`. What cannot be set is said; the worker serves all the same.
pub(crate) fn apply(bounds: &WorkerBounds, number: u32, log: &ErrorLog) {
    let limits = [
        (Resource::As, bounds.address_space, "limit-as"),
        (Resource::Nproc, bounds.processes, "limit-nproc"),
    ];
    for (resource, most, option) in limits {
        let Some(most) = most else { continue };
        let limit = Rlimit {
            current: Some(most),
            maximum: Some(most),
        };
        if let Err(error) = setrlimit(resource, limit) {
            log.error(format_args!("{option} cannot be set to {most}: {error}"));
        }
    }
    if let Some(count) = bounds.processors {
        tie(count, number, log);
    }
}

/// Ties the worker to its share of the processors that the master may use.
fn tie(count: u32, number: u32, log: &ErrorLog) {
    let tied = sched_getaffinity(None).and_then(|usable| {
        let chosen = share(&processors(&usable), count, number);
        let mut set = CpuSet::new();
        chosen.iter().for_each(|processor| set.set(*processor));
        sched_setaffinity(None, &set).map(|()| chosen)
    });
    match tied {
        Ok(chosen) => {
            let numbers: Vec<String> = chosen.iter().map(usize::to_string).collect();
            log.info(format_args!(
                "mapped worker {number} to CPUs: {}",
                numbers.join(" ")
            ));
        }
        Err(error) => log.error(format_args!(
            "worker {number} cannot be tied to processors (option cpu-affinity): {error}"
        )),
    }
}

fn processors(set: &CpuSet) -> Vec<usize> {
    (0..CpuSet::MAX_CPU)
        .filter(|processor| set.is_set(*processor))
        .collect()
}

/// So many of the usable processors, the first after those of the worker before; round and round.
fn share(usable: &[usize], count: u32, number: u32) -> Vec<usize> {
    let first = number.saturating_sub(1) as usize * count as usize;
    let round = usable.iter().cycle().skip(first % usable.len().max(1));
    let mut chosen: Vec<usize> = round.take((count as usize).min(usable.len())).copied().collect();
    chosen.sort_unstable();
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_share_the_processors_in_turn() {
        let table: [(&[usize], u32, u32, &[usize]); 7] = [
            (&[0, 1, 2, 3], 1, 1, &[0]),
            (&[0, 1, 2, 3], 1, 5, &[0]),
            (&[0, 1, 2, 3], 2, 2, &[2, 3]),
            (&[0, 1, 2], 2, 2, &[0, 2]),
            (&[2, 5], 1, 2, &[5]),
            (&[0, 1], 9, 2, &[0, 1]),
            (&[], 1, 1, &[]),
        ];
        for (usable, count, number, chosen) in table {
            assert_eq!(
                share(usable, count, number),
                chosen,
                "{usable:?} {count} {number}"
            );
        }
    }
}
