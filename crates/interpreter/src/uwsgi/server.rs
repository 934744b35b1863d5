//! What an application may know of its server, and ask of it.

use config::Settings;
use master::{ReadyPipe, WorkerSeat};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use rustix::process::{Pid, Signal, kill_process};
use shared::{Scoreboard, WorkerRow, WorkerState};
use std::sync::Arc;
use telemetry::ErrorLog;

/// The server, as one of its processes sees it.
#[pyclass(frozen, module = "penstock")]
pub(crate) struct Server {
    settings: Arc<Settings>,
    scoreboard: Scoreboard,
    row: WorkerRow,
    ready: ReadyPipe,
    log: ErrorLog,
    number: u32,
    generation: u32,
    master: u32,
    started: u64,
}

impl Server {
    pub(super) fn new(seat: &WorkerSeat, started: u64) -> Server {
        Server {
            settings: Arc::clone(&seat.settings),
            scoreboard: seat.scoreboard,
            row: seat.scoreboard.worker(seat.slot),
            ready: seat.ready.clone(),
            log: seat.log.clone(),
            number: seat.number,
            generation: seat.generation,
            master: seat.ppid,
            started,
        }
    }

    fn rows(&self) -> impl Iterator<Item = WorkerRow> {
        let board = self.scoreboard;
        (0..board.slots())
            .map(move |slot| board.worker(slot))
            .filter(|row| row.state() != WorkerState::Free)
    }

    fn signal_master(&self, signal: Signal) -> PyResult<()> {
        if let Some(master) = Pid::from_raw(self.master.cast_signed()) {
            kill_process(master, signal).map_err(std::io::Error::from)?;
        }
        Ok(())
    }
}

#[pymethods]
impl Server {
    /// From 1.
    #[getter]
    fn worker_id(&self) -> u32 {
        self.number
    }

    #[getter]
    fn processes(&self) -> u32 {
        self.settings.workers
    }

    #[getter]
    fn threads(&self) -> u32 {
        self.settings.threads
    }

    #[getter]
    fn master_pid(&self) -> u32 {
        self.master
    }

    /// Seconds since 1970.
    #[getter]
    fn started(&self) -> u64 {
        self.started
    }

    #[getter]
    fn buffer_size(&self) -> usize {
        self.settings.limits.block
    }

    /// Whether the configuration has been read again since the start.
    #[getter]
    fn is_a_reload(&self) -> bool {
        self.generation > 1
    }

    /// Requests this process has finished.
    fn requests(&self) -> u64 {
        self.row.requests()
    }

    /// Requests that the living processes have finished.
    fn total_requests(&self) -> u64 {
        self.rows().map(|row| row.requests()).sum()
    }

    /// A dictionary for each worker: `pid`, `requests`, `status`, `generation`.
    fn workers<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let described = self.rows().map(|row| {
            let worker = PyDict::new(py);
            let is_busy = row.threads().any(|thread| thread.current().is_some());
            worker.set_item("pid", row.pid())?;
            worker.set_item("requests", row.requests())?;
            worker.set_item("status", if is_busy { "busy" } else { "idle" })?;
            worker.set_item("accepting", u8::from(row.state() == WorkerState::Ready))?;
            Ok(worker)
        });
        described.collect()
    }

    /// Has the master reload.
    fn reload(&self) -> PyResult<()> {
        self.signal_master(Signal::HUP)
    }

    /// Has the master stop, gracefully where TERM is not a reload.
    fn stop(&self) -> PyResult<()> {
        self.signal_master(match self.settings.term_reloads {
            true => Signal::INT,
            false => Signal::TERM,
        })
    }

    /// Has this worker replaced once its requests are finished.
    fn retire(&self) {
        self.ready.ask_to_retire();
    }

    /// A line in the log, as it is.
    fn log(&self, message: &str) {
        self.log.info(message);
    }

    /// The name of this process in the process list.
    #[staticmethod]
    fn set_process_name(name: &str) {
        sys::set_process_title(name);
    }
}
