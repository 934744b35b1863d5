//! Forking a process that holds a Python interpreter.

use std::io;

use pyo3::prelude::*;
use sys::Fork;

/// Forks, with CPython's own hooks in parent and child: locks are made new, `os.register_at_fork` functions run,
/// `threading` forgets the threads that are not there any more.
pub(crate) fn fork(_py: Python<'_>) -> io::Result<Fork> {
    // SAFETY: attached to the interpreter, as these three demand; the calls are paired as the C API documents them,
    // on the thread that forks.
    unsafe {
        pyo3::ffi::PyOS_BeforeFork();
        let forked = sys::fork();
        match forked {
            Ok(Fork::Child) => pyo3::ffi::PyOS_AfterFork_Child(),
            Ok(Fork::Parent(_)) | Err(_) => pyo3::ffi::PyOS_AfterFork_Parent(),
        }
        forked
    }
}

/// Ends this process as an interpreter does - threads joined if there is time for that, `atexit` functions run,
/// output flushed - but without tearing down the interpreter, under which stuck threads would crash.
pub(crate) fn leave(py: Python<'_>, code: i32, join_threads: bool) -> ! {
    // Each step is tried whatever became of the one before; there is nobody to report to.
    if join_threads {
        let _ = py
            .import("threading")
            .and_then(|module| module.call_method0("_shutdown"));
    }
    let _ = py
        .import("atexit")
        .and_then(|module| module.call_method0("_run_exitfuncs"));
    for stream in ["stdout", "stderr"] {
        let _ = py
            .import("sys")
            .and_then(|module| module.getattr(stream)?.call_method0("flush"));
    }
    sys::exit_now(code)
}

/// Goes into the background, with CPython's fork hooks; returns in the daemon only.
///
/// # Errors
/// As [`master::daemonize`], in the process that was started.
pub(crate) fn daemonize(
    _py: Python<'_>,
    how: &config::Daemonize,
    dialect: config::Dialect,
) -> Result<(), master::StartError> {
    // SAFETY: attached to the interpreter; the processes in between never come back here, so the calls are paired.
    unsafe {
        pyo3::ffi::PyOS_BeforeFork();
        let result = master::daemonize(how, dialect);
        match result {
            Ok(()) => pyo3::ffi::PyOS_AfterFork_Child(),
            Err(_) => pyo3::ffi::PyOS_AfterFork_Parent(),
        }
        result
    }
}
