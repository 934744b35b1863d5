//! The access log: one line for each request, in the notation of the dialect.
//!
//! Rules: a format is compiled once; making a line allocates nothing once the buffers have grown; lines are
//! gathered and leave in one `write(2)` when the caller flushes. It leaves out when to flush.

mod format;
mod line;

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use config::{Dialect, LogSelection, Logged, Logs};
use protocol::{RequestHead, ResponseHead, Version};

pub use format::{AccessFormat, FormatError};
use line::Scratch;

use crate::colors;
use crate::distributor::Distributor;
use crate::error_log::Relay;
use crate::sink::LogOpenError;

/// Gathered lines are written at this many bytes, even if nobody has flushed.
const FULL: usize = 64 << 10;

/// One request that was answered.
#[derive(Clone, Copy, Debug)]
pub struct AccessRecord<'a> {
    /// The request.
    pub head: &'a RequestHead,
    /// The status code sent.
    pub status: u16,
    /// The fields of the answer.
    pub response_fields: &'a ResponseHead,
    /// Bytes of body sent, without framing.
    pub body_bytes: u64,
    /// Bytes of head sent.
    pub head_bytes: u64,
    /// From the request's arrival to its answer.
    pub duration: Duration,
    /// How much of that was spent before the application took the request up.
    pub waited: Duration,
    /// The client's address; empty on a unix socket.
    pub client: &'a str,
    /// The client's port; 0 on a unix socket.
    pub client_port: u16,
    /// `http` or `https`.
    pub scheme: &'a str,
    /// The worker's number, from 1.
    pub worker_number: u32,
    /// The thread that called the application, from 0.
    pub thread: u32,
    /// Requests this worker has answered, this one included.
    pub requests_of_worker: u64,
    /// Requests all workers have answered, this one included.
    pub requests_total: u64,
    /// What the application or a rule has noted for the log, by name.
    pub noted: &'a [(String, String)],
    /// Who or what has answered.
    pub via: Via,
    /// It gets a line whatever the rules about that are.
    pub is_wanted: bool,
    /// The body could not be read to its end.
    pub read_failed: bool,
    /// The client was gone before it had the answer.
    pub write_failed: bool,
}

/// Who or what has answered a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Via {
    /// The application.
    #[default]
    Application,
    /// The application, with a file that the kernel sends.
    ApplicationFile,
    /// A file, without the application.
    File,
    /// A rule or another server.
    Rule,
}

impl Via {
    /// Whether the application was asked.
    pub fn is_application(self) -> bool {
        matches!(self, Via::Application | Via::ApplicationFile)
    }

    fn is_file(self) -> bool {
        matches!(self, Via::ApplicationFile | Via::File)
    }
}

/// What uvicorn's logger is told of a request.
#[derive(Clone, Copy, Debug)]
pub struct AccessedRequest<'a> {
    /// The client's address; empty on a unix socket.
    pub client: &'a str,
    /// The client's port; 0 on a unix socket.
    pub client_port: u16,
    /// The method as it was sent.
    pub method: &'a [u8],
    /// The target as it was sent.
    pub target: &'a [u8],
    /// `1.1`
    pub http_version: &'static str,
    /// The status code sent.
    pub status: u16,
}

impl<'a> AccessedRequest<'a> {
    fn of(record: &AccessRecord<'a>) -> AccessedRequest<'a> {
        AccessedRequest {
            client: record.client,
            client_port: record.client_port,
            method: record.head.method(),
            target: record.head.target(),
            http_version: match record.head.version() {
                Version::Http10 => "1.0",
                Version::Http11 => "1.1",
            },
            status: record.status,
        }
    }
}

/// The access log of one process.
#[derive(Debug)]
pub struct AccessLog {
    format: AccessFormat,
    sink: Distributor,
    forwarded_client: bool,
    /// The only requests that get a line.
    only: Option<LogSelection>,
    /// Writes the lines instead of the sink.
    relay: Option<Arc<dyn Relay>>,
    scratch: Scratch,
    /// Whole lines that have not been written yet.
    buffer: Vec<u8>,
    /// How many lines `buffer` holds.
    lines: u64,
}

impl AccessLog {
    /// Opens the log that `logs` asks for; `None` if it asks for none.
    ///
    /// # Errors
    /// The file cannot be opened for writing, or the format is not understood; the error names the option.
    pub fn open(logs: &Logs, dialect: Dialect) -> Result<Option<AccessLog>, LogOpenError> {
        let Some(target) = &logs.access else {
            return Ok(None);
        };
        let (file_option, format_option) = match dialect {
            Dialect::Uwsgi => ("logto", "log-format"),
            Dialect::Gunicorn | Dialect::Native => ("--access-logfile", "--access-logformat"),
            Dialect::Uvicorn => ("--access-log", "--log-config"),
        };
        let format = AccessFormat::compile(&logs.access_format, dialect, colors::wanted(logs))
            .map_err(|error| LogOpenError::format(format_option, error))?;
        let sink = Distributor::open(target, &logs.request_loggers, logs, dialect, file_option)?;
        Ok(Some(AccessLog {
            format: format.with_time(&logs.request_time),
            sink,
            forwarded_client: logs.forwarded_client,
            only: logs.only,
            relay: None,
            scratch: Scratch::load(),
            buffer: Vec::new(),
            lines: 0,
        }))
    }

