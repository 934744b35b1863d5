//! `uwsgi.lock()` and its kin.

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use sys::SharedLock;

/// All locks of the server. The death of a process, or of a thread, releases what it holds.
#[pyclass(frozen, module = "penstock")]
pub(crate) struct Locks {
    locks: &'static [SharedLock],
}

impl Locks {
    pub(super) fn new(locks: &'static [SharedLock]) -> Locks {
        Locks { locks }
    }

    fn find(&self, number: usize) -> PyResult<&'static SharedLock> {
        self.locks.get(number).ok_or_else(|| {
            let last = self.locks.len() - 1;
            PyValueError::new_err(format!(
                "there is no lock {number}: they go from 0 to {last} (option locks)"
            ))
        })
    }
}

#[pymethods]
impl Locks {
    /// Waits for as long as another thread or process holds it.
    #[pyo3(signature = (number=0))]
    fn lock(&self, py: Python<'_>, number: usize) -> PyResult<()> {
        let lock = self.find(number)?;
        // Its guarded things are the application's: that a holder died is for uWSGI's applications no news either.
        py.detach(|| lock.lock()).map(drop).map_err(|error| {
            PyRuntimeError::new_err(format!("lock {number} is held by this very thread: {error}"))
        })
    }

    /// Releasing what this thread does not hold changes nothing.
    #[pyo3(signature = (number=0))]
    fn unlock(&self, number: usize) -> PyResult<()> {
        let _ = self.find(number)?.unlock();
        Ok(())
    }

    /// Whether anybody holds it, this thread included.
    #[pyo3(signature = (number=0))]
    fn is_locked(&self, number: usize) -> PyResult<bool> {
        let lock = self.find(number)?;
        if lock.try_lock()?.is_none() {
            return Ok(true);
        }
        lock.unlock()?;
        Ok(false)
    }
}
