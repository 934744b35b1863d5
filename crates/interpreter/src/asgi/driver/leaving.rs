//! The end of a worker: what it waits for, what it says meanwhile, and when it has left.

use std::sync::atomic::Ordering;

use pyo3::prelude::*;
use worker::Departure;

use super::{Driver, LINGER, lock};

impl Driver {
    /// How the worker has left; `None` while it serves.
    pub(in crate::asgi) fn departure(&self) -> Option<Departure> {
        *lock(&self.departure)
    }

    /// Why the worker is leaving, if it is.
    pub(in crate::asgi) fn leaving(&self) -> Option<Departure> {
        lock(&self.driven).leaving()
    }

    /// Whether an exception is only the end of a task that was cancelled because the worker leaves.
    pub(in crate::asgi) fn ends_with_worker(&self, py: Python<'_>, error: &PyErr) -> bool {
        self.departure().is_some()
            && py
                .import("asyncio")
                .and_then(|asyncio| asyncio.getattr("CancelledError"))
                .is_ok_and(|cancelled| error.matches(py, cancelled).unwrap_or(false))
    }

    /// A worker that has answered everything still waits for tasks that go on, as long as it may take to leave.
    pub(super) fn with_tasks(&self, departure: Option<Departure>) -> Option<Departure> {
        match departure {
            Some(Departure::Quick) | None => departure,
            Some(departure) => {
                let is_done = self.running.load(Ordering::Relaxed) == 0 || lock(&self.driven).is_overdue();
                is_done.then_some(departure)
            }
        }
    }

    pub(super) fn call_linger(&self, py: Python<'_>) -> PyResult<()> {
        let side = self.side()?;
        let linger = (LINGER.as_secs_f64(), &side.linger);
        side.event_loop
            .bind(py)
            .call_method1("call_later", linger)
            .map(drop)
    }

    /// The worker has left: whoever waits for that goes on.
    pub(super) fn depart(&self, py: Python<'_>, departure: Departure) -> PyResult<()> {
        if lock(&self.departure).replace(departure).is_some() {
            return Ok(());
        }
        let side = self.side()?;
        let descriptor = {
            let mut driven = lock(&self.driven);
            driven.ending();
            driven.descriptor()
        };
        side.event_loop
            .bind(py)
            .call_method1("remove_reader", (descriptor,))?;
        side.departed.bind(py).call_method1("set_result", (py.None(),))?;
        Ok(())
    }
}
