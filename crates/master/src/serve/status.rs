//! What the master tells the log when a signal asks how its workers are.

use sys::monotonic_ms;

use super::Master;
use crate::host::WorkerView;

impl Master<'_> {
    pub(super) fn log_statistics(&self) {
        self.log
            .info(format_args!("*** {} workers ***", self.processes.len()));
        for process in self.processes.values() {
            let WorkerView { pid, number, .. } = process.view;
            let (pid, requests) = (pid.unwrap_or_default(), process.row.requests());
            self.log
                .info(format_args!("worker {number} (pid: {pid}) requests: {requests}"));
        }
    }

    pub(super) fn log_status(&self) {
        for process in self.processes.values() {
            let WorkerView { pid, number, .. } = process.view;
            let (pid, state) = (pid.unwrap_or_default(), process.row.state());
            self.log.info(format_args!(
                "worker {number} (pid: {pid}, slot: {}) is {state:?}",
                process.slot
            ));
            for (row, thread) in process.row.threads().zip(0..) {
                if let Some(current) = row.current() {
                    let seconds = monotonic_ms().saturating_sub(current.started_ms) / 1000;
                    let (request, client) = (current.request, current.client);
                    self.log.info(format_args!(
                        "[core {thread}] {client} - {request} since {seconds} seconds"
                    ));
                }
            }
        }
    }
}
