//! Development reload: a thread looks whether sources have changed, and says which.
//!
//! What is a source is said by `penstock._reloader`: imported modules, those that could not be imported, and what was named
//! beside them. A file counts as changed when its time of modification differs from the last look's. The thread looks at
//! every interval; with inotify (through the `notify` crate) also as soon as something happens in the sources' directories.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, SystemTime};

use config::{Dialect, ReloadEngine, ReloadWatch};
use notify::{Event, EventHandler, RecommendedWatcher, RecursiveMode, Watcher};
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use rustix::process::{Pid, Signal, kill_process};
use telemetry::ErrorLog;

/// After the first event: a file that is written in several steps changes once.
const SETTLE: Duration = Duration::from_millis(50);

/// Looks for changes, for as long as the process lives.
struct Reloader {
    /// `penstock._reloader`'s function that names the files.
    files: Py<PyAny>,
    /// Times of modification at the last look.
    known: HashMap<PathBuf, SystemTime>,
    /// A change between this, when the worker began to import, and the first look is not lost.
    since: SystemTime,
    interval: Duration,
    events: Option<Events>,
    log: ErrorLog,
}

/// What inotify has to tell.
struct Events {
    watcher: RecommendedWatcher,
    happened: Receiver<()>,
    directories: HashSet<PathBuf>,
    /// The log has been told that not everything can be watched.
    complained: bool,
}

/// Wakes the thread for whatever may have changed a file.
struct Waker(Sender<()>);

impl EventHandler for Waker {
    fn handle_event(&mut self, event: notify::Result<Event>) {
        // The thread's own looks are no change.
        if !event.is_ok_and(|event| event.kind.is_access()) {
            // The thread ends only with the process.
            let _ = self.0.send(());
        }
    }
}

/// Has the master, whose process id is `master`, reload whenever a source is written after `since`, and says so in the
/// dialect's words. Where that cannot be done, the log says so, and the worker serves all the same.
pub(crate) fn reload_when_changed(
    py: Python<'_>,
    master: u32,
    since: SystemTime,
    watch: &ReloadWatch,
    log: &ErrorLog,
) {
    if log.dialect() == Dialect::Gunicorn {
        log.warning("Reloader is on. Use in development only!");
    }
    let told = log.clone();
    let changed = move |files: &[PathBuf]| {
        if told.dialect() == Dialect::Uvicorn {
            told.warning(format_args!(
                "Penstock detected changes in {}. Reloading...",
                shown_paths(files)
            ));
        } else {
            for file in files {
                told.info(format_args!("Worker reloading: {} modified", file.display()));
            }
        }
        if let Some(master) = Pid::from_raw(master.cast_signed()) {
            // A master that is gone takes this worker with it.
            let _ = kill_process(master, Signal::HUP);
        }
    };
    if let Err(error) = start(py, watch, since, log, changed) {
        log.error_with_details("cannot watch source files", &crate::traceback::text(py, &error));
    }
}

/// Paths as uvicorn shows them: in quotes, and relative where they are below the working directory.
fn shown_paths(paths: &[PathBuf]) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    let shown = |path: &PathBuf| format!("'{}'", path.strip_prefix(&here).unwrap_or(path).display());
    paths.iter().map(shown).collect::<Vec<_>>().join(", ")
}

