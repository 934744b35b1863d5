//! What happens to the server and its processes, for the error log. The words are the dialect's: see `words.rs`.

use std::path::PathBuf;
use std::time::Duration;

use crate::surroundings::Surroundings;

/// Why processes are asked to leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopKind {
    /// Requests in progress are finished first.
    Graceful,
    /// At once.
    Quick,
}

/// Something worth a line in the error log. The line's wording, level and even whether there is one depend on
/// the dialect; nothing else in the server depends on it.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "fields are named for what they are")]
pub enum Event {
    /// The master has its configuration, before sockets are opened.
    Starting { version: &'static str },
    /// Sockets are open. `addresses` as users write them: `http://127.0.0.1:8000`, `unix:/run/app.sock`; and the descriptor
    /// of each.
    Listening {
        addresses: Vec<String>,
        descriptors: Vec<i32>,
        pid: u32,
    },
    /// Workers are about to be forked.
    Prepared {
        workers: u32,
        threads: u32,
        worker_class: String,
        preloaded: bool,
        /// Length of the accept queue.
        backlog: u32,
        /// What requests in progress get when workers leave.
        graceful: Duration,
    },
    /// The pidfile has been written.
    PidfileWritten { path: PathBuf },
    /// The master is about to serve signals and supervise.
    MasterSpawned { pid: u32 },
    /// A worker process begins (logged by the worker). `number` counts from 1.
    WorkerBooting { pid: u32, number: u32 },
    /// The worker has its application and accepts (logged by the worker).
    WorkerReady {
        pid: u32,
        number: u32,
        threads: u32,
        boot: Duration,
        /// It has an application; uWSGI serves without one, too.
        has_application: bool,
        /// Where it listens, as in [`Event::Listening`].
        addresses: Vec<String>,
    },
    /// How far the application's lifespan has come (ASGI; logged by the worker).
    Lifespan(LifespanStep),
    /// A WebSocket has been accepted (logged by the worker). `client`: address and port; `target`: with the query.
    WebSocketAccepted { client: String, target: String },
    /// A WebSocket's handshake was answered with this status line (`403 Forbidden`), by the application or for want of its
    /// answer.
    WebSocketRejected {
        client: String,
        target: String,
        status_line: String,
        by_application: bool,
    },
    /// An accepted WebSocket's connection has ended.
    WebSocketClosed,
    /// The worker leaves, and waits for this (ASGI; logged by the worker).
    Lingering(Linger),
    /// The worker leaves of its own accord (logged by the worker). `served`: it had come to that.
    WorkerExiting { pid: u32, served: bool },
    /// The worker has served its `max_requests`.
    WorkerRecycling { pid: u32, requests: u64 },
    /// The worker has come to a limit of its own, and is to be replaced.
    WorkerLimit(WorkerLimit),
    /// The worker found that its master is gone.
    MasterGone { pid: u32 },
    /// The master has reaped a worker. `expected`: it had been asked to leave.
    WorkerExited {
        pid: u32,
        number: u32,
        status: ExitStatus,
        expected: bool,
        /// Since it was started.
        after: Duration,
        /// Since it was asked to leave.
        leaving: Duration,
    },
    /// A new worker takes the place of one that died.
    WorkerRespawned { pid: u32, number: u32 },
    /// Workers die at boot; the next try waits this long.
    RespawnDelayed { delay: Duration },
    /// A worker could not load the application at boot; the server gives up.
    BootFailed { exit_code: i32 },
    /// A request has taken longer than the soft deadline and is interrupted (logged by the worker).
    RequestInterrupted(LateRequest),
    /// A worker has spent longer than the deadline in one request, and is stopped.
    RequestDeadline {
        late: LateRequest,
        /// What the worker waits for in the kernel, if that is to be told: names and texts.
        kernel: Vec<(&'static str, String)>,
    },
    /// A worker did not leave in time and is killed.
    WorkerKilled { pid: u32, number: u32 },
    /// A signal to the master is acted upon: `hup`, `term`, ...
    SignalHandled { name: &'static str },
    /// A reload begins: new workers are being started.
    ReloadStarting { pid: u32 },
    /// All new workers are ready, the old ones retire.
    ReloadFinished { workers: u32 },
    /// The new workers cannot start, the old ones stay.
    ReloadFailed { reason: String },
    /// A worker is asked to leave.
    WorkerRetiring { pid: u32, number: u32, kind: StopKind },
    /// A file named in `touch-reload` was touched.
    Touched { path: PathBuf },
    /// The stop begins.
    Stopping { kind: StopKind },
    /// The master is about to exit.
    Stopped { pid: u32 },
    /// A file was removed on the way out: a unix socket or the pidfile.
    FileRemoved { path: PathBuf, socket: bool },
    /// What only uWSGI's users can ask for, and only its dialect tells of.
    Uwsgi(UwsgiEvent),
}

/// What happens only under uWSGI's options.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "fields are named for what they are")]
pub enum UwsgiEvent {
    /// Where the server runs.
    Surroundings(Surroundings),
    /// A worker that is over its deadline is spared: the accept queue is shorter than the threshold.
    DeadlineWaived { number: u32, queue: u32, threshold: u32 },
    /// The worker of [`Event::RequestDeadline`] gets a signal and a grace.
    DeadlineGrace {
        number: u32,
        signal: i32,
        grace: Duration,
    },
    /// It did not leave in that time.
    DeadlineKill { pid: u32, number: u32 },
    /// Workers are replaced one after the other.
    ChainStarting,
    /// This worker is the next to be replaced.
    ChainNext { number: u32 },
    /// The last one has been replaced.
    ChainComplete,
    /// All workers are halted, or go on.
    Paused { resumed: bool, workers: Vec<u32> },
    /// The number of workers follows the load.
    Scaling(ScalingStep),
}

/// The limit that a worker has come to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named for what they are")]
pub enum WorkerLimit {
    /// It has lived as long as it may.
    TooOld { number: u32, after: Duration },
    /// It uses more memory than it may. `what`: `RSS` or `ADDRESS SPACE`; `brutal`: it is killed.
    TooLarge {
        pid: u32,
        number: u32,
        what: &'static str,
        bytes: u64,
        brutal: bool,
    },
}

/// A request that takes longer than it may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LateRequest {
    /// The worker's process.
    pub pid: u32,
    /// The worker, from 1.
    pub number: u32,
    /// The thread that serves it, from 0.
    pub thread: u32,
    /// Method and target.
    pub request: String,
    /// The client's address.
    pub client: String,
    /// How long it has taken so far.
    pub age: Duration,
}

/// What a worker that leaves waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linger {
    /// Answers that are not complete, and WebSockets.
    Connections,
    /// Tasks that go on after their answer.
    Tasks,
    /// Nothing more: so many tasks have had their time and are cancelled.
    Cancelled(usize),
}

/// A moment in the lifespan of an ASGI application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LifespanStep {
    /// The application is told to start.
    Starting,
    /// It has started.
    Started,
    /// It knows no lifespan and is served without.
    Unsupported,
    /// It cannot start.
    StartFailed,
    /// It has ended its lifespan with an exception while it was served.
    Broke,
    /// It is told to stop.
    Stopping,
    /// It has stopped.
    Stopped,
    /// It could not stop in order.
    StopFailed,
}

/// What becomes of the number of workers, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named for what they are")]
pub enum ScalingStep {
    /// A line of uWSGI's algorithms, in their words: no other server has them.
    Said(String),
    /// The worker has left because there was too little to do.
    Cheaped { number: u32 },
    /// There was no request for so long.
    Inactive { seconds: u64 },
    /// All workers are to leave.
    GoingCheap,
    /// There are none, until somebody connects.
    Resting,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// With this exit code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}
