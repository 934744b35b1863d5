//! Locks that processes share, and that the death of their holder releases.
//!
//! Robust, error-checking mutexes of POSIX in shared memory. A lock belongs to the thread that took it. Where the
//! system has no robust mutexes (macOS), the death of a holder leaves its lock taken.

use std::cell::UnsafeCell;
use std::io;
use std::mem::MaybeUninit;

use crate::mapping::zeroed;

/// How a lock was found by the one who took it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Released by its last holder.
    Released,
    /// Its last holder died with it: what it guards may be half-changed.
    Abandoned,
}

/// A lock in memory that this process and its later forks share.
pub struct SharedLock {
    mutex: UnsafeCell<libc::pthread_mutex_t>,
}

// SAFETY: a mutex is made to be used by several threads at once, and all of its functions take it by pointer.
unsafe impl Sync for SharedLock {}

impl std::fmt::Debug for SharedLock {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("SharedLock").finish_non_exhaustive()
    }
}

/// Makes `count` locks that this process and its later forks share. They live as long as the process.
///
/// # Errors
/// When the kernel has no memory (`ENOMEM`), or the system no locks that processes can share.
pub fn shared_locks(count: usize) -> io::Result<&'static [SharedLock]> {
    let start: *mut SharedLock = zeroed(count)?;
    // SAFETY: `zeroed` gives room for that many, valid as long as the process, and nothing else refers to it. Each element is
    // initialised before the slice over all of them is made.
    unsafe {
        for index in 0..count {
            initialise((*start.add(index)).mutex.get())?;
        }
        Ok(std::slice::from_raw_parts(start, count))
    }
}

/// # Safety
/// `mutex` is valid for writes, and not in use.
unsafe fn initialise(mutex: *mut libc::pthread_mutex_t) -> io::Result<()> {
    let mut attributes = MaybeUninit::<libc::pthread_mutexattr_t>::uninit();
    let attributes = attributes.as_mut_ptr();
    // SAFETY: the attributes are initialised first, used while they live and destroyed once; `mutex` is the caller's
    // promise.
    unsafe {
        checked(libc::pthread_mutexattr_init(attributes))?;
        let made = checked(libc::pthread_mutexattr_settype(
            attributes,
            libc::PTHREAD_MUTEX_ERRORCHECK,
        ))
        .and_then(|()| between_processes(attributes))
        .and_then(|()| checked(libc::pthread_mutex_init(mutex, attributes)));
        libc::pthread_mutexattr_destroy(attributes);
        made
    }
}

/// Has a lock serve several processes, whose death releases it where the system can do that. Not for Miri, which has one process.
///
/// # Safety
/// `attributes` are initialised.
unsafe fn between_processes(attributes: *mut libc::pthread_mutexattr_t) -> io::Result<()> {
    if cfg!(miri) {
        return Ok(());
    }
    // SAFETY: as promised by the caller.
    unsafe {
        checked(libc::pthread_mutexattr_setpshared(
            attributes,
            libc::PTHREAD_PROCESS_SHARED,
        ))?;
        #[cfg(target_os = "linux")]
        checked(libc::pthread_mutexattr_setrobust(
            attributes,
            libc::PTHREAD_MUTEX_ROBUST,
        ))?;
    }
    Ok(())
}

fn checked(code: i32) -> io::Result<()> {
    if code == 0 {
        Ok(())
    } else {
        Err(io::Error::from_raw_os_error(code))
    }
}

impl SharedLock {
    /// Takes the lock, waiting for as long as another thread or process holds it.
    ///
    /// # Errors
    /// `EDEADLK` when this thread holds it already.
    pub fn lock(&self) -> io::Result<Found> {
        // SAFETY: initialised by `shared_locks`, and never destroyed.
        self.found(unsafe { libc::pthread_mutex_lock(self.mutex.get()) })
    }

    /// Takes the lock if nobody holds it; `None` if somebody does, this thread included.
    ///
    /// # Errors
    /// As the system gives them; there are none in ordinary life.
    pub fn try_lock(&self) -> io::Result<Option<Found>> {
        // SAFETY: initialised by `shared_locks`, and never destroyed.
        match unsafe { libc::pthread_mutex_trylock(self.mutex.get()) } {
            libc::EBUSY | libc::EDEADLK => Ok(None),
            code => self.found(code).map(Some),
        }
    }

    /// Releases the lock.
    ///
    /// # Errors
    /// `EPERM` when this thread does not hold it.
    pub fn unlock(&self) -> io::Result<()> {
        // SAFETY: initialised by `shared_locks`, and never destroyed; an error-checking mutex looks who calls.
        checked(unsafe { libc::pthread_mutex_unlock(self.mutex.get()) })
    }

    fn found(&self, code: i32) -> io::Result<Found> {
        if code == libc::EOWNERDEAD {
            self.adopt()?;
            return Ok(Found::Abandoned);
        }
        checked(code).map(|()| Found::Released)
    }

    #[cfg(target_os = "linux")]
    fn adopt(&self) -> io::Result<()> {
        // SAFETY: this thread holds the lock, which was found abandoned; that is when this may be called.
        checked(unsafe { libc::pthread_mutex_consistent(self.mutex.get()) })
    }

    #[cfg(not(target_os = "linux"))]
    #[expect(clippy::unused_self, reason = "the signature is the other system's")]
    fn adopt(&self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_taken_once_and_released_by_its_holder() {
        let lock = &shared_locks(2).expect("locks")[1];
        assert_eq!(lock.lock().expect("lock"), Found::Released);
        assert_eq!(lock.lock().expect_err("held").raw_os_error(), Some(libc::EDEADLK));
        assert_eq!(lock.try_lock().expect("try"), None);
        std::thread::scope(|scope| {
            let other = scope.spawn(|| (lock.try_lock().expect("try"), lock.unlock().is_err()));
            assert_eq!(other.join().expect("thread"), (None, true));
        });
        lock.unlock().expect("unlock");
        assert!(lock.unlock().is_err());
        assert_eq!(lock.try_lock().expect("try"), Some(Found::Released));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_lock_of_a_dead_process_is_taken_over() {
        let lock = &shared_locks(1).expect("locks")[0];
        match crate::fork().expect("fork") {
            crate::Fork::Child => {
                let _ = lock.lock();
                crate::exit_now(0)
            }
            crate::Fork::Parent(pid) => {
                let pid = rustix::process::Pid::from_raw(pid.cast_signed());
                rustix::process::waitpid(pid, rustix::process::WaitOptions::empty()).expect("wait");
            }
        }
        assert_eq!(lock.lock().expect("lock"), Found::Abandoned);
        lock.unlock().expect("unlock");
        assert_eq!(lock.lock().expect("lock"), Found::Released);
    }
}
