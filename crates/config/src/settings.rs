//! What a configuration means, whatever dialect it was written in: plain data, comparable, printable.
//!
//! Every idea has one name here, whatever the dialects call it; durations are `Duration`s, sizes are bytes,
//! and "off" is `None`, never a magic zero. Relative paths are meant from the directory after `chdir`.
//!
//! [`Settings`] is all of it; the parts stand in `settings/`, one subject a file.

mod alarms;
mod application;
mod cgi;
mod commons;
mod emperor;
mod harakiri;
mod headers;
mod limits;
mod loading;
mod log_selection;
mod loggers;
mod logs;
mod reload_watch;
mod rights;
mod routes;
mod scaling;
mod sockets;
mod static_files;
mod statistics;
mod supervision;
mod worker_limits;

use std::collections::BTreeMap;
use std::path::PathBuf;

pub use alarms::*;
pub use application::*;
pub use cgi::*;
pub use commons::*;
pub use emperor::*;
pub use harakiri::*;
pub use headers::*;
pub use limits::*;
pub use loading::*;
pub use log_selection::*;
pub use loggers::*;
pub use logs::*;
pub use reload_watch::*;
pub use rights::*;
pub use routes::*;
pub use scaling::*;
pub use sockets::*;
pub use static_files::*;
pub use statistics::*;
pub use supervision::*;
pub use worker_limits::*;

/// Which server the user thinks they are talking to: decides log wording, exit codes and the meaning of signals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `penstock app:app`
    Native,
    /// `penstock gunicorn ...`
    Gunicorn,
    /// `penstock uwsgi ...`
    Uwsgi,
    /// `penstock uvicorn ...`
    Uvicorn,
}

