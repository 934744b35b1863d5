//! Sizes and times that a request may not exceed: plain data; `worker` and `master` hold to it. Those of a worker are in
//! `worker_limits`.

use std::time::Duration;

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
    /// Requests of an event loop, and greenlets, may take longer than that as long as the loop, or the hub, turns: gunicorn's
    /// `timeout` is for workers that are stuck.
    pub spares_tasks: bool,
    /// How long the interpreter of a worker may give no answer before the worker is killed. `None`: nobody asks it.
    pub interpreter: Option<Duration>,
}
