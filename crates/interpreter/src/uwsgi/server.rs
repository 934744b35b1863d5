//! What an application may know of its server, and ask of it.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use config::{Aide, Settings};
use master::{AideSeat, ReadyPipe, Share, WorkerSeat};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};
use rustix::process::{Pid, Signal, kill_process};
use shared::{Scoreboard, WorkerRow, WorkerState};
use telemetry::ErrorLog;

/// The server, as one of its processes sees it.
#[pyclass(frozen, module = "penstock")]
pub(crate) struct Server {
    place: Place,
    started: u64,
}

/// Where in the server a process is.
pub(crate) struct Place {
    pub(super) settings: Arc<Settings>,
    scoreboard: Scoreboard,
    /// A worker's number, row and voice.
    worker: Option<(u32, WorkerRow, ReadyPipe)>,
    aide: Option<Aide>,
    /// Descriptors of its own for the listening sockets.
    sockets: Vec<OwnedFd>,
    pub(super) log: ErrorLog,
    pub(super) generation: u32,
    master: u32,
}

impl Place {
    /// A worker's.
    pub(crate) fn of(seat: &WorkerSeat) -> Place {
        let row = seat.share.scoreboard.worker(seat.slot);
        let listeners = seat.listeners.iter();
        Place {
            worker: Some((seat.number, row, seat.ready.clone())),
            // One that the process has no room for is as good as one without a number.
            sockets: listeners
                .filter_map(|listener| listener.socket.try_clone().ok())
                .collect(),
            ..Place::anywhere(&seat.share)
        }
    }

    /// That of a process beside the workers.
    pub(crate) fn beside(seat: &AideSeat) -> Place {
        Place {
            aide: Some(seat.aide.clone()),
            ..Place::anywhere(&seat.share)
        }
    }

    fn anywhere(share: &Share) -> Place {
        Place {
            settings: Arc::clone(&share.settings),
            scoreboard: share.scoreboard,
            worker: None,
            aide: None,
            sockets: Vec::new(),
            log: share.log.clone(),
            generation: share.generation,
            master: share.ppid,
        }
    }

    /// A worker's row.
    pub(super) fn row(&self) -> Option<WorkerRow> {
        self.worker.as_ref().map(|(_, row, _)| *row)
    }
}

impl Server {
    pub(super) fn new(place: Place, started: u64) -> Server {
        Server { place, started }
    }

    /// Those of the configured workers, whether or not there is a process.
    fn numbers(&self) -> impl Iterator<Item = u32> {
        1..=self.place.settings.workers
    }

    fn requests_of(&self, number: u32) -> u64 {
        let board = self.place.scoreboard;
        let now = board.holder(number).map_or(0, |row| row.requests());
        board.past(number).requests + now
    }

    fn worker<'py>(&self, py: Python<'py>, number: u32) -> PyResult<Bound<'py, PyDict>> {
        let board = self.place.scoreboard;
        let (past, row) = (board.past(number), board.holder(number));
        let of = |value: fn(&WorkerRow) -> u64| row.as_ref().map_or(0, value);
        let is_busy = |row: WorkerRow| row.threads().any(|thread| thread.current().is_some());
        let status = match row.map(is_busy) {
            None => "cheap",
            Some(true) => "busy",
            Some(false) => "idle",
        };
        let worker = PyDict::new(py);
        worker.set_item("id", number)?;
        worker.set_item("pid", of(|row| row.pid().into()))?;
        worker.set_item("requests", self.requests_of(number))?;
        worker.set_item("delta_requests", of(WorkerRow::requests))?;
        worker.set_item("exceptions", past.exceptions + of(WorkerRow::exceptions))?;
        worker.set_item("status", PyBytes::new(py, status.as_bytes()))?;
        worker.set_item("running_time", past.running_us + of(WorkerRow::running_us))?;
        worker.set_item("last_spawn", past.last_spawn)?;
        // uWSGI does not count the first one here, other than in its statistics.
        worker.set_item("respawn_count", past.spawns.saturating_sub(1))?;
        worker.set_item("tx", past.sent + of(WorkerRow::sent))?;
        worker.set_item("avg_rt", of(WorkerRow::average_us))?;
        let loaded = row.filter(|row| row.state() != WorkerState::Booting);
        let apps = loaded.map(|row| self.app(py, &row)).transpose()?;
        worker.set_item("apps", PyTuple::new(py, apps)?)?;
        Ok(worker)
    }

    fn app<'py>(&self, py: Python<'py>, row: &WorkerRow) -> PyResult<Bound<'py, PyDict>> {
        let settings = &self.place.settings;
        let app = PyDict::new(py);
        app.set_item("id", 0)?;
        app.set_item("modifier1", 0)?;
        app.set_item("mountpoint", settings.script_name.as_bytes())?;
        app.set_item("startup_time", row.boot_ms() / 1000)?;
        // Addresses in its memory, which say nothing here.
        app.set_item("interpreter", 0)?;
        app.set_item("callable", 0)?;
        app.set_item("requests", row.application_requests())?;
        app.set_item("exceptions", row.exceptions())?;
        app.set_item("chdir", PyBytes::new(py, b""))?;
        Ok(app)
    }

    fn signal_master(&self, signal: Signal) -> PyResult<()> {
        if let Some(master) = Pid::from_raw(self.place.master.cast_signed()) {
            kill_process(master, signal).map_err(std::io::Error::from)?;
        }
        Ok(())
    }
}

