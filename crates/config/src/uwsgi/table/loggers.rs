//! What uWSGI's options mean here that say where lines of the log go and what becomes of them on the way.

use std::path::PathBuf;

use super::{Draft, Entry, always, at_start, does, does_with_text, natural};
use crate::uwsgi::known::is_on;
use crate::{LinePattern, LogEncoder, LogTarget, Logger, Loggers, Pattern, RedisLog};

/// `LOG_DAEMON` (RFC 3164, 4.1.1), as uWSGI has it.
const DAEMON: u8 = 3;

/// Facilities of syslog, by name.
const FACILITIES: [(&str, u8); 20] = [
    ("kern", 0),
    ("user", 1),
    ("mail", 2),
    ("daemon", DAEMON),
    ("auth", 4),
    ("syslog", 5),
    ("lpr", 6),
    ("news", 7),
    ("uucp", 8),
    ("cron", 9),
    ("authpriv", 10),
    ("ftp", 11),
    ("local0", 16),
    ("local1", 17),
    ("local2", 18),
    ("local3", 19),
    ("local4", 20),
    ("local5", 21),
    ("local6", 22),
    ("local7", 23),
];

/// `[NAME ]KIND[:ARGUMENT]`. Of kinds that are not there it is said, and lines go where they would without it.
fn logger(draft: &mut Draft<'_>, value: &str) -> Result<Option<Logger>, String> {
    let (name, plain) = match value.split_once(' ') {
        Some((name, rest)) if !name.contains(':') => (Some(name.to_owned()), rest.trim_start()),
        _ => (None, value),
    };
    let (kind, argument) = plain.split_once(':').unwrap_or((plain, ""));
    let target = match (kind, argument) {
        ("stdio", _) | ("fd", "1") => LogTarget::Stdout,
        ("fd", "2") => LogTarget::Stderr,
        ("file", path) if path.starts_with("logfile=") => LogTarget::File(file(draft, path)?),
        ("file", path) if !path.is_empty() => LogTarget::File(at_start(draft, path)),
        ("file", _) => return Err("the file has no path: write file:PATH".to_owned()),
        ("syslog", argument) => syslog(argument)?,
        ("rsyslog", argument) => {
            let (address, name) = argument.split_once(',').unwrap_or((argument, ""));
            LogTarget::RemoteSyslog {
                address: with_port(address, 514)?,
                name: name.to_owned(),
            }
        }
        ("pipe", command) if !command.trim().is_empty() => LogTarget::Program(command.trim().to_owned()),
        ("pipe", _) => return Err("the program is missing: write pipe:COMMAND".to_owned()),
        ("redislog", argument) => LogTarget::Redis(redis(argument)),
        ("socket", address) if !address.is_empty() => {
            let address = address.split(',').next().unwrap_or_default();
            LogTarget::Datagrams(address.to_owned())
        }
        _ => {
            draft.notices.push(format!(
                "there is no logger '{kind}' here: take stdio, file:PATH, fd:2, syslog, rsyslog:HOST:PORT, \
                 socket:HOST:PORT, pipe:COMMAND or redislog; lines go where they would without it"
            ));
            return Ok(None);
        }
    };
    Ok(Some(Logger { name, target }))
}

/// `logfile=PATH,maxsize=BYTES`: the size is that of all log files.
fn file(draft: &mut Draft<'_>, argument: &str) -> Result<PathBuf, String> {
    let mut path = PathBuf::new();
    for part in argument.split(',') {
        match part.split_once('=').unwrap_or((part, "")) {
            ("logfile", name) => path = at_start(draft, name),
            ("maxsize", bytes) => draft.log_size = crate::defaults::unless_zero(natural(bytes)?),
            (key, _) => {
                return Err(format!(
                    "a file has no '{key}' here: take logfile and maxsize, and log-backupname for the name of the old one"
                ));
            }
        }
    }
    Ok(path)
}

/// `[PASSWORD@][HOST:PORT][/DATABASE][,COMMAND[,PREFIX]]`
fn redis(argument: &str) -> RedisLog {
    let (password, rest) = match argument.split_once('@') {
        Some((password, rest)) => (Some(password.to_owned()), rest),
        None => (None, argument),
    };
    let mut parts = rest.splitn(3, ',');
    let server = parts.next().unwrap_or_default();
    let (address, database) = match server.split_once('/') {
        Some((address, database)) => (address, Some(database.to_owned())),
        None => (server, None),
    };
    let command = parts.next().filter(|command| !command.trim().is_empty());
    RedisLog {
        address: if address.is_empty() {
            "127.0.0.1:6379"
        } else {
            address
        }
        .to_owned(),
        password,
        database: database.filter(|database| !database.is_empty()),
        command: command
            .unwrap_or("publish uwsgi")
            .split_whitespace()
            .map(str::to_owned)
            .collect(),
        prefix: parts.next().unwrap_or_default().to_owned(),
    }
}