    /// A log whose lines `relay` writes.
    ///
    /// # Errors
    /// The format is not understood.
    pub fn relayed(logs: &Logs, dialect: Dialect, relay: Arc<dyn Relay>) -> Result<AccessLog, LogOpenError> {
        let format = AccessFormat::compile(&logs.access_format, dialect, false)
            .map_err(|error| LogOpenError::format("--access-logformat", error))?;
        Ok(AccessLog {
            format,
            sink: Distributor::open(
                &config::LogTarget::Stdout,
                &config::Loggers::default(),
                logs,
                dialect,
                "--access-logfile",
            )?,
            forwarded_client: false,
            only: None,
            relay: Some(relay),
            scratch: Scratch::load(),
            buffer: Vec::new(),
            lines: 0,
        })
    }

    /// Whether no request gets a line but for those that are wanted.
    pub fn is_silent(&self) -> bool {
        self.only.is_some_and(|only| only.is_empty())
    }

    /// Adds the request's line. It is written with the next [`AccessLog::flush`], or when many have gathered.
    pub fn record(&mut self, record: &AccessRecord<'_>) {
        let logged = Logged {
            status: record.status,
            took: record.duration,
            body_bytes: record.body_bytes,
            is_file: record.via.is_file(),
            failed: record.read_failed || record.write_failed,
        };
        if !record.is_wanted && !self.only.is_none_or(|only| only.takes(logged)) {
            return;
        }
        if let Some(relay) = &self.relay
            && relay.request(&AccessedRequest::of(record))
        {
            return;
        }
        let forwarded = record
            .head
            .field("x-forwarded-for")
            .filter(|_| self.forwarded_client);
        let forwarded = forwarded.map(String::from_utf8_lossy);
        let record = &AccessRecord {
            client: forwarded.as_deref().unwrap_or(record.client),
            ..*record
        };
        self.format
            .push_line(&mut self.buffer, &mut self.scratch, record, SystemTime::now());
        self.lines += 1;
        if self.buffer.len() >= FULL {
            self.flush();
        }
    }

    /// Whether lines wait to be flushed.
    pub fn pending(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// Writes the gathered lines: to a file in one `write(2)`, to a pipe in pieces that cannot mix with those of
    /// other processes. Lines that cannot be written are dropped and counted.
    pub fn flush(&mut self) {
        if self.buffer.is_empty() {
            return;
        }
        match &self.relay {
            Some(relay) => String::from_utf8_lossy(&self.buffer)
                .lines()
                .for_each(|line| relay.access(line)),
            None => {
                self.sink.write(&self.buffer, self.lines);
            }
        }
        self.buffer.clear();
        self.lines = 0;
    }

    /// Lines that were dropped since this was last asked: for a line in the error log.
    pub fn take_lost(&self) -> u64 {
        self.sink.take_lost()
    }

    /// Writes what has gathered and opens the file anew under its name (USR1).
    ///
    /// # Errors
    /// The file cannot be opened; the old one stays in use.
    pub fn reopen(&mut self) -> io::Result<()> {
        self.flush();
        self.sink.reopen()
    }

    /// Gives the file to the user and group that workers will run as, so that they can reopen it.
    ///
    /// # Errors
    /// What `fchown` says.
    pub fn give_to(&self, user: Option<u32>, group: Option<u32>) -> io::Result<()> {
        self.sink.give_to(user, group)
    }
}

/// The last requests before a worker leaves are recorded too.
impl Drop for AccessLog {
    fn drop(&mut self) {
        self.flush();
    }
}