/// Starts the thread; `changed` is called with the files that are written after `since`.
///
/// # Errors
/// When there can be no thread.
fn start(
    py: Python<'_>,
    watch: &ReloadWatch,
    since: SystemTime,
    log: &ErrorLog,
    mut changed: impl FnMut(&[PathBuf]) + Send + 'static,
) -> PyResult<()> {
    let directories: Vec<_> = watch
        .directories
        .iter()
        .map(|path| path.to_string_lossy())
        .collect();
    let arguments = (
        PyTuple::new(py, directories)?,
        PyTuple::new(py, &watch.include)?,
        PyTuple::new(py, &watch.exclude)?,
        PyTuple::new(py, &watch.files)?,
        PyTuple::new(py, &watch.ignored_modules)?,
    );
    let files = py
        .import("penstock._reloader")?
        .call_method1("sources", arguments)?;
    let mut reloader = Reloader {
        files: files.unbind(),
        known: HashMap::new(),
        since,
        interval: watch.interval,
        events: Events::of(watch.engine, log),
        log: log.clone(),
    };
    // A thread of our own: one of Python's would be a greenlet under gevent, and hold the others up.
    std::thread::Builder::new()
        .name(String::from("penstock-reloader"))
        .spawn(move || {
            loop {
                let found = reloader.look();
                if !found.is_empty() {
                    changed(&found);
                }
                reloader.wait();
            }
        })?;
    Ok(())
}

impl Reloader {
    /// The files that have changed since the last look.
    fn look(&mut self) -> Vec<PathBuf> {
        let files = Python::attach(|py| self.files.bind(py).call0()?.extract::<Vec<PathBuf>>());
        let files = files.unwrap_or_else(|error| {
            self.log
                .error(format_args!("the sources to be watched cannot be found: {error}"));
            Vec::new()
        });
        if let Some(events) = &mut self.events {
            events.watch(&files, &self.log);
        }
        let mut found = Vec::new();
        for file in files {
            let Ok(modified) = std::fs::metadata(&file).and_then(|about| about.modified()) else {
                continue;
            };
            let is_changed = match self.known.insert(file.clone(), modified) {
                Some(before) => before != modified,
                // Seen for the first time, only a time between the import and now is a sign of a change.
                // Asked for after the file was looked at: one that is written meanwhile is no file of the future.
                None => self.since <= modified && modified <= SystemTime::now(),
            };
            if is_changed {
                found.push(file);
            }
        }
        found
    }

    /// Waits for the next look.
    fn wait(&self) {
        let Some(events) = &self.events else {
            return std::thread::sleep(self.interval);
        };
        if events.happened.recv_timeout(self.interval).is_ok() {
            std::thread::sleep(SETTLE);
            while events.happened.try_recv().is_ok() {}
        }
    }
}

impl Events {
    /// `None` where nobody wants inotify, or it cannot be had: looking at every interval is enough.
    fn of(engine: ReloadEngine, log: &ErrorLog) -> Option<Events> {
        if engine == ReloadEngine::Poll {
            return None;
        }
        let (sender, happened) = channel();
        match notify::recommended_watcher(Waker(sender)) {
            Ok(watcher) => Some(Events {
                watcher,
                happened,
                directories: HashSet::new(),
                // With `auto` it does not matter how changes are seen.
                complained: engine == ReloadEngine::Auto,
            }),
            Err(error) => {
                if engine == ReloadEngine::Inotify {
                    log.warning(format_args!(
                        "reload_engine inotify cannot be had, files are looked at instead: {error}"
                    ));
                }
                None
            }
        }
    }

    /// Sees to it that the directories of `files` are watched, and those of what symbolic links among them lead to.
    fn watch(&mut self, files: &[PathBuf], log: &ErrorLog) {
        for file in files {
            self.watch_directory(file.parent(), log);
            if file.is_symlink()
                && let Ok(target) = file.canonicalize()
            {
                self.watch_directory(target.parent(), log);
            }
        }
    }

    fn watch_directory(&mut self, directory: Option<&Path>, log: &ErrorLog) {
        let here = Path::new(".");
        let directory = directory.map_or(here, |path| if path.as_os_str().is_empty() { here } else { path });
        // Each is tried once.
        if self.directories.contains(directory) || !self.directories.insert(directory.to_owned()) {
            return;
        }
        if let Err(error) = self.watcher.watch(directory, RecursiveMode::NonRecursive)
            && !std::mem::replace(&mut self.complained, true)
        {
            log.warning(format_args!(
                "inotify cannot watch {}, its files are looked at instead (said once): {error}",
                directory.display()
            ));
        }
    }
}
