//! The server in numbers, as they are at this moment: from the scoreboard, the system, and what workers had counted before
//! they ended.

use std::os::fd::AsFd;
use std::sync::Arc;

use config::{Aide, TimedCommand, When};
use shared::{Tally, ThreadRow, WorkerState};
use sys::monotonic_ms;
use telemetry::statistics::{
    ApplicationStatistics, CoreStatistics, CronStatistics, CurrentRequest, DaemonStatistics, Extras,
    SocketStatistics, SpoolerStatistics, Statistics, WorkerStatistics, WorkerStatus,
};

use super::statistics::epoch;
use super::{Era, Master, Process};
use crate::listener::Listener;

impl Master<'_> {
    /// All of them.
    pub(super) fn numbers(&self) -> Statistics {
        let directory = std::env::current_dir().unwrap_or_default();
        let mut statistics = Statistics {
            pid: self.pid,
            uid: rustix::process::getuid().as_raw(),
            gid: rustix::process::getgid().as_raw(),
            directory: directory.to_string_lossy().into_owned(),
            sockets: (self.era.listeners.iter())
                .map(|listener| of_socket(listener, self.scoreboard.waiting()))
                .collect(),
            workers: (1..=self.highest_number())
                .map(|number| self.worker(number))
                .collect(),
            extras: self.extras(),
        };
        self.host.describe(&mut statistics);
        statistics
    }

    /// What the master itself knows of it; the host adds the rest.
    fn extras(&self) -> Extras {
        let settings = &self.era.settings;
        let daemons = settings.supervision.daemons.iter().enumerate();
        let aides = settings.commons.aides();
        let spoolers = aides.iter().enumerate().filter_map(|(index, aide)| {
            let Aide::Spooler { directory, .. } = aide else {
                return None;
            };
            let (pid, respawns) = self.aides.process(index);
            Some(SpoolerStatistics {
                directory: directory.display().to_string(),
                pid: pid.unwrap_or(0),
                respawns,
                ..SpoolerStatistics::default()
            })
        });
        Extras {
            shows_metrics: settings.statistics.with_metrics,
            daemons: daemons
                .map(|(index, daemon)| {
                    let (pid, respawns) = self.beside.daemons.process(index);
                    DaemonStatistics {
                        command: daemon.command.clone(),
                        pid: pid.unwrap_or(0),
                        respawns,
                    }
                })
                .collect(),
            spoolers: spoolers.collect(),
            crons: settings
                .supervision
                .timetable
                .iter()
                .map(|timed| self.cron(timed))
                .collect(),
            ..Extras::default()
        }
    }

    fn cron(&self, timed: &TimedCommand) -> CronStatistics {
        let running = self.beside.running(&timed.command);
        CronStatistics {
            when: timed.when.map(|when| match when {
                When::Any => -1,
                When::At(number) => i64::from(number),
                When::Every(number) => -i64::from(number),
            }),
            command: timed.command.clone(),
            is_unique: timed.unique,
            pid: running.map(|(pid, _)| pid),
            started: running.map_or(0, |(_, age_ms)| epoch().saturating_sub(age_ms / 1000)),
        }
    }

    /// Workers that are configured, and those beyond that are there (TTIN).
    fn highest_number(&self) -> u32 {
        let there = self.processes.values().map(|process| process.view.number);
        there.max().unwrap_or(0).max(self.era.settings.workers)
    }

    fn worker(&self, number: u32) -> WorkerStatistics {
        let past = self.scoreboard.past(number);
        // During a reload there may be two under one number: the newer one is meant.
        let processes = self
            .processes
            .values()
            .filter(|process| process.view.number == number);
        let resting = WorkerStatistics {
            number,
            requests: past.requests,
            exceptions: past.exceptions,
            harakiri: past.harakiri,
            running_us: past.running_us,
            last_spawn: past.last_spawn,
            spawns: past.spawns,
            sent: past.sent,
            ..WorkerStatistics::default()
        };
        match processes.max_by_key(|process| process.view.age) {
            Some(process) => with_process(resting, process, &self.era),
            None => resting,
        }
    }
}

/// Adds what the process that is there has done.
fn with_process(mut worker: WorkerStatistics, process: &Process, era: &Era) -> WorkerStatistics {
    let row = &process.row;
    let used = process.view.pid.and_then(sys::process_memory).unwrap_or_default();
    worker.cores = row
        .threads()
        .take(era.settings.threads as usize)
        .map(|thread| of_core(&thread))
        .collect();
    let exceptions = row.exceptions();
    worker.pid = process.view.pid.unwrap_or_default();
    worker.requests_since_spawn = row.requests();
    worker.requests += worker.requests_since_spawn;
    worker.exceptions += exceptions;
    worker.running_us += row.running_us();
    worker.sent += row.sent();
    worker.average_us = row.average_us();
    (worker.resident, worker.address_space) = (used.resident, used.address_space);
    worker.accepting = matches!(row.state(), WorkerState::Ready | WorkerState::WantsRetirement);
    let busy = worker.cores.iter().any(|core| core.request.is_some());
    worker.status = if busy {
        WorkerStatus::Busy
    } else {
        WorkerStatus::Idle
    };
    let loaded = era.settings.application.is_some() && row.state() != WorkerState::Booting;
    worker.application = loaded.then(|| ApplicationStatistics {
        mount: era.settings.script_name.clone(),
        startup_seconds: row.boot_ms() / 1000,
        requests: row.application_requests(),
        exceptions,
    });
    worker
}

fn of_core(row: &ThreadRow) -> CoreStatistics {
    let request = row.current().map(|current| CurrentRequest {
        line: current.request,
        client: current.client,
        started: epoch().saturating_sub(monotonic_ms().saturating_sub(current.started_ms) / 1000),
    });
    CoreStatistics {
        requests: row.requests(),
        static_requests: row.tally(Tally::Static),
        routed_requests: row.tally(Tally::Routed),
        exceptions: row.tally(Tally::Exceptions),
        write_errors: row.tally(Tally::WriteErrors),
        read_errors: row.tally(Tally::ReadErrors),
        request,
    }
}

fn of_socket(listener: &Arc<Listener>, waiting: u32) -> SocketStatistics {
    let (queue, queue_limit) = sys::accept_queue(listener.socket.as_fd()).unwrap_or_default();
    let name = listener
        .text
        .split_once("://")
        .map_or(listener.text.as_str(), |(_, rest)| rest);
    SocketStatistics {
        name: name.strip_prefix("unix:").unwrap_or(name).to_owned(),
        protocol: listener.bind.wire.name(),
        queue: queue.saturating_add(waiting),
        queue_limit,
    }
}
