//! Processes, signals and the clock.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd};
use std::thread::JoinHandle;

use rustix::time::{ClockId, clock_gettime};

/// Which side of a fork this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fork {
    /// The process that forked, with the process id of its child.
    Parent(u32),
    /// The new process.
    Child,
}

/// Splits the process in two.
///
/// Call it while the process has one thread: a lock that another thread holds stays locked for ever in the child.
/// That is a deadlock, not a violation of memory safety, so the function is safe to call.
///
/// # Errors
/// When there are too many processes (`EAGAIN`) or too little memory (`ENOMEM`).
pub fn fork() -> io::Result<Fork> {
    // SAFETY: fork touches no memory of ours; the child gets a copy of everything.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Fork::Child),
        pid => Ok(Fork::Parent(pid.cast_unsigned())),
    }
}

/// Ends the process at once: no destructors, no exit handlers, nothing flushed.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: _exit takes a number and does not return.
    unsafe { libc::_exit(code) }
}

/// Milliseconds on a clock that never goes back and does not count time suspended.
pub fn monotonic_ms() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec.cast_unsigned() * 1000 + now.tv_nsec.cast_unsigned() / 1_000_000
}

/// Every signal is held back until this value is dropped; those that arrived meanwhile are delivered then.
#[derive(Debug)]
#[must_use = "signals are let through again when it is dropped"]
pub struct BlockedSignals {
    before: libc::sigset_t,
}

/// Holds back every signal to this thread. Made before a fork, it holds them back in both processes.
pub fn block_signals() -> BlockedSignals {
    let mut all = MaybeUninit::<libc::sigset_t>::uninit();
    let mut before = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: both pointers are valid for writes; sigfillset and pthread_sigmask initialise what they point at, and
    // with these arguments neither can fail.
    unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
        BlockedSignals {
            before: before.assume_init(),
        }
    }
}

impl Drop for BlockedSignals {
    fn drop(&mut self) {
        // SAFETY: `before` is a mask that the kernel gave us; a null third argument means that we do not want the old.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.before, std::ptr::null_mut()) };
    }
}

/// Starts a thread that no signal is delivered to, for what watches over others. A signal to the process interrupts the system
/// call of the thread that takes it; if that were this one, the thread that the signal is about would go on sleeping.
///
/// Not for threads that start processes: those would inherit the mask.
///
/// # Errors
/// There is no memory, or no room, for another thread.
pub fn spawn_watcher(name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    // A thread begins with the mask of the one that starts it.
    let _blocked = block_signals();
    std::thread::Builder::new().name(name.to_owned()).spawn(body)
}

/// Gives `signal` its default action back, whatever handler was installed.
///
/// # Errors
/// When there is no such signal.
pub fn default_signal(signal: i32) -> io::Result<()> {
    // SAFETY: SIG_DFL is always a valid action; no handler of ours is involved.
    match unsafe { libc::signal(signal, libc::SIG_DFL) } {
        libc::SIG_ERR => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// A descriptor of our own for the open file that this process inherited under `number`, closed on exec, as the
/// inherited one is from now on.
///
/// # Errors
/// When no file is open under that number (`EBADF`).
pub fn adopt_descriptor(number: i32) -> io::Result<OwnedFd> {
    // SAFETY: these take plain numbers; the duplicate is new, so nobody else owns it.
    unsafe {
        let duplicate = libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 3);
        if duplicate < 0 {
            return Err(io::Error::last_os_error());
        }
        libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC);
        Ok(OwnedFd::from_raw_fd(duplicate))
    }
}

/// Closes an inherited descriptor that [`adopt_descriptor`] has made its own of.
pub fn close_descriptor(number: i32) {
    // The lowest numbers are the standard streams, whoever inherited them.
    if number > 2 {
        // SAFETY: takes a plain number; by the contract above nobody in this process owns it as an `OwnedFd`.
        unsafe { libc::close(number) };
    }
}

/// Lets the program that is executed next have a descriptor.
///
/// # Errors
/// When no file is open under that number (`EBADF`).
pub fn keep_on_exec(descriptor: BorrowedFd<'_>) -> io::Result<()> {
    rustix::io::fcntl_setfd(descriptor, rustix::io::FdFlags::empty())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use rustix::process::{Pid, Signal, WaitOptions, getpid, kill_process, waitpid};

    use super::*;

    fn exit_status_of(child: u32) -> (Option<i32>, Option<i32>) {
        let pid = Pid::from_raw(child.cast_signed()).expect("a process id");
        let (_, status) = waitpid(Some(pid), WaitOptions::empty())
            .expect("wait")
            .expect("it ended");
        (status.exit_status(), status.terminating_signal())
    }

    #[test]
    fn a_forked_child_ends_with_the_code_it_chose() {
        match fork().expect("fork") {
            Fork::Child => exit_now(7),
            Fork::Parent(child) => assert_eq!(exit_status_of(child), (Some(7), None)),
        }
    }

    #[test]
    fn a_blocked_signal_arrives_when_it_is_let_through() {
        match fork().expect("fork") {
            Fork::Child => {
                let blocked = block_signals();
                let _ = default_signal(libc::SIGTERM);
                let _ = kill_process(getpid(), Signal::TERM);
                drop(blocked);
                exit_now(0)
            }
            Fork::Parent(child) => assert_eq!(exit_status_of(child), (None, Some(libc::SIGTERM))),
        }
    }

    #[test]
    fn the_clock_does_not_go_back() {
        let first = monotonic_ms();
        assert!(monotonic_ms() >= first);
    }
}
