//! Access log formats: gunicorn's `%(h)s` and uWSGI's `%(addr)` become one list of atoms.
//!
//! Rules: a name nobody knows prints `-`, as both servers do; a format that is not well formed is an error at
//! start, not at the first request. It leaves out how atoms are printed (`line`).

use std::fmt;

use config::{Dialect, Level};

use crate::colors::level_prefix;

/// An access log format, ready to print lines.
#[derive(Clone, Debug, PartialEq)]
pub struct AccessFormat {
    pub(super) atoms: Vec<Atom>,
}

/// A part of a line.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Atom {
    Text(String),
    ClientAddress(Absent),
    /// `127.0.0.1:54321`; nothing for a unix socket.
    ClientAddressAndPort,
    BasicUser,
    Time(TimeStyle),
    RequestLine,
    Method,
    Target,
    DecodedPath,
    Query,
    Protocol,
    Status,
    /// `200 OK`
    StatusAndPhrase {
        colored: bool,
    },
    BodyBytes,
    HeadBytes,
    SentBytes,
    ContentLength,
    ResponseFieldCount,
    RequestField(String),
    ResponseField(String),
    Variable(String),
    Seconds,
    Milliseconds,
    Microseconds,
    SecondsAndMicroseconds,
    MicrosecondsWaited,
    EpochNow,
    EpochStart,
    EpochStartMilliseconds,
    EpochStartMicroseconds,
    Pid,
    Worker,
    Thread,
    /// Those of the application; -1 where it was not asked.
    RequestsOfWorker,
    RequestsTotal,
    /// uWSGI's number of the application: 0, or -1 where it was not asked.
    Application,
    /// ` via sendfile() ` and the like, and a space otherwise.
    Via,
    /// REMOTE_USER, as the web server or a rule names it.
    RemoteUser(Absent),
    ReadErrors,
    WriteErrors,
    /// Both.
    Errors,
    VariableCount,
    VariableBytes,
    /// The process's own memory, in bytes or in so many of them at a time.
    Resident(u64),
    AddressSpace(u64),
    /// The time in the notation of strftime.
    FormattedTime(String),
    /// What the application or a rule has noted for the log under this name.
    LogVariable(String),
}

/// What stands for a value that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Absent {
    Dash,
    Nothing,
}

/// How a time is written, in local time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TimeStyle {
    /// `22/Nov/2026:09:39:19 +0000`
    Apache,
    /// `Sun Nov 22 09:33:41 2026`
    Ctime,
}

/// A format that cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormatError {
    /// Byte offset of the `%` that is wrong.
    position: usize,
    reason: &'static str,
}

impl fmt::Display for FormatError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} (at character {})", self.reason, self.position + 1)
    }
}

impl std::error::Error for FormatError {}

impl AccessFormat {
    /// Compiles `format`, in uWSGI's notation under its dialect and in that of Python's `%` otherwise; `colored` is for
    /// uvicorn's names. Empty under uWSGI's
    /// dialect, and [`config::UWSGI_DEFAULT_FORMAT`], mean its default request line.
    ///
    /// # Errors
    /// A `%` that begins nothing that the notation knows.
    pub fn compile(format: &str, dialect: Dialect, colored: bool) -> Result<AccessFormat, FormatError> {
        let atoms = match dialect {
            Dialect::Uwsgi if format.is_empty() => {
                compile_uwsgi(config::UWSGI_DEFAULT_FORMAT, Absent::Nothing)?
            }
            // Its default line leaves out what is absent, where log-format puts a dash.
            Dialect::Uwsgi if format.contains(default_beginning()) => compile_uwsgi(format, Absent::Nothing)?,
            Dialect::Uwsgi => compile_uwsgi(format, Absent::Dash)?,
            Dialect::Gunicorn | Dialect::Native => compile_python(format, push_gunicorn)?,
            Dialect::Uvicorn => compile_python(format, |atoms, name| push_uvicorn(atoms, name, colored))?,
        };
        Ok(AccessFormat { atoms })
    }

