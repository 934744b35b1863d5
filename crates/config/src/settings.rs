//! What a configuration means, whatever dialect it was written in: plain data, comparable, printable.
//!
//! Every idea has one name here, whatever the dialects call it; durations are `Duration`s, sizes are bytes,
//! and "off" is `None`, never a magic zero. Relative paths are meant from the directory after `chdir`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::{
    Commons, Emperor, Harakiri, Loading, LogRotation, LogSelection, Loggers, Routes, Scaling, StaticFiles,
    StatisticsSettings, Supervision, WorkerBounds, WorkerLimits,
};

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
    /// User that workers run as: a name or a number.
    pub user: Option<String>,
    /// Group that workers run as: a name or a number.
    pub group: Option<String>,
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

/// CGI scripts (RFC 3875).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cgi {
    /// Where scripts are; the longest prefix of a path decides.
    pub mounts: Vec<CgiMount>,
    /// Interpreters by the ending of a script's name, dot included; such scripts need not be executable.
    pub helpers: Vec<(String, PathBuf)>,
    /// Names looked for when a path is a directory.
    pub index: Vec<String>,
    /// Endings that scripts may have, dot included; empty: any.
    pub allowed_endings: Vec<String>,
    /// How long a script may be silent before it is killed with its process group. Default 60 s.
    pub timeout: Duration,
    /// Length of a script's header. Default 64 KiB.
    pub head: usize,
    /// What DOCUMENT_ROOT and PATH_TRANSLATED say, if not the mount's directory.
    pub document_root: Option<PathBuf>,
    /// Variables that scripts do not get.
    pub unset: Vec<String>,
    /// Further directories that a script may lie in when a symbolic link leads to it.
    pub safe: Vec<PathBuf>,
    /// Scripts running at once in a worker; beyond: 503. Default 256.
    pub concurrency: usize,
}

impl Default for Cgi {
    fn default() -> Self {
        Cgi {
            mounts: Vec::new(),
            helpers: Vec::new(),
            index: Vec::new(),
            allowed_endings: Vec::new(),
            timeout: Duration::from_secs(60),
            head: 64 << 10,
            document_root: None,
            unset: Vec::new(),
            safe: Vec::new(),
            concurrency: 256,
        }
    }
}

/// A directory of scripts, or one script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CgiMount {
    /// Prefix of the paths it serves, without a final slash; empty: every path.
    pub prefix: String,
    /// The directory or the script.
    pub path: PathBuf,
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

/// The socket that gunicornc speaks to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// Where it is. Default: there is none.
    pub socket: Option<PathBuf>,
    /// Its mode. Default: 0600.
    pub mode: u32,
}

impl Default for Control {
    fn default() -> Self {
        Control {
            socket: None,
            mode: 0o600,
        }
    }
}

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
    /// Time between two looks. Default 1 s.
    pub interval: Duration,
    /// How changes are seen between two looks. Default: auto.
    pub engine: ReloadEngine,
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

impl Default for ReloadWatch {
    fn default() -> Self {
        ReloadWatch {
            directories: Vec::new(),
            files: Vec::new(),
            include: Vec::new(),
            exclude: Vec::new(),
            interval: Duration::from_secs(1),
            engine: ReloadEngine::default(),
        }
    }
}

/// Headers that the server adds to every answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddedHeaders {
    /// Date, where the application gives none.
    pub date: bool,
    /// Server, where the application gives none.
    pub server: bool,
    /// Others, as `Name: value` and line ends, ready to be sent.
    lines: String,
}

impl Default for AddedHeaders {
    fn default() -> Self {
        AddedHeaders {
            date: true,
            server: true,
            lines: String::new(),
        }
    }
}

impl AddedHeaders {
    /// Adds a header. One called Server takes the place of the server's own.
    ///
    /// # Errors
    /// When the name is no token or the value has a control character.
    pub fn push(&mut self, name: &str, value: &str) -> Result<(), String> {
        let (name, value) = (name.trim(), value.trim());
        let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        if name.is_empty() || !name.chars().all(is_token) {
            return Err(format!("'{name}' is not the name of a header"));
        }
        if value.chars().any(|c| c.is_control() && c != '\t') {
            return Err(format!("the value of the header {name} has a control character"));
        }
        self.server &= !name.eq_ignore_ascii_case("server");
        self.date &= !name.eq_ignore_ascii_case("date");
        self.lines.push_str(&format!("{name}: {value}\r\n"));
        Ok(())
    }

    /// All of them in wire form.
    pub fn lines(&self) -> &str {
        &self.lines
    }
}

