//! The application, and how it is called: plain data; `interpreter` loads and calls it.

use std::path::PathBuf;
use std::time::Duration;

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
    /// The user has asked for an ASGI worker. A WSGI application then gets [`crate::Settings::threads`], as if it ran beside an
    /// event loop; an ASGI one that comes unasked is served all the same, and the log says so.
    pub expected: bool,
    /// Whether the application is told of the start and the end of its worker.
    pub lifespan: Lifespan,
    /// The event loop: `auto` (uvloop where it is installed), `asyncio`, `uvloop`, or `module:factory`.
    pub event_loop: String,
    /// Requests in progress in a worker, beyond which further ones get 503. Default: no limit.
    pub limit_concurrency: Option<u32>,
    /// Prefix of the scope's `root_path`, and of the path; empty: [`crate::Settings::script_name`].
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