/// `[NAME][,FACILITY]`
fn syslog(argument: &str) -> Result<LogTarget, String> {
    let (name, facility) = argument.split_once(',').unwrap_or((argument, "daemon"));
    let number = FACILITIES.iter().find(|(known, _)| *known == facility);
    let (_, facility) = number.ok_or_else(|| {
        let names: Vec<_> = FACILITIES.iter().map(|(name, _)| *name).collect();
        format!(
            "syslog has no facility '{facility}': take one of {}",
            names.join(", ")
        )
    })?;
    Ok(LogTarget::Syslog {
        name: if name.is_empty() { "uwsgi" } else { name }.to_owned(),
        facility: *facility,
    })
}

fn with_port(address: &str, port: u16) -> Result<String, String> {
    match address.rsplit_once(':') {
        _ if address.is_empty() => Err("the address is missing: write rsyslog:HOST:PORT".to_owned()),
        Some(_) => Ok(address.to_owned()),
        None => Ok(format!("{address}:{port}")),
    }
}

/// `KIND[:LOGGER] ARGUMENTS`
fn encoder(loggers: &mut Loggers, value: &str) -> Result<(), String> {
    let (kind, arguments) = value.split_once(' ').unwrap_or((value, ""));
    let (kind, name) = match kind.split_once(':') {
        Some((kind, name)) => (kind, Some(name.to_owned())),
        None => (kind, None),
    };
    let text = arguments.to_owned();
    let encoder = match kind {
        "prefix" => LogEncoder::Prefix(text),
        "suffix" => LogEncoder::Suffix(text),
        "nl" => LogEncoder::NewLine,
        "format" => LogEncoder::Template { text, json: false },
        "json" => LogEncoder::Template { text, json: true },
        _ => {
            return Err(format!(
                "there is no encoder '{kind}' here: take format, json, nl, prefix or suffix"
            ));
        }
    };
    loggers.encoders.push((name, encoder));
    Ok(())
}

/// `NAME PATTERN`
fn route(loggers: &mut Loggers, value: &str) -> Result<(), String> {
    let (name, pattern) = value
        .split_once(' ')
        .ok_or_else(|| format!("'{value}' has to be LOGGER PATTERN"))?;
    loggers
        .routes
        .push((name.to_owned(), line_pattern(pattern.trim_start())?));
    Ok(())
}

/// A pattern as PCRE takes it: a brace that begins no repetition is a brace, and `^((?!X).)*$` means any line without X.
pub(super) fn line_pattern(text: &str) -> Result<LinePattern, String> {
    let without = text
        .strip_prefix("^((?!")
        .and_then(|rest| rest.strip_suffix(").)*$"));
    let (text, negated) = without.map_or((text, false), |inner| (inner, true));
    let pattern = Pattern::new(text).or_else(|reason| {
        Pattern::new(&text.replace('{', "\\{").replace("\\\\{", "\\{")).map_err(|_| reason)
    })?;
    Ok(LinePattern { pattern, negated })
}

/// Alone or true it is ctime's notation.
fn line_time(draft: &mut Draft<'_>, value: &str) -> Result<(), String> {
    let usual = matches!(value, "" | "true" | "True" | "1" | "on" | "yes");
    let notation = if usual { "%a %b %e %H:%M:%S %Y" } else { value };
    if !matches!(value, "false" | "False" | "0" | "no" | "off") {
        draft.settings.logs.line_time = format!("{notation} - ");
        draft.log_date = Some(notation.to_owned()).filter(|_| !usual);
    }
    Ok(())
}

