//! What the master sees when it looks around: what workers have written in their rows, requests that are overdue, memory,
//! touched files. It decides nothing: what is seen goes to the inbox.

use std::os::fd::AsFd;

use config::MasterCommand;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use shared::WorkerState;
use sys::monotonic_ms;

use super::{CHECK_INTERVAL_MS, Master, Process};
use crate::cheaper::{Load, WorkerLoad};
use crate::memory;
use crate::supervisor::{Input, OverdueRequest};

impl Master<'_> {
    /// What workers have said in their rows.
    pub(super) fn read_rows(&mut self) {
        while matches!(rustix::io::read(&self.wake, &mut [0_u8; 256]), Ok(256)) {}
        for process in self.processes.values() {
            let age = process.view.age;
            let state = process.row.state();
            if state != WorkerState::Booting {
                let boot_ms = monotonic_ms().saturating_sub(process.born_ms);
                process.row.note_boot(boot_ms);
            }
            self.has_served |= !matches!(state, WorkerState::Free | WorkerState::Booting);
            match state {
                WorkerState::Ready => self.inbox.push_back(Input::Ready { age }),
                WorkerState::WantsRetirement => {
                    self.inbox.push_back(Input::Ready { age });
                    self.inbox.push_back(Input::WantsRetirement { age });
                }
                WorkerState::Retiring => self.inbox.push_back(Input::Ending { age }),
                WorkerState::Free | WorkerState::Booting => {}
            }
        }
    }

    /// A vassal does not outlive its emperor.
    fn look_for_emperor(&mut self) {
        let parent = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get().cast_unsigned());
        if self
            .inheritance
            .emperor
            .is_some_and(|emperor| parent != Some(emperor))
        {
            self.inheritance.emperor = None;
            self.log.error("lost connection with my emperor !!!");
            self.inbox.push_back(Input::Command(MasterCommand::StopNow));
        }
    }

    /// Whether there is a deadline for requests, or for the answer of an interpreter.
    pub(super) fn measures_requests(&self) -> bool {
        let timeouts = &self.era.settings.timeouts;
        timeouts.request_deadline.is_some() || timeouts.interpreter.is_some()
    }

    pub(super) fn watches_memory(&self) -> bool {
        let limits = &self.era.settings.worker_limits;
        !self.processes.is_empty() && (limits.graceful.is_limited() || limits.brutal.is_limited())
    }

    pub(super) fn tell_number_of_workers(&mut self) {
        if let Some(statsd) = self.log.statsd()
            && self.told_workers != self.processes.len()
        {
            self.told_workers = self.processes.len();
            statsd.workers(self.told_workers);
        }
    }

    /// How many connections wait at each socket. Unix sockets do not tell.
    fn queues(&self) -> impl Iterator<Item = u32> {
        let lengths = self
            .era
            .listeners
            .iter()
            .map(|listener| sys::accept_queue(listener.socket.as_fd()));
        lengths.flatten().map(|(length, _limit)| length)
    }

    /// How many wait at the socket where most do, and in the workers for a thread: the servers that those who ask come from
    /// would have left these at the socket, too.
    fn longest_queue(&self) -> u32 {
        let longest = self.queues().max().unwrap_or(0);
        longest.saturating_add(self.scoreboard.waiting())
    }

    /// Tells StatsD how many connections wait.
    fn tell_backlog(&self) {
        if let Some(outside) = self.queues().reduce(u32::saturating_add) {
            let waiting = outside.saturating_add(self.scoreboard.waiting());
            self.log.debug(format_args!("socket backlog: {waiting}"));
            if let Some(statsd) = self.log.statsd() {
                statsd.backlog(waiting);
            }
        }
    }

    /// What nobody tells of is looked at, once a second at the most (more often only where systemd's watchdog is in a hurry).
    pub(super) fn check_once_a_second(&mut self) {
        let now_ms = monotonic_ms();
        if now_ms < self.next_check_ms {
            return;
        }
        let interval_ms = self.notifier.beat_ms.unwrap_or(CHECK_INTERVAL_MS);
        self.next_check_ms = now_ms + interval_ms.min(CHECK_INTERVAL_MS);
        self.notifier.try_again();
        if self.notifier.beat_ms.is_some() {
            self.notifier.alive();
        }
        self.take_over();
        self.look_for_emperor();
        self.host.attend(self.era.generation);
        self.rotate_logs();
        if self.era.settings.logs.backlog_metric {
            self.tell_backlog();
        }
        self.inbox
            .extend(self.touch.touched().into_iter().map(Input::Touched));
        self.look_beside();
        self.look_at_queues();
        if self.watches_memory() {
            let measured = self.processes.iter().filter_map(|(pid, process)| {
                let (age, used) = (process.view.age, memory::of(*pid)?);
                Some(Input::Memory { age, used })
            });
            self.inbox.extend(measured);
        }
        if self.supervisor.watches_load() {
            let load = self.load();
            self.inbox.push_back(Input::Load(load));
        }
        self.look_for_overdue_requests(now_ms);
    }

    /// Which threads have been in one request for longer than it may take.
    fn look_for_overdue_requests(&mut self, now_ms: u64) {
        let deadline = self.era.settings.timeouts.request_deadline;
        let deadline_ms = deadline.map(|limit| u64::try_from(limit.as_millis()).unwrap_or(u64::MAX));
        let queue = self.longest_queue();
        let verbose = self.era.settings.harakiri.verbose;
        for process in self.processes.values() {
            let age = process.view.age;
            let overdue = process.row.threads().zip(0_u32..).find_map(|(row, thread)| {
                // A request does not grow older while everything stands still.
                let stood_still_ms = |started_ms| self.pauses.since(started_ms);
                let (late, elapsed_ms) = row.overdue(now_ms, stood_still_ms, deadline_ms)?;
                let (request, client) = (late.request, late.client);
                Some(OverdueRequest {
                    age,
                    thread,
                    request,
                    client,
                    elapsed_ms,
                    queue,
                    kernel: match process.view.pid {
                        Some(pid) if verbose => kernel_waits(pid),
                        _ => Vec::new(),
                    },
                })
            });
            let overdue = overdue.or_else(|| self.without_answer(process, now_ms));
            self.inbox.extend(overdue.map(Input::Overdue));
        }
    }

    /// A worker whose interpreter has not answered in time, and what it is in.
    fn without_answer(&self, process: &Process, now_ms: u64) -> Option<OverdueRequest> {
        let limit = self.era.settings.timeouts.interpreter?;
        let answered_ms = process.row.answered_ms()?;
        let ran_until_ms = now_ms.saturating_sub(self.pauses.since(answered_ms));
        let elapsed_ms = ran_until_ms.saturating_sub(answered_ms);
        if u128::from(elapsed_ms) <= limit.as_millis() {
            return None;
        }
        let current = process.row.threads().find_map(|row| row.current());
        let (request, client) = current.map_or_else(
            || ("no request".to_owned(), "nobody".to_owned()),
            |current| (current.request, current.client),
        );
        Some(OverdueRequest {
            age: process.view.age,
            thread: 0,
            request,
            client,
            elapsed_ms,
            queue: 0,
            kernel: Vec::new(),
        })
    }

    /// What the workers of the configuration in force have to do.
    fn load(&self) -> Load {
        let processes = self
            .processes
            .values()
            .filter(|process| process.row.generation() == self.era.generation);
        let workers = processes.map(|process| WorkerLoad {
            age: process.view.age,
            number: process.view.number,
            is_busy: process.row.threads().any(|thread| thread.current().is_some()),
            running_us: process.row.running_us(),
            resident: process
                .view
                .pid
                .and_then(memory::of)
                .map_or(0, |used| used.resident),
        });
        let served = self.processes.values().map(|process| process.row.requests());
        Load {
            workers: workers.collect(),
            queue: self.longest_queue(),
            requests: served.sum(),
        }
    }

    /// Whether somebody connects to a server that has no workers.
    pub(super) fn hear_knock(&mut self) {
        if !self.supervisor.awaits_connection() {
            return;
        }
        let mut sockets: Vec<PollFd<'_>> = self
            .era
            .listeners
            .iter()
            .map(|listener| PollFd::new(&listener.socket, PollFlags::IN))
            .collect();
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        if matches!(poll(&mut sockets, Some(&now)), Ok(ready) if ready > 0) {
            self.inbox.push_back(Input::Knock);
        }
    }
}

/// Which system call a process is in, with its arguments, and where in the kernel that waits, as far as the system tells.
fn kernel_waits(pid: u32) -> Vec<(&'static str, String)> {
    let read = |name: &'static str| {
        let text = std::fs::read_to_string(format!("/proc/{pid}/{name}")).ok()?;
        Some((name, text.trim().to_owned())).filter(|(_, text)| !text.is_empty())
    };
    ["syscall", "wchan"].into_iter().filter_map(read).collect()
}
