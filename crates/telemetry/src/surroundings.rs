//! The machine and the process that a server starts in, as uWSGI's first lines tell of them.

use std::path::PathBuf;

use rustix::process::{Resource, geteuid, getrlimit};

/// What is known of them. What cannot be found out is left empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// `Linux-6.1.0 #1 SMP`
    pub system: String,
    /// The machine's own name.
    pub node: String,
    /// `x86_64`
    pub machine: String,
    /// Processors that this process may use.
    pub processors: usize,
    /// The directory it was started in.
    pub directory: PathBuf,
    /// The program.
    pub program: PathBuf,
    /// It runs as root, and workers do too.
    pub stays_root: bool,
    /// How many processes its user may have; `None` is any number.
    pub processes: Option<u64>,
    /// Bytes of a page of memory.
    pub page: usize,
    /// How many descriptors it may have open; `None` is any number.
    pub descriptors: Option<u64>,
}

impl Surroundings {
    /// What this process can see. `changes_user`: its workers have a user of their own.
    pub fn here(changes_user: bool) -> Surroundings {
        let name = rustix::system::uname();
        let text = |part: &std::ffi::CStr| part.to_string_lossy().into_owned();
        Surroundings {
            system: format!(
                "{}-{} {}",
                text(name.sysname()),
                text(name.release()),
                text(name.version())
            ),
            node: text(name.nodename()),
            machine: text(name.machine()),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            directory: std::env::current_dir().unwrap_or_default(),
            program: std::env::current_exe().unwrap_or_default(),
            stays_root: geteuid().is_root() && !changes_user,
            processes: getrlimit(Resource::Nproc).current,
            page: rustix::param::page_size(),
            descriptors: getrlimit(Resource::Nofile).current,
        }
    }
}
