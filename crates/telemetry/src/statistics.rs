//! What a server tells about itself: numbers as they are at one moment, as plain data, and the ways they are told.
//!
//! Rules: `document` is the JSON document of uWSGI's `stats`, key by key; `metrics` are its metrics by name. Both are pure
//! functions. It leaves out where the numbers come from (`master`) and who connects to ask for them.

mod document;
mod json;
mod metrics;
mod push;

pub use document::document;
pub use metrics::{Kind, Metric, metrics};
pub use push::Pusher;

/// A server at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// The master's process id.
    pub pid: u32,
    /// The master's user.
    pub uid: u32,
    /// The master's group.
    pub gid: u32,
    /// Where it works.
    pub directory: String,
    /// Accepting sockets, in the order given.
    pub sockets: Vec<SocketStatistics>,
    /// Workers by number, those that rest now included.
    pub workers: Vec<WorkerStatistics>,
}

/// A listening socket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SocketStatistics {
    /// `127.0.0.1:8000`, or a path.
    pub name: String,
    /// `http`, `uwsgi`, `fastcgi` or `scgi`.
    pub protocol: &'static str,
    /// Connections that wait to be accepted; 0 where the system does not tell (unix sockets).
    pub queue: u32,
    /// How many may wait; 0 where the system does not tell.
    pub queue_limit: u32,
}

/// A worker: the process that is there now, and what those before it under the same number have done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkerStatistics {
    /// From 1.
    pub number: u32,
    /// 0 while there is none.
    pub pid: u32,
    /// Whether it accepts connections.
    pub accepting: bool,
    /// Requests of this process.
    pub requests_since_spawn: u64,
    /// Requests of all processes under this number.
    pub requests: u64,
    /// Exceptions of applications.
    pub exceptions: u64,
    /// How often a request took too long, and the process was killed.
    pub harakiri: u64,
    /// What it is doing.
    pub status: WorkerStatus,
    /// Resident memory in bytes.
    pub resident: u64,
    /// Mapped memory in bytes.
    pub address_space: u64,
    /// Microseconds that requests have taken.
    pub running_us: u64,
    /// When the process was started, in seconds since the beginning of 1970.
    pub last_spawn: u64,
    /// How many processes there were under this number.
    pub spawns: u64,
    /// Bytes sent.
    pub sent: u64,
    /// Microseconds that a request takes: half of it is what the last one took.
    pub average_us: u64,
    /// Its application.
    pub application: Option<ApplicationStatistics>,
    /// Its threads.
    pub cores: Vec<CoreStatistics>,
}

/// What a worker is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WorkerStatus {
    /// It waits for requests.
    Idle,
    /// It serves one.
    Busy,
    /// There is no process.
    #[default]
    Cheap,
}

/// The application of a worker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApplicationStatistics {
    /// Where it is mounted, without a final slash.
    pub mount: String,
    /// Seconds it took to load, if that was after the fork.
    pub startup_seconds: u64,
    /// Requests it has answered.
    pub requests: u64,
    /// Exceptions it has raised.
    pub exceptions: u64,
}

/// A thread that calls the application.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CoreStatistics {
    /// Requests of this process.
    pub requests: u64,
    /// Answered from files.
    pub static_requests: u64,
    /// Answered by rules.
    pub routed_requests: u64,
    /// Exceptions of the application.
    pub exceptions: u64,
    /// Clients that were gone before their answer.
    pub write_errors: u64,
    /// Bodies that did not come to their end.
    pub read_errors: u64,
    /// What it is working on.
    pub request: Option<CurrentRequest>,
}

/// A request in progress.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CurrentRequest {
    /// Method and target.
    pub line: String,
    /// The client's address.
    pub client: String,
    /// When it began, in seconds since the beginning of 1970.
    pub started: u64,
}

impl Statistics {
    /// The longest queue of all sockets.
    pub fn longest_queue(&self) -> u32 {
        self.sockets.iter().map(|socket| socket.queue).max().unwrap_or(0)
    }
}
