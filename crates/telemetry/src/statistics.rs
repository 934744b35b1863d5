//! What a server tells about itself: numbers as they are at one moment, as plain data, and the ways they are told.
//!
//! Rules: `document` is the JSON document of uWSGI's `stats`, key by key; `metrics` are its metrics by name. Both are pure
//! functions. It leaves out where the numbers come from (`master`) and who connects to ask for them.

mod blocks;
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
    /// What there is only where the configuration asks for it.
    pub extras: Extras,
}

/// What there is only where the configuration asks for it; each is left out of the document where it is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extras {
    /// The process that holds each of the application's locks; 0 for nobody.
    pub locks: Vec<u32>,
    /// Caches in this server's memory.
    pub caches: Vec<CacheInfo>,
    /// The document has the metrics.
    pub shows_metrics: bool,
    /// Metrics of the application's own.
    pub metrics: Vec<Metric>,
    /// Attached programs.
    pub daemons: Vec<DaemonStatistics>,
    /// Processes that do tasks.
    pub spoolers: Vec<SpoolerStatistics>,
    /// The timetable.
    pub crons: Vec<CronStatistics>,
}

/// A cache.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CacheInfo {
    /// What it is called.
    pub name: String,
    /// Lists that keys are spread over.
    pub buckets: u64,
    /// Longest key, in bytes.
    pub key_size: u64,
    /// Items it holds at most.
    pub items_limit: u64,
    /// Blocks for values.
    pub blocks: u64,
    /// Bytes of a block.
    pub block_size: u64,
    /// Items it holds.
    pub items: u64,
    /// Lookups that found something.
    pub hits: u64,
    /// Lookups that did not.
    pub misses: u64,
    /// How often there was no room.
    pub full: u64,
}

/// An attached program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DaemonStatistics {
    /// What is run.
    pub command: String,
    /// 0 while it does not run.
    pub pid: u32,
    /// How often it was started again.
    pub respawns: u64,
}

/// A process that does tasks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpoolerStatistics {
    /// The directory of the tasks.
    pub directory: String,
    /// 0 while there is none.
    pub pid: u32,
    /// Tasks it has done.
    pub tasks: u64,
    /// How often it was started again.
    pub respawns: u64,
    /// It is at work on a task.
    pub is_running: bool,
}

/// A command that is run by the clock.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CronStatistics {
    /// Minute, hour, day, month, day of the week, as uWSGI writes them: -1 is any, -N each N.
    pub when: [i64; 5],
    /// What is run.
    pub command: String,
    /// Not while it still runs.
    pub is_unique: bool,
    /// The process that runs it now.
    pub pid: Option<u32>,
    /// Since when, in seconds since the beginning of 1970; 0 while it does not run.
    pub started: u64,
}

/// A listening socket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SocketStatistics {
    /// `127.0.0.1:8000`, or a path.
    pub name: String,
    /// `http`, `uwsgi`, `fastcgi` or `scgi`.
    pub protocol: &'static str,
    /// Connections that wait to be accepted, which the system does not tell of unix sockets, and requests that wait in the
    /// workers for a thread.
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
    /// Signals of uWSGI's own that its processes have heard.
    pub signals: u64,
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