/// What is asked of header names and methods beyond HTTP's own rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderRules {
    /// What becomes of header names with an underscore.
    pub underscores: Underscores,
    /// Names with an underscore, in capitals, that a trusted peer may send all the same. SCRIPT_NAME among them is the
    /// prefix the application is mounted at.
    pub forwarder: Vec<String>,
    /// Headers by which a trusted peer says that the client came by TLS: names in capitals, and the value that says so.
    pub secure_scheme: Vec<(String, String)>,
    /// Methods of unusual length or with lower-case letters are refused.
    pub conventional_methods: bool,
    /// Methods are turned to capitals.
    pub uppercase_methods: bool,
}

impl HeaderRules {
    /// Whether a trusted peer may send a header of this name, which is in capitals and has an underscore. `*` among
    /// the names means each of them.
    pub fn lets_forward(&self, name: &str) -> bool {
        self.forwarder.iter().any(|known| known == name || known == "*")
    }
}

impl Default for HeaderRules {
    fn default() -> Self {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        HeaderRules {
            underscores: Underscores::Drop,
            forwarder: Vec::new(),
            secure_scheme: vec![
                pair("X-FORWARDED-PROTOCOL", "ssl"),
                pair("X-FORWARDED-PROTO", "https"),
                pair("X-FORWARDED-SSL", "on"),
            ],
            conventional_methods: false,
            uppercase_methods: false,
        }
    }
}

/// What becomes of header names with an underscore, which an environ cannot tell from those with a dash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Underscores {
    /// The application does not see them.
    Drop,
    /// The request is refused.
    Refuse,
    /// The application sees them, whoever sent them.
    Keep,
}

/// How an application is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interface {
    /// The callable shows it.
    Auto,
    /// `(environ, start_response)`, PEP 3333.
    Wsgi,
    /// `(scope)`, and what that returns `(receive, send)`: ASGI 2.
    Asgi2,
    /// `(scope, receive, send)`, a coroutine: ASGI 3.
    Asgi3,
}

/// How ASGI applications are run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asgi {
    /// The user has asked for an ASGI worker. A WSGI application then gets [`Settings::threads`], as if it ran beside an
    /// event loop; an ASGI one that comes unasked is served all the same, and the log says so.
    pub expected: bool,
    /// Whether the application is told of the start and the end of its worker.
    pub lifespan: Lifespan,
    /// The event loop: `auto` (uvloop where it is installed), `asyncio`, `uvloop`, or `module:factory`.
    pub event_loop: String,
    /// Requests in progress in a worker, beyond which further ones get 503. Default: no limit.
    pub limit_concurrency: Option<u32>,
    /// Prefix of the scope's `root_path`, and of the path; empty: [`Settings::script_name`].
    pub root_path: String,
    /// Run each request in an empty context rather than in a copy of the server's.
    pub reset_contextvars: bool,
    /// What WebSocket connections may cost.
    pub websocket: WebSocket,
}

impl Default for Asgi {
    fn default() -> Self {
        Asgi {
            expected: false,
            lifespan: Lifespan::Auto,
            event_loop: "auto".to_owned(),
            limit_concurrency: None,
            root_path: String::new(),
            reset_contextvars: false,
            websocket: WebSocket::default(),
        }
    }
}

/// What trusted peers are believed about their clients, by the headers that tell it. Default: the scheme only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Believed {
    /// The scheme, from the headers in [`HeaderRules::secure_scheme`].
    pub scheme: bool,
    /// The client, from X-Forwarded-For.
    pub client: bool,
    /// The host it asked for, from X-Forwarded-Host.
    pub host: bool,
    /// All three, from Forwarded (RFC 7239).
    pub forwarded: bool,
}

impl Believed {
    /// Nothing at all.
    pub const NOTHING: Believed = Believed {
        scheme: false,
        client: false,
        host: false,
        forwarded: false,
    };
}

impl Default for Believed {
    fn default() -> Self {
        Believed {
            scheme: true,
            ..Believed::NOTHING
        }
    }
}

/// Whether an application has a lifespan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifespan {
    /// If it knows what that is.
    Auto,
    /// It must: the worker does not start otherwise.
    On,
    /// It is not asked.
    Off,
}

impl Lifespan {
    /// As users write it.
    pub fn name(self) -> &'static str {
        match self {
            Lifespan::Auto => "auto",
            Lifespan::On => "on",
            Lifespan::Off => "off",
        }
    }
}

/// What a WebSocket connection may cost. The defaults are uvicorn's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebSocket {
    /// Whether there are any.
    pub enabled: bool,
    /// Size of a message in bytes, uncompressed. Default 16 MiB; over it: close code 1009.
    pub message_size: usize,
    /// Messages received and not yet taken by the application, before the socket is read no further. Default 32.
    pub queue: usize,
    /// How often a silent client is pinged. Default 20 s.
    pub ping_interval: Option<Duration>,
    /// How long it may take to answer. Default 20 s.
    pub ping_timeout: Option<Duration>,
    /// Offer permessage-deflate (RFC 7692). Default: yes.
    pub deflate: bool,
}

