//! What a development reload watches: plain data; `interpreter` looks.

use std::path::PathBuf;
use std::time::Duration;

/// What a development reload watches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReloadWatch {
    /// Directories, with everything below them; empty: the working directory, if there are patterns.
    pub directories: Vec<PathBuf>,
    /// Files to watch, whatever they are called, and globs of their paths.
    pub files: Vec<String>,
    /// Globs of file names to watch besides `*.py`.
    pub include: Vec<String>,
    /// Globs of file names not to watch.
    pub exclude: Vec<String>,
    /// Modules whose files do not count.
    pub ignored_modules: Vec<String>,
    /// Time between two looks. Default 1 s.
    pub interval: Duration,
    /// How changes are seen between two looks. Default: auto.
    pub engine: ReloadEngine,
}

impl Default for ReloadWatch {
    fn default() -> Self {
        ReloadWatch {
            directories: Vec::new(),
            files: Vec::new(),
            include: Vec::new(),
            exclude: Vec::new(),
            ignored_modules: Vec::new(),
            interval: Duration::from_secs(1),
            engine: ReloadEngine::default(),
        }
    }
}

/// How changes of sources are seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReloadEngine {
    /// With inotify if it can be had.
    #[default]
    Auto,
    /// By looking at the files from time to time.
    Poll,
    /// With inotify; the log is told where it cannot be had.
    Inotify,
}
