//! `uwsgi.lock()` and its kin.
//!
//! Who holds a lock is noted beside it for whoever looks at the statistics: it decides nothing.

use std::io;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use rustix::process::{Pid, test_kill_process};
use sys::SharedLock;

/// All locks of the server. The death of a process, or of a thread, releases what it holds.
#[pyclass(frozen, module = "penstock")]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Locks {
    locks: &'static [SharedLock],
    /// The thread that holds each: its process in the upper half, its number in the lower; 0 is nobody.
    holders: &'static [AtomicU64],
}

/// The thread that calls.
fn me() -> u64 {
    let thread = rustix::thread::gettid().as_raw_nonzero().get();
    u64::from(std::process::id()) << 32 | u64::from(thread.cast_unsigned())
}

impl Locks {
    /// As many as are wanted, that this process and its later forks share.
    pub(super) fn create(count: usize) -> io::Result<Locks> {
        Ok(Locks {
            locks: sys::shared_locks(count)?,
            holders: sys::shared_words(count)?,
        })
    }

    pub(super) fn count(&self) -> usize {
        self.locks.len()
    }

    /// The process that holds each of them, 0 where nobody does. One that died has released what it held.
    pub(super) fn holders(&self) -> impl Iterator<Item = u32> {
        self.holders.iter().map(|word| {
            let pid = (word.load(Relaxed) >> 32) as u32;
            let process = Pid::from_raw(pid.cast_signed());
            if process.is_some_and(|process| test_kill_process(process).is_ok()) {
                pid
            } else {
                0
            }
        })
    }

    fn find(&self, number: usize) -> PyResult<(&'static SharedLock, &'static AtomicU64)> {
        let found = self.locks.get(number).zip(self.holders.get(number));
        found.ok_or_else(|| {
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
        let (lock, holder) = self.find(number)?;
        // Its guarded things are the application's: that a holder died is for uWSGI's applications no news either.
        py.detach(|| lock.lock()).map_err(|error| {
            PyRuntimeError::new_err(format!("lock {number} is held by this very thread: {error}"))
        })?;
        holder.store(me(), Relaxed);
        Ok(())
    }

    /// Releasing what this thread does not hold changes nothing.
    #[pyo3(signature = (number=0))]
    fn unlock(&self, number: usize) -> PyResult<()> {
        let (lock, holder) = self.find(number)?;
        // Before it is released: the next one writes its own.
        let _ = holder.compare_exchange(me(), 0, Relaxed, Relaxed);
        let _ = lock.unlock();
        Ok(())
    }

    /// Whether anybody holds it, this thread included.
    #[pyo3(signature = (number=0))]
    fn is_locked(&self, number: usize) -> PyResult<bool> {
        let (lock, _) = self.find(number)?;
        if lock.try_lock()?.is_none() {
            return Ok(true);
        }
        lock.unlock()?;
        Ok(false)
    }
}