impl Default for WebSocket {
    fn default() -> Self {
        WebSocket {
            enabled: true,
            message_size: 16 << 20,
            queue: 32,
            ping_interval: Some(Duration::from_secs(20)),
            ping_timeout: Some(Duration::from_secs(20)),
            deflate: true,
        }
    }
}

/// Where the application comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Application {
    /// A dotted module and an expression in it: `app`, or a factory call `make_app("x", debug=True)`.
    Module {
        /// Dotted name, imported with `sys.path` as configured.
        module: String,
        /// What to take from it; the dialect's default (`application`) when the user named none.
        callable: String,
        /// Whether the user named the callable.
        callable_given: bool,
    },
    /// A Python file, run as a module of its own.
    File {
        /// Path of the file, relative to the directory after `chdir`.
        path: PathBuf,
        /// Name of the callable in it.
        callable: String,
    },
}

/// One listening socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bind {
    /// Where it listens.
    pub address: Address,
    /// What is spoken on it.
    pub wire: Wire,
    /// Peers that may connect by TCP; `None`: for a gateway [`Gateways::allow_from`], for HTTP everybody.
    pub allow_from: Option<Vec<String>>,
    /// Answers begin with HTTP's status line where FastCGI and SCGI have a `Status` field (uWSGI's nph sockets).
    pub status_line: bool,
}

impl Bind {
    /// A socket with the usual manners.
    pub fn new(address: Address, wire: Wire) -> Bind {
        Bind {
            address,
            wire,
            allow_from: None,
            status_line: false,
        }
    }

    /// Peers that may connect by TCP: addresses, networks, or `*`.
    pub fn peers(&self, gateways: &Gateways) -> Vec<String> {
        match &self.allow_from {
            Some(peers) => peers.clone(),
            None if self.wire.is_gateway() => gateways.allow_from.clone(),
            None => vec!["*".to_owned()],
        }
    }
}

/// Where a listening socket is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// Host (empty: every IPv4 address; an IPv6 address without brackets) and port (0: any free one).
    Tcp(String, u16),
    /// Path of a unix socket.
    Unix(PathBuf),
    /// A listening socket inherited under this descriptor number.
    Descriptor(i32),
}

/// The protocol spoken on a listening socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// HTTP/1.0 and HTTP/1.1.
    Http1,
    /// The uwsgi protocol, for `uwsgi_pass` and mod_proxy_uwsgi.
    Uwsgi,
    /// FastCGI 1.0, for `fastcgi_pass` and mod_proxy_fcgi.
    Fastcgi,
    /// SCGI, for `scgi_pass` and mod_proxy_scgi.
    Scgi,
}

impl Wire {
    /// As users write it, in addresses too.
    pub fn name(self) -> &'static str {
        match self {
            Wire::Http1 => "http",
            Wire::Uwsgi => "uwsgi",
            Wire::Fastcgi => "fastcgi",
            Wire::Scgi => "scgi",
        }
    }

    /// Whether it carries requests from a web server, which is believed, rather than from anybody.
    pub fn is_gateway(self) -> bool {
        self != Wire::Http1
    }
}

/// Listening sockets that speak a gateway protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gateways {
    /// Peers that may connect by TCP: addresses, networks, or `*`.
    pub allow_from: Vec<String>,
    /// What an application writes to `wsgi.errors` goes to the web server's error log, over FastCGI, instead of ours.
    pub fastcgi_stderr: bool,
}

/// PROXY headers at the beginning of connections.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProxyProtocol {
    /// Take headers of version 1.
    pub v1: bool,
    /// Take headers of version 2.
    pub v2: bool,
    /// Peers that may send them by TCP: addresses, networks, or `*`.
    pub allow_from: Vec<String>,
}

/// Rights of the unix sockets that the server creates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnixSocketRights {
    /// File mode set after bind, for example 0o660; `None` leaves what the umask gives.
    pub mode: Option<u32>,
    /// Mask in force while the socket is created.
    pub umask: Option<u32>,
    /// Owner: a name or a number.
    pub user: Option<String>,
    /// Group: a name or a number.
    pub group: Option<String>,
}

/// Sizes that a request may not exceed, in bytes unless said otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The request line without its line end. Default 8190; over it: 414.
    pub request_line: usize,
    /// Number of header fields. Default 100; over it: 431.
    pub fields: usize,
    /// One header field, name and value. Default 8190; over it: 431.
    pub field_size: usize,
    /// The whole head. Default 64 KiB; over it: 431.
    pub head: usize,
    /// The variables of a gateway request together. Default 65535; over it: 431.
    pub block: usize,
    /// The whole body; over it: 413. Default: none.
    pub body: Option<u64>,
    /// How much of a body is read into memory before the application is called. Default 1 MiB.
    pub body_buffer: usize,
    /// How much of a response is buffered for a slow client before the application has to wait. Default 1 MiB;
    /// with an event loop or greenlets, where waiting costs nothing, never more than 64 KiB.
    pub response_buffer: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            request_line: 8190,
            fields: 100,
            field_size: 8190,
            head: 64 << 10,
            block: 65535,
            body: None,
            body_buffer: 1 << 20,
            response_buffer: 1 << 20,
        }
    }
}