#[pymethods]
impl Server {
    /// From 1; 0 in a process that is no worker.
    #[getter]
    fn worker_id(&self) -> u32 {
        self.place.worker.as_ref().map_or(0, |(number, ..)| *number)
    }

    /// From 1; 0 in a process that is no mule.
    #[getter]
    fn mule_id(&self) -> u32 {
        match &self.place.aide {
            Some(Aide::Mule { number, .. }) => *number,
            _ => 0,
        }
    }

    #[getter]
    fn is_spooler(&self) -> bool {
        matches!(self.place.aide, Some(Aide::Spooler { .. }))
    }

    #[getter]
    fn processes(&self) -> u32 {
        self.place.settings.workers
    }

    #[getter]
    fn threads(&self) -> u32 {
        self.place.settings.threads
    }

    #[getter]
    fn master_pid(&self) -> u32 {
        self.place.master
    }

    /// Seconds since 1970.
    #[getter]
    fn started(&self) -> u64 {
        self.started
    }

    /// Where the master's process id is written, if that was asked for.
    #[getter]
    fn pidfile(&self) -> Option<&Path> {
        self.place.settings.pidfile.as_deref()
    }

    #[getter]
    fn buffer_size(&self) -> usize {
        self.place.settings.limits.block
    }

    /// Whether the configuration has been read again since the start.
    #[getter]
    fn is_a_reload(&self) -> bool {
        self.place.generation > 1
    }

    /// Requests this process has finished.
    fn requests(&self) -> u64 {
        let worker = self.place.worker.as_ref();
        worker.map_or(0, |(_, row, _)| row.requests())
    }

    /// Requests that all workers have finished, those before the living ones included.
    fn total_requests(&self) -> u64 {
        self.numbers().map(|number| self.requests_of(number)).sum()
    }

    /// A dictionary for each worker, by number, with uWSGI's keys as far as the scoreboard knows them.
    fn workers<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        self.numbers().map(|number| self.worker(py, number)).collect()
    }

    /// The numbers of the listening sockets.
    #[getter]
    fn sockets(&self) -> Vec<i32> {
        self.place.sockets.iter().map(AsRawFd::as_raw_fd).collect()
    }

    /// Connections that wait at a listening socket to be accepted, which the system does not count for unix sockets, and requests
    /// that wait in the workers for a thread.
    #[pyo3(signature = (socket=0))]
    fn listen_queue(&self, socket: usize) -> PyResult<u32> {
        let found = self.place.sockets.get(socket).ok_or_else(|| {
            PyValueError::new_err(format!(
                "this process has no socket {socket}: there are {}",
                self.place.sockets.len()
            ))
        })?;
        let outside = sys::accept_queue(found.as_fd()).map_or(0, |(waiting, _)| waiting);
        Ok(outside.saturating_add(self.place.scoreboard.waiting()))
    }

    /// Has the master reload.
    fn reload(&self) -> PyResult<()> {
        self.signal_master(Signal::HUP)
    }

    /// Has the master stop, gracefully where TERM is not a reload.
    fn stop(&self) -> PyResult<()> {
        self.signal_master(match self.place.settings.term_reloads {
            true => Signal::INT,
            false => Signal::TERM,
        })
    }

    /// Has this worker replaced once its requests are finished.
    fn retire(&self) {
        if let Some((_, _, ready)) = &self.place.worker {
            ready.ask_to_retire();
        }
    }

    /// A line in the log, as it is.
    fn log(&self, message: &str) {
        self.place.log.info(message);
    }

    /// Raises an alarm of the configuration; the master tells it.
    #[staticmethod]
    fn alarm(name: &str, text: &[u8]) {
        telemetry::alarms::raise(name, text);
    }

    /// The name of this process in the process list.
    #[staticmethod]
    fn set_process_name(name: &str) {
        sys::set_process_title(name);
    }
}