/// The entries, in the order of the compatibility page.
pub(super) const ENTRIES: &[Entry] = &[
    does_with_text(
        &["logger"],
        "[NAME ]stdio, file:PATH, fd:2, syslog[:NAME[,FACILITY]], rsyslog:HOST:PORT[,NAME], socket:HOST:PORT, pipe:COMMAND (a \
         program that the shell runs as the master's user, started again when it ends) or \
         redislog[:[PASSWORD@]HOST:PORT[/DATABASE][,COMMAND[,PREFIX]]]: log there; may be repeated.",
        |d, v| {
            let one = logger(d, v)?;
            d.settings.logs.loggers.loggers.extend(one);
            Ok(())
        },
    ),
    does_with_text(
        &["req-logger", "logger-req"],
        "As logger, for the lines of requests.",
        |d, v| {
            let one = logger(d, v)?;
            d.settings.logs.request_loggers.loggers.extend(one);
            Ok(())
        },
    ),
    does_with_text(&["log-syslog"], "As logger = syslog:NAME.", |d, v| {
        let one = logger(d, &format!("syslog:{v}"))?;
        d.settings.logs.loggers.loggers.extend(one);
        Ok(())
    }),
    does_with_text(&["log-socket"], "As logger = socket:HOST:PORT.", |d, v| {
        let one = logger(d, &format!("socket:{v}"))?;
        d.settings.logs.loggers.loggers.extend(one);
        Ok(())
    }),
    does_with_text(
        &["log-route"],
        "NAME PATTERN: lines that match go to the logger of this name, and nowhere else; may be repeated.",
        |d, v| route(&mut d.settings.logs.loggers, v),
    ),
    does_with_text(
        &["log-req-route"],
        "As log-route, for the lines of requests and req-logger.",
        |d, v| route(&mut d.settings.logs.request_loggers, v),
    ),
    does_with_text(
        &["log-filter"],
        "PATTERN: only lines that match are written; may be repeated.",
        |d, v| {
            let pattern = line_pattern(v)?;
            d.settings.logs.loggers.kept.push(pattern);
            Ok(())
        },
    ),
    does_with_text(
        &["log-drain"],
        "PATTERN: lines that match are not written; may be repeated.",
        |d, v| {
            let pattern = line_pattern(v)?;
            d.settings.logs.loggers.dropped.push(pattern);
            Ok(())
        },
    ),
    does_with_text(
        &["log-encoder"],
        "KIND[:LOGGER] TEXT: what becomes of each line: format, json, nl, prefix or suffix; may be repeated.",
        |d, v| encoder(&mut d.settings.logs.loggers, v),
    ),
    does_with_text(
        &["log-req-encoder"],
        "As log-encoder, for the lines of requests and req-logger.",
        |d, v| encoder(&mut d.settings.logs.request_loggers, v),
    ),
    does_with_text(
        &["log-date", "logdate", "log-prefix"],
        "The time in front of each line, as ctime has it or in strftime's notation.",
        line_time,
    ),
    does(
        &["logformat-strftime", "log-format-strftime"],
        "%(ftime) in log-format has the notation of log-date.",
        |d, v| {
            d.formatted_time = is_on(v);
            Ok(())
        },
    ),
    does(
        &["log-maxsize"],
        "Size of a log file in bytes from which on it is set aside.",
        |d, v| {
            d.log_size = crate::defaults::unless_zero(natural(v)?);
            Ok(())
        },
    ),
    does(
        &["log-backupname"],
        "What a log file is called once it is set aside; default its name, a dot, and the seconds since 1970.",
        |d, v| {
            d.log_backup = Some(at_start(d, v));
            Ok(())
        },
    ),
    does(&["log-truncate"], "Empty log files at start.", |d, v| {
        d.settings.logs.truncate = is_on(v);
        Ok(())
    }),
    does(&["logfile-chmod"], "Mode of log files, octal.", |d, v| {
        let mode = u32::from_str_radix(v, 8).map_err(|_| format!("'{v}' is not an octal number"))?;
        d.settings.logs.file_mode = Some(mode & 0o777);
        Ok(())
    }),
    does(
        &["log-x-forwarded-for"],
        "X-Forwarded-For, as it came, stands for the client in the lines of requests.",
        |d, v| {
            d.settings.logs.forwarded_client = is_on(v);
            Ok(())
        },
    ),
    does(
        &["log-micros"],
        "The usual line of a request has its time in microseconds.",
        |d, v| {
            d.log_micros = is_on(v);
            Ok(())
        },
    ),
    always(&["log-reopen"], "Log files are opened anew at every reload."),
    always(
        &["logfile-chown"],
        "Log files belong to the user that workers run as.",
    ),
    always(
        &["log-master-req-stream"],
        "Writing a line never waits for another process.",
    ),
    always(
        &["rsyslog-packet-size", "rsyslog-split-messages"],
        "A line for rsyslog is one datagram of at most 8 KiB.",
    ),
];