/// Times that nothing may exceed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// From the first byte of a request (or the accept) to the end of its head. Default 30 s.
    pub head: Duration,
    /// Between two reads of a body. Default 60 s.
    pub body: Duration,
    /// Between two writes that the client accepts something of. Default 60 s.
    pub write: Duration,
    /// A connection without a request in progress. Zero: close after each answer.
    pub keep_alive: Duration,
    /// How long a stop or a reload waits for requests in progress. Default 30 s.
    pub graceful: Duration,
    /// How long the application may take for one request before it is interrupted and the client gets 504. `None`: for ever.
    pub soft_deadline: Option<Duration>,
    /// How long the application may take for one request before its worker is killed. `None`: for ever.
    pub request_deadline: Option<Duration>,
}

/// Going into the background.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Daemonize {
    /// Standard output and error stay what they are.
    pub keep_output: bool,
    /// File that receives standard output and error; `None`: /dev/null.
    pub output: Option<PathBuf>,
}

/// Where log lines go and what they look like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logs {
    /// Least severity that is written.
    pub level: Level,
    /// Where the error log goes.
    pub error: LogTarget,
    /// Where the access log goes; `None`: there is none.
    pub access: Option<LogTarget>,
    /// The only requests that get a line; `None`: all do.
    pub only: Option<LogSelection>,
    /// Format of an access line, in the dialect's own notation.
    pub access_format: String,
    /// Lines go through a logger in Python, made of the dialect's own values (gunicorn's `logger_class` and the like).
    pub in_python: bool,
    /// Where numbers about requests and workers go, if anywhere.
    pub statsd: Option<StatsdSettings>,
    /// Once a second, say how many connections wait to be accepted: to StatsD, and at level debug.
    pub backlog_metric: bool,
    /// Redirect the processes' standard output and error into the error log's file.
    pub capture_output: bool,
    /// Colour the lines, where the dialect's have colours; `None`: where standard output is a terminal.
    pub colors: Option<bool>,
    /// Which processes the lines speak of.
    pub processes: Processes,
    /// Logs beside `error`.
    pub loggers: Loggers,
    /// Logs beside `access`.
    pub request_loggers: Loggers,
    /// Time in front of every line of the error log, in strftime's notation; empty: as the dialect has it.
    pub line_time: String,
    /// Notation of a request's time where the format asks for it by that name (uWSGI's `ftime`); empty: Apache's.
    pub request_time: String,
    /// When files of logs are set aside.
    pub rotation: Option<LogRotation>,
    /// Files of logs are emptied at start.
    pub truncate: bool,
    /// Mode of files of logs that are created; `None`: as the dialect has it.
    pub file_mode: Option<u32>,
    /// X-Forwarded-For, as it came, stands for the client in the access log.
    pub forwarded_client: bool,
}

/// The processes that users of a dialect expect, which decides what is said of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Processes {
    /// A server that is one process (uvicorn without `--workers`): the master is not mentioned, and TERM is what ends it.
    One,
    /// A parent and its children.
    Several,
    /// A parent that watches files (uvicorn `--reload`).
    Reloader,
}

/// A StatsD server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatsdSettings {
    /// Where it is.
    pub address: StatsdAddress,
    /// In front of every name; a dot is put between.
    pub prefix: String,
    /// Tags behind every number, as dogstatsd has them: `env:test,role:web`.
    pub tags: String,
}

/// The address of a StatsD server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatsdAddress {
    /// Host and UDP port.
    Udp(String, u16),
    /// Path of a unix datagram socket.
    Unix(PathBuf),
}

/// Where log lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogTarget {
    /// Standard error.
    Stderr,
    /// Standard output.
    Stdout,
    /// A file, appended to, reopened on USR1.
    File(PathBuf),
    /// The system's log (RFC 3164, over /dev/log).
    Syslog {
        /// In front of every line.
        name: String,
        /// What kind of program writes (RFC 3164, 4.1.1).
        facility: u8,
    },
    /// Another machine's log (RFC 3164, over UDP).
    RemoteSyslog {
        /// `HOST:PORT`
        address: String,
        /// In front of every line; empty: nothing.
        name: String,
    },
    /// A datagram for each line, to `HOST:PORT` or the path of a unix socket.
    Datagrams(String),
}

/// Severity of a line in the error log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Level {
    Debug,
    Info,
    Warning,
    Error,
    Critical,
}