    /// With `notation` for the times whose notation is left to the settings; empty: Apache's.
    pub(super) fn with_time(mut self, notation: &str) -> AccessFormat {
        for atom in &mut self.atoms {
            if let Atom::FormattedTime(own) = atom {
                match notation {
                    "" => *atom = Atom::Time(TimeStyle::Apache),
                    _ => notation.clone_into(own),
                }
            }
        }
        self
    }
}

/// What uWSGI's usual line has before its time, whatever the options are.
fn default_beginning() -> &'static str {
    let line = config::UWSGI_DEFAULT_FORMAT;
    line.split_once("%(msecs)")
        .map_or(line, |(beginning, _)| beginning)
}

/// Python's `%` notation with names: `%(h)s`, and `%%` for a percent sign.
fn compile_python(
    format: &str,
    mut push: impl FnMut(&mut Vec<Atom>, &str),
) -> Result<Vec<Atom>, FormatError> {
    let mut atoms = Vec::new();
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        let position = format.len() - rest.len() + at;
        push_text(&mut atoms, &rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('%') {
            push_text(&mut atoms, "%");
            rest = after;
            continue;
        }
        let Some((name, after)) = rest.strip_prefix('(').and_then(|rest| rest.split_once(')')) else {
            return Err(FormatError {
                position,
                reason: "'%' must be followed by '(name)s', or by another '%'",
            });
        };
        let Some(after) = after.strip_prefix(['s', 'd']) else {
            return Err(FormatError {
                position,
                reason: "'%(name)' must be followed by 's'",
            });
        };
        push(&mut atoms, name);
        rest = after;
    }
    push_text(&mut atoms, rest);
    Ok(atoms)
}

fn push_gunicorn(atoms: &mut Vec<Atom>, name: &str) {
    let atom = match name {
        "h" => Atom::ClientAddress(Absent::Dash),
        "u" => Atom::BasicUser,
        "t" => {
            push_text(atoms, "[");
            atoms.push(Atom::Time(TimeStyle::Apache));
            return push_text(atoms, "]");
        }
        "r" => Atom::RequestLine,
        "m" => Atom::Method,
        "U" => Atom::DecodedPath,
        "q" => Atom::Query,
        "H" => Atom::Protocol,
        "s" => Atom::Status,
        "B" | "b" => Atom::BodyBytes,
        "f" => Atom::RequestField("referer".to_owned()),
        "a" => Atom::RequestField("user-agent".to_owned()),
        "T" => Atom::Seconds,
        "D" => Atom::Microseconds,
        "M" => Atom::Milliseconds,
        "L" => Atom::SecondsAndMicroseconds,
        // Not one of gunicorn's, which prints a dash for it.
        "Q" => Atom::MicrosecondsWaited,
        "p" => {
            push_text(atoms, "<");
            atoms.push(Atom::Pid);
            return push_text(atoms, ">");
        }
        _ => match name.strip_prefix('{').and_then(|name| name.split_once('}')) {
            Some((field, "i" | "I")) => Atom::RequestField(field.to_owned()),
            Some((field, "o" | "O")) => Atom::ResponseField(field.to_owned()),
            Some((variable, "e" | "E")) => variable_atom(variable),
            _ => return push_text(atoms, "-"),
        },
    };
    atoms.push(atom);
}

/// The names of uvicorn's own formatter.
fn push_uvicorn(atoms: &mut Vec<Atom>, name: &str, colored: bool) {
    match name {
        "levelprefix" => push_text(atoms, &level_prefix(Level::Info, colored)),
        "client_addr" => atoms.push(Atom::ClientAddressAndPort),
        "request_line" if colored => {
            push_text(atoms, "\x1b[1m");
            atoms.push(Atom::RequestLine);
            push_text(atoms, "\x1b[0m");
        }
        "request_line" => atoms.push(Atom::RequestLine),
        "status_code" => atoms.push(Atom::StatusAndPhrase { colored }),
        _ => push_text(atoms, "-"),
    }
}