/// Everything the rooms above need to know. Made by a dialect, never changed afterwards.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The dialect it was written in.
    pub dialect: Dialect,
    /// Where the application comes from; `None` where a dialect allows starting without one (uwsgi).
    pub application: Option<Application>,
    /// Listening sockets, in the order given. Never empty.
    pub binds: Vec<Bind>,
    /// Length of the accept queue asked of the kernel (which clamps it to `net.core.somaxconn`).
    pub backlog: u32,
    /// Each worker has listening sockets of its own on the TCP addresses (`SO_REUSEPORT`).
    pub reuse_port: bool,
    /// Rights of unix sockets that are created.
    pub unix_sockets: UnixSocketRights,
    /// Number of worker processes; at least 1. With [`Settings::scaling`] it is the largest number.
    pub workers: u32,
    /// Application threads in each worker; at least 1. With 1 the application is called inline.
    pub threads: u32,
    /// Requests are greenlets of gevent, which has to be installed; then there are no threads. Default: false.
    pub greenlets: bool,
    /// Connections a worker has at once; further ones wait in the accept queue. Default: no limit.
    pub connections: Option<u32>,
    /// Requests of a worker that wait for an application thread, beyond which further ones get 503. Default: no limit.
    pub request_queue: Option<u32>,
    /// Import the application in the master, before the workers are forked.
    pub preload: bool,
    /// Sizes that a request may not exceed.
    pub limits: Limits,
    /// Times that nothing may exceed.
    pub timeouts: Timeouts,
    /// A worker retires after this many requests.
    pub max_requests: Option<u64>,
    /// Up to this many more requests are added to `max_requests`, at random, for each worker.
    pub max_requests_jitter: u64,
    /// Directory to work in.
    pub chdir: Option<PathBuf>,
    /// Put in front of `sys.path`, in this order, as given.
    pub pythonpath: Vec<PathBuf>,
    /// Virtual environment whose packages the application uses.
    pub virtualenv: Option<PathBuf>,
    /// Environment variables to set, in order, before the application is imported.
    pub env: Vec<(String, String)>,
    /// Environment variables to take away, before those are set.
    pub unset_env: Vec<String>,
    /// User that workers run as: a name or a number.
    pub user: Option<String>,
    /// Group that workers run as: a name or a number.
    pub group: Option<String>,
    /// What workers may do beside that, and where.
    pub rights: Rights,
    /// Workers get the other groups of their user too. uWSGI's always do.
    pub supplementary_groups: bool,
    /// File mode creation mask of the workers; `None` leaves what was inherited.
    pub umask: Option<u32>,
    /// File that holds the master's process id while it runs.
    pub pidfile: Option<PathBuf>,
    /// Remove unix sockets and the pidfile when the server stops. gunicorn always does.
    pub remove_files_at_exit: bool,
    /// Leave the terminal and go on in the background.
    pub daemonize: Option<Daemonize>,
    /// Where log lines go and what they look like.
    pub logs: Logs,
    /// Name shown in the process title.
    pub process_name: Option<String>,
    /// What uWSGI's users may put around and in place of titles in the process list.
    pub process_affixes: ProcessAffixes,
    /// Show titles such as `gunicorn: master [name]` in the process list.
    pub process_titles: bool,
    /// Reload when a Python source file that a worker has imported changes (for development).
    pub reload_on_change: bool,
    /// Reload when one of these files is touched.
    pub touch_reload: Vec<PathBuf>,
    /// Exit at boot when no application can be loaded. Only uwsgi can turn it off (and then answers 500).
    pub need_application: bool,
    /// TERM reloads instead of stopping (uwsgi with `die-on-term = false` written out).
    pub term_reloads: bool,
    /// Use sendfile for `wsgi.file_wrapper`.
    pub sendfile: bool,
    /// Offer `wsgi.file_wrapper` in the environ.
    pub file_wrapper: bool,
    /// Value of SCRIPT_NAME for every request: the prefix the application is mounted at, without a final slash.
    pub script_name: String,
    /// Peers that are believed about their clients: addresses, networks, or `*`.
    pub forwarded_allow_ips: Vec<String>,
    /// What they are believed.
    pub believed: Believed,
    /// Listening sockets that speak a gateway protocol.
    pub gateways: Gateways,
    /// Whether connections may begin with a PROXY header.
    pub proxy_protocol: ProxyProtocol,
    /// What is asked of header names and methods beyond HTTP's own rules.
    pub header_rules: HeaderRules,
    /// How the application is called.
    pub interface: Interface,
    /// How ASGI applications are run.
    pub asgi: Asgi,
    /// gunicornc's socket.
    pub control: Control,
    /// What is watched for a reload besides the modules that were imported.
    pub reload_watch: ReloadWatch,
    /// Configuration of Python's `logging`, which then gets the server's lines too: a file that ends in `.json`, `.yaml`,
    /// `.yml`, or is in `logging.config.fileConfig`'s format. An empty path configures nothing: whoever starts the server
    /// from Python has done that.
    pub log_config: Option<PathBuf>,
    /// Headers that every answer gets.
    pub added_headers: AddedHeaders,
    /// Requests that are answered from files, before the application.
    pub static_files: StaticFiles,
    /// When a worker is replaced for its age or its memory.
    pub worker_limits: WorkerLimits,
    /// After which exceptions of the application a worker is replaced.
    pub fatal_exceptions: FatalExceptions,
    /// What the system holds a worker to.
    pub worker_bounds: WorkerBounds,
    /// Rules that look at a request before anything answers it.
    pub routes: Routes,
    /// Files that are sent in the place of the server's own error pages, by status: the first that can be read counts.
    pub error_pages: BTreeMap<u16, Vec<PathBuf>>,
    /// What is set up around the application, and applications beside it.
    pub loading: Loading,
    /// CGI scripts that are served beside the application.
    pub cgi: Cgi,
    /// What processes have in common beyond requests.
    pub commons: Commons,
    /// To whom the server tells its numbers.
    pub statistics: StatisticsSettings,
    /// What the master does beside keeping its workers.
    pub supervision: Supervision,
    /// When there are fewer workers than [`Settings::workers`].
    pub scaling: Scaling,
    /// The server is an emperor: it has no sockets and no workers, and keeps other servers.
    pub emperor: Option<Box<Emperor>>,
    /// What becomes of processes that take too long.
    pub harakiri: Harakiri,
}

/// Additions to the titles of processes (uWSGI).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessAffixes {
    /// In front of each title.
    pub prefix: String,
    /// Behind each title.
    pub suffix: String,
    /// The master's own name, between them.
    pub master: Option<String>,
}

/// Going into the background.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Daemonize {
    /// Standard output and error stay what they are.
    pub keep_output: bool,
    /// File that receives standard output and error; `None`: /dev/null.
    pub output: Option<PathBuf>,
}
