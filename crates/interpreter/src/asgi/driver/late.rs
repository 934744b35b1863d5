//! Requests that take too long: their tasks are cancelled, and the step that blocks the loop is interrupted.

use std::time::Duration;

use pyo3::prelude::*;
use shared::{Pauses, RequestInProgress};
use telemetry::{Event, LateRequest};

use super::Driver;
use crate::asgi::held::Held;
use crate::asgi::pulse::Interruption;

/// How long requests may take.
pub(in crate::asgi) struct SoftDeadline {
    patience: Duration,
    /// Times in which they did not grow older.
    pauses: Pauses,
}

impl SoftDeadline {
    /// Whether a request that began so long ago has taken too long.
    pub(in crate::asgi) fn is_over(&self, age: Duration) -> bool {
        let age_ms = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        let lost_ms = self.pauses.since(sys::monotonic_ms().saturating_sub(age_ms));
        age >= self.patience + Duration::from_millis(lost_ms)
    }
}

impl Driver {
    pub(in crate::asgi) fn soft_deadline(&self) -> Option<SoftDeadline> {
        Some(SoftDeadline {
            patience: self.settings.timeouts.soft_deadline?,
            pauses: self.pulse.pauses(),
        })
    }

    pub(in crate::asgi) fn tell_interrupted(&self, late: RequestInProgress) {
        self.log.event(&Event::RequestInterrupted(LateRequest {
            pid: std::process::id(),
            number: self.number,
            thread: 0,
            request: late.request,
            client: late.client,
            age: Duration::from_millis(sys::monotonic_ms().saturating_sub(late.started_ms)),
        }));
    }

    /// Cancels the tasks of requests that take too long; WebSockets last as long as they like.
    pub(super) fn interrupt_the_late(&self, py: Python<'_>, deadline: &SoftDeadline) -> PyResult<()> {
        for held in self.all_held(py) {
            let Held::Http(request) = &held else { continue };
            if let Some(late) = request.get().interrupt(py, deadline)? {
                self.tell_interrupted(late);
            }
        }
        Ok(())
    }

    /// How a step that blocks the loop is interrupted, where there is a deadline for requests. To be called on the main
    /// thread, which is the loop's and where Python's signal handlers run.
    pub(super) fn interruption(
        slf: &Bound<'_, Self>,
        helpers: &Bound<'_, PyModule>,
    ) -> PyResult<Option<Interruption>> {
        let (py, driver) = (slf.py(), slf.clone().unbind());
        if slf.get().soft_deadline().is_none() {
            return Ok(None);
        }
        let module = py.import("penstock._deadline")?;
        module.call_method1("prepare_main_thread", (helpers.getattr("blocks_too_long")?,))?;
        let is_late = move |py: Python<'_>| {
            let Some(deadline) = driver.get().soft_deadline() else {
                return false;
            };
            let held = driver.get().all_held(py);
            held.iter().any(
                |held| matches!(held, Held::Http(request) if request.get().is_to_be_interrupted(&deadline)),
            )
        };
        Ok(Some(Interruption {
            signal: module.getattr("SIGNAL")?.extract()?,
            is_late: Box::new(is_late),
        }))
    }
}