/// `%(name)`; every other `%` is text.
fn compile_uwsgi(format: &str, absent: Absent) -> Result<Vec<Atom>, FormatError> {
    let mut atoms = Vec::new();
    let mut rest = format;
    while let Some(at) = rest.find("%(") {
        let position = format.len() - rest.len() + at;
        push_text(&mut atoms, &rest[..at]);
        let Some((name, after)) = rest[at + 2..].split_once(')') else {
            return Err(FormatError {
                position,
                reason: "'%(name' lacks its ')'",
            });
        };
        // Values are escaped in a way that suits JSON too.
        let name = name.strip_prefix("json_").unwrap_or(name);
        match uwsgi_atom(name, absent) {
            Some(atom) => atoms.push(atom),
            None => push_text(&mut atoms, uwsgi_constant(name)),
        }
        rest = after;
    }
    push_text(&mut atoms, rest);
    Ok(atoms)
}

const MEGABYTE: u64 = 1 << 20;

fn uwsgi_atom(name: &str, absent: Absent) -> Option<Atom> {
    Some(match name {
        "uri" => Atom::Target,
        "method" => Atom::Method,
        "uagent" => Atom::RequestField("user-agent".to_owned()),
        "referer" => Atom::RequestField("referer".to_owned()),
        "host" => Atom::RequestField("host".to_owned()),
        "addr" => Atom::ClientAddress(absent),
        "proto" => Atom::Protocol,
        "status" => Atom::Status,
        "rsize" => Atom::BodyBytes,
        "hsize" => Atom::HeadBytes,
        "size" => Atom::SentBytes,
        "cl" => Atom::ContentLength,
        "headers" => Atom::ResponseFieldCount,
        "micros" => Atom::Microseconds,
        "msecs" => Atom::Milliseconds,
        "secs" => Atom::SecondsAndMicroseconds,
        "tmsecs" => Atom::EpochStartMilliseconds,
        "tmicros" => Atom::EpochStartMicroseconds,
        "time" => Atom::EpochStart,
        "epoch" => Atom::EpochNow,
        "ltime" => Atom::Time(TimeStyle::Apache),
        "ctime" => Atom::Time(TimeStyle::Ctime),
        "pid" => Atom::Pid,
        "wid" => Atom::Worker,
        "core" => Atom::Thread,
        "req" => Atom::RequestsOfWorker,
        "total" => Atom::RequestsTotal,
        "app" => Atom::Application,
        "via" => Atom::Via,
        "user" => Atom::RemoteUser(absent),
        "rerr" => Atom::ReadErrors,
        "werr" => Atom::WriteErrors,
        "ioerr" => Atom::Errors,
        "vars" => Atom::VariableCount,
        "pktsize" => Atom::VariableBytes,
        "rss" => Atom::Resident(1),
        "rssM" => Atom::Resident(MEGABYTE),
        "vsz" => Atom::AddressSpace(1),
        "vszM" => Atom::AddressSpace(MEGABYTE),
        "ftime" => Atom::FormattedTime(String::new()),
        _ => match name.strip_prefix("var.") {
            Some(variable) => variable_atom(variable),
            None if uwsgi_constant(name) == "-" => Atom::LogVariable(name.to_owned()),
            None => return None,
        },
    })
}

/// What is the same for every request here, and what nobody knows.
fn uwsgi_constant(name: &str) -> &'static str {
    match name {
        "modifier1" | "modifier2" => "0",
        "switches" => "1",
        _ => "-",
    }
}

/// A CGI variable; those that are fields are looked up as fields.
fn variable_atom(name: &str) -> Atom {
    let name = name.to_ascii_uppercase();
    match name.strip_prefix("HTTP_") {
        Some(field) => Atom::RequestField(field.replace('_', "-")),
        None if name == "CONTENT_TYPE" || name == "CONTENT_LENGTH" => {
            Atom::RequestField(name.replace('_', "-"))
        }
        None => Atom::Variable(name),
    }
}

/// Neighbouring texts become one.
fn push_text(atoms: &mut Vec<Atom>, text: &str) {
    if text.is_empty() {
        return;
    }
    match atoms.last_mut() {
        Some(Atom::Text(before)) => before.push_str(text),
        _ => atoms.push(Atom::Text(text.to_owned())),
    }
}
