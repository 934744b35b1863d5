//! Workers as processes: they are forked, given what they need, and reaped. Which and when is the `Supervisor`'s decision.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use rustix::process::{WaitOptions, wait};
use sys::{Fork, monotonic_ms};
use telemetry::ExitStatus;

use super::title::set_title;
use super::{Master, Process};
use crate::aides::AideInput;
use crate::bounds;
use crate::host::WorkerView;
use crate::seat::{ReadyPipe, WorkerSeat};
use crate::signals::ChildSignals;
use crate::supervisor::Input;

impl Master<'_> {
    pub(super) fn spawn(&mut self, age: u32, number: u32, generation: u32) {
        let mut view = WorkerView {
            pid: None,
            number,
            age,
        };
        self.hook(|host, master| host.pre_fork(master, view));
        let forked = match self.scoreboard.free_slot() {
            Some(slot) => self.fork(slot, view, generation).map(|pid| (slot, pid)),
            None => Err(io::Error::other("the scoreboard is full")),
        };
        match forked {
            Ok((slot, pid)) => {
                view.pid = Some(pid);
                self.statistics.spawned += 1;
                self.filled.insert((generation, number));
                self.processes.insert(
                    pid,
                    Process {
                        view,
                        slot,
                        row: self.scoreboard.worker(slot),
                        born_ms: monotonic_ms(),
                    },
                );
                self.inbox.push_front(Input::Spawned { age, pid });
            }
            Err(error) => {
                self.log
                    .error(format_args!("worker {number} cannot be started: {error}"));
                self.inbox.push_front(Input::SpawnFailed {
                    age,
                    reason: error.to_string(),
                });
            }
        }
    }

    /// Forks a worker; the child does not return from here.
    fn fork(&mut self, slot: usize, view: WorkerView, generation: u32) -> io::Result<u32> {
        let row = self.scoreboard.worker(slot);
        row.claim(0, generation, view.number);
        let past = self.scoreboard.past(view.number);
        self.note_spawn(view.number);
        // Held back across the fork: the child must not take the master's signals for its own, nor lose one.
        let blocked = sys::block_signals();
        match self.host.fork() {
            Ok(Fork::Parent(pid)) => {
                row.set_pid(pid);
                Ok(pid)
            }
            Ok(Fork::Child) => {
                let child_signals = self.enter_child(blocked);
                let suffix = self.name_suffix();
                let code = match self.seat(slot, view, generation, child_signals) {
                    Ok(seat) => {
                        set_title(&seat.share.settings, Some(seat.number), suffix);
                        bounds::apply(&seat.share.settings.worker_bounds, seat.number, &seat.share.log);
                        // A panic must not unwind into the master's own end.
                        catch_unwind(AssertUnwindSafe(|| self.host.run_worker(seat))).unwrap_or(1)
                    }
                    Err(error) => {
                        self.log
                            .error(format_args!("worker {} cannot be started: {error}", view.number));
                        1
                    }
                };
                self.host.leave(code)
            }
            Err(error) => {
                row.release();
                self.scoreboard.set_past(view.number, past);
                Err(error)
            }
        }
    }

    /// In the child: what the worker gets.
    fn seat(
        &mut self,
        slot: usize,
        view: WorkerView,
        generation: u32,
        signals: ChildSignals,
    ) -> io::Result<WorkerSeat> {
        let row = self.scoreboard.worker(slot);
        row.set_pid(std::process::id());
        let era = self.era_of(generation);
        let listeners = era.listeners.iter();
        let listeners = listeners.map(|listener| listener.for_worker(&era.settings));
        Ok(WorkerSeat {
            listeners: listeners.collect::<io::Result<_>>()?,
            share: self.share(generation)?,
            slot,
            number: view.number,
            age: view.age,
            replaces: self.filled.contains(&(generation, view.number)),
            ready: ReadyPipe {
                wake: Arc::clone(&self.wake_sender),
                row,
            },
            signals,
        })
    }

    /// Takes note of the workers that have ended. Children that are none of ours (as process 1 we get orphans) are
    /// reaped without a word.
    pub(super) fn reap(&mut self) {
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            let pid = pid.as_raw_nonzero().get().cast_unsigned();
            if self.successor == Some(pid) {
                self.successor = None;
                self.log
                    .info(format_args!("the new master (pid:{pid}) has ended"));
            }
            self.note_crash(pid, status.terminating_signal());
            let Some(process) = self.processes.remove(&pid) else {
                self.note_overdue_aide(pid, status.terminating_signal());
                self.aides_step(AideInput::Exited { pid });
                self.on_other_exit(pid);
                continue;
            };
            self.note_end(&process.row);
            process.row.release();
            let status = match status.exit_status() {
                Some(code) => ExitStatus::Code(code),
                None => ExitStatus::Signal(status.terminating_signal().unwrap_or_default()),
            };
            self.inbox.push_back(Input::Exited {
                age: process.view.age,
                status,
            });
            self.hook(|host, view| host.child_exit(view, process.view, status));
        }
    }
}
