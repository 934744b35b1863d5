//! Prints one access line from its atoms.
//!
//! Rules: whatever a client sent is escaped, so that a line stays one line and a quoted value stays quoted; times
//! are made into text once per second. It leaves out where the line goes.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use protocol::{RequestHead, Version, percent_decode, reason_phrase};

use super::format::{Absent, AccessFormat, Atom, TimeStyle};
use super::{AccessRecord, Via};
use crate::clock::LocalClock;
use crate::colors::of_status;
use crate::escape::push_value;

/// What making a line needs besides the request: kept, so that it is allocated once.
#[derive(Debug)]
pub(super) struct Scratch {
    clock: LocalClock,
    apache: SecondText,
    ctime: SecondText,
    /// A value that had to be decoded before it is escaped.
    decoded: Vec<u8>,
}

/// The text of a time, valid for one second.
#[derive(Debug)]
struct SecondText {
    notation: &'static str,
    second: u64,
    text: String,
}

impl Scratch {
    pub(super) fn load() -> Scratch {
        Scratch::with_clock(LocalClock::load())
    }

    pub(super) fn with_clock(clock: LocalClock) -> Scratch {
        let time = |notation| SecondText {
            notation,
            second: 0,
            text: clock.format(0, notation),
        };
        let (apache, ctime) = (time("%d/%b/%Y:%H:%M:%S %z"), time("%a %b %e %H:%M:%S %Y"));
        Scratch {
            clock,
            apache,
            ctime,
            decoded: Vec::new(),
        }
    }

    fn time(&mut self, style: TimeStyle, second: u64) -> &str {
        let cached = match style {
            TimeStyle::Apache => &mut self.apache,
            TimeStyle::Ctime => &mut self.ctime,
        };
        if cached.second != second {
            cached.text = self.clock.format(second, cached.notation);
            cached.second = second;
        }
        &cached.text
    }
}

impl AccessFormat {
    /// Appends the line of `record`, ended by a line feed. `now` is the time of logging.
    pub(super) fn push_line(
        &self,
        line: &mut Vec<u8>,
        scratch: &mut Scratch,
        record: &AccessRecord<'_>,
        now: SystemTime,
    ) {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        for atom in &self.atoms {
            push_atom(line, scratch, record, now, atom);
        }
        line.push(b'\n');
    }
}

fn push_atom(
    line: &mut Vec<u8>,
    scratch: &mut Scratch,
    record: &AccessRecord<'_>,
    now: Duration,
    atom: &Atom,
) {
    let AccessRecord { head, duration, .. } = record;
    match atom {
        Atom::Text(text) => line.extend_from_slice(text.as_bytes()),
        Atom::ClientAddress(Absent::Dash) if record.client.is_empty() => line.push(b'-'),
        Atom::ClientAddress(_) => push_value(line, record.client.as_bytes()),
        Atom::ClientAddressAndPort if record.client.is_empty() => {}
        Atom::ClientAddressAndPort => {
            // Without brackets around an IPv6 address, as uvicorn writes it.
            push_value(line, record.client.as_bytes());
            line.push(b':');
            push_number(line, u64::from(record.client_port));
        }
        Atom::BasicUser => push_basic_user(line, scratch, head.field("authorization")),
        Atom::Time(style) => line.extend_from_slice(scratch.time(*style, now.as_secs()).as_bytes()),
        Atom::RequestLine => {
            push_value(line, head.method());
            line.push(b' ');
            push_value(line, head.target());
            line.push(b' ');
            line.extend_from_slice(protocol_name(record));
        }
        Atom::Method => push_value(line, head.method()),
        Atom::Target => push_value(line, head.target()),
        Atom::DecodedPath => push_decoded_path(line, scratch, head.path()),
        Atom::Query => push_value(line, head.query()),
        Atom::Protocol => line.extend_from_slice(protocol_name(record)),
        Atom::Status => push_number(line, u64::from(record.status)),
        Atom::StatusAndPhrase { colored } => {
            if *colored {
                let color = format!("\x1b[{}m", of_status(record.status));
                line.extend_from_slice(color.as_bytes());
            }
            push_number(line, u64::from(record.status));
            line.push(b' ');
            line.extend_from_slice(reason_phrase(record.status).as_bytes());
            if *colored {
                line.extend_from_slice(b"\x1b[0m");
            }
        }
        Atom::BodyBytes => push_number(line, record.body_bytes),
        Atom::HeadBytes => push_number(line, record.head_bytes),
        Atom::SentBytes => push_number(line, record.head_bytes + record.body_bytes),
        Atom::ContentLength => push_value(line, head.field("content-length").unwrap_or(b"0")),
        Atom::ResponseFieldCount => push_number(line, record.response_fields.fields().len() as u64),
        Atom::RequestField(name) => push_or_dash(line, head.field(name)),
        Atom::ResponseField(name) => {
            let mut fields = record.response_fields.fields();
            let field = fields.find(|(field, _)| field.eq_ignore_ascii_case(name.as_bytes()));
            push_or_dash(line, field.map(|(_, value)| value));
        }
        Atom::Variable(name) => push_variable(line, scratch, record, name),
        Atom::Seconds => push_number(line, duration.as_secs()),
        Atom::Milliseconds => push_number(line, duration.as_millis() as u64),
        Atom::Microseconds => push_number(line, duration.as_micros() as u64),
        Atom::MicrosecondsWaited => push_number(line, record.waited.as_micros() as u64),
        Atom::SecondsAndMicroseconds => push_seconds(line, *duration),
        Atom::EpochNow => push_number(line, now.as_secs()),
        Atom::EpochStart => push_number(line, now.saturating_sub(*duration).as_secs()),
        Atom::EpochStartMilliseconds => push_number(line, now.saturating_sub(*duration).as_millis() as u64),
        Atom::EpochStartMicroseconds => push_number(line, now.saturating_sub(*duration).as_micros() as u64),
        Atom::Pid => push_number(line, u64::from(std::process::id())),
        Atom::Worker => push_number(line, u64::from(record.worker_number)),
        Atom::Thread => push_number(line, u64::from(record.thread)),
        Atom::RequestsOfWorker | Atom::Application if !record.via.is_application() => {
            line.extend_from_slice(b"-1");
        }
        Atom::Application => line.push(b'0'),
        Atom::Via => line.extend_from_slice(match record.via {
            Via::Application => b" ",
            Via::ApplicationFile | Via::File => b" via sendfile() ",
            Via::Rule => b" via route() ",
        }),
        Atom::RemoteUser(absent) => {
            let user = given(head, "REMOTE_USER").filter(|user| !user.is_empty());
            match (user, absent) {
                (Some(user), _) => push_value(line, user),
                (None, Absent::Dash) => line.push(b'-'),
                (None, Absent::Nothing) => {}
            }
        }
        Atom::ReadErrors => push_number(line, u64::from(record.read_failed)),
        Atom::WriteErrors => push_number(line, u64::from(record.write_failed)),
        Atom::Errors => push_number(
            line,
            u64::from(record.read_failed) + u64::from(record.write_failed),
        ),
        Atom::RequestsOfWorker => push_number(line, record.requests_of_worker),
        Atom::RequestsTotal => push_number(line, record.requests_total),
        Atom::VariableCount => push_number(line, variables(record).0),
        Atom::VariableBytes => push_number(line, variables(record).1),
        Atom::Resident(unit) => push_number(line, own_memory().resident / unit),
        Atom::AddressSpace(unit) => push_number(line, own_memory().address_space / unit),
        Atom::FormattedTime(notation) => {
            let text = scratch.clock.format(now.as_secs(), notation);
            line.extend_from_slice(text.as_bytes());
        }
        Atom::LogVariable(name) => {
            let noted = record.noted.iter().rfind(|(known, _)| known == name);
            push_or_dash(line, noted.map(|(_, value)| value.as_bytes()));
        }
    }
}

fn own_memory() -> sys::ProcessMemory {
    sys::process_memory(std::process::id()).unwrap_or_default()
}

fn push_number(line: &mut Vec<u8>, number: u64) {
    line.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

fn push_seconds(line: &mut Vec<u8>, duration: Duration) {
    push_number(line, duration.as_secs());
    let mut digits = *b".000000";
    let mut rest = duration.subsec_micros();
    for digit in digits[1..].iter_mut().rev() {
        *digit += (rest % 10) as u8;
        rest /= 10;
    }
    line.extend_from_slice(&digits);
}

fn push_or_dash(line: &mut Vec<u8>, value: Option<&[u8]>) {
    match value {
        Some(value) if !value.is_empty() => push_value(line, value),
        _ => line.push(b'-'),
    }
}

fn push_decoded_path(line: &mut Vec<u8>, scratch: &mut Scratch, path: &[u8]) {
    scratch.decoded.clear();
    percent_decode(path, &mut scratch.decoded);
    push_value(line, &scratch.decoded);
}

fn protocol_name(record: &AccessRecord<'_>) -> &'static [u8] {
    match record.head.version() {
        Version::Http10 => b"HTTP/1.0",
        Version::Http11 => b"HTTP/1.1",
    }
}

/// What a rule has set, or the web server sent.
fn given<'a>(head: &'a RequestHead, name: &str) -> Option<&'a [u8]> {
    head.given_variable(name).or_else(|| head.variable(name))
}

/// CGI variables that are not fields: those that were given, and what the server itself knows.
fn push_variable(line: &mut Vec<u8>, scratch: &mut Scratch, record: &AccessRecord<'_>, name: &str) {
    let head = record.head;
    if let Some(value) = given(head, name) {
        return push_or_dash(line, Some(value));
    }
    match name {
        "REQUEST_METHOD" => push_value(line, head.method()),
        "REQUEST_URI" | "RAW_URI" => push_value(line, head.target()),
        "PATH_INFO" => push_decoded_path(line, scratch, head.path()),
        "QUERY_STRING" => push_value(line, head.query()),
        "SERVER_PROTOCOL" => line.extend_from_slice(protocol_name(record)),
        "REMOTE_ADDR" => push_or_dash(line, Some(record.client.as_bytes())),
        "REMOTE_PORT" if record.client_port > 0 => push_number(line, u64::from(record.client_port)),
        "REQUEST_SCHEME" | "WSGI.URL_SCHEME" => line.extend_from_slice(record.scheme.as_bytes()),
        _ => push_or_dash(line, added_variable(record, name)),
    }
}

/// What the application has added to the request's variables: noted as `var.NAME`.
fn added_variable<'a>(record: &AccessRecord<'a>, name: &str) -> Option<&'a [u8]> {
    let added = record
        .noted
        .iter()
        .rfind(|(known, _)| known.strip_prefix("var.") == Some(name));
    added.map(|(_, value)| value.as_bytes())
}

/// How many CGI variables the request would be in uWSGI's protocol, and their size in its packet: about what
/// uWSGI prints, which counts its own variables too.
fn variables(record: &AccessRecord<'_>) -> (u64, u64) {
    /// Two bytes of length before each name and each value.
    const LENGTHS: usize = 4;
    const HTTP: usize = "HTTP_".len();
    let head = record.head;
    let own = [
        ("REQUEST_METHOD", head.method().len()),
        ("REQUEST_URI", head.target().len()),
        ("PATH_INFO", head.path().len()),
        ("QUERY_STRING", head.query().len()),
        ("SERVER_PROTOCOL", "HTTP/1.1".len()),
        ("REMOTE_ADDR", record.client.len()),
    ];
    let own_bytes: usize = own.iter().map(|(name, value)| LENGTHS + name.len() + value).sum();
    let fields = head.fields();
    let count = own.len() + fields.len();
    let bytes: usize = fields
        .map(|(name, value)| LENGTHS + HTTP + name.len() + value.len())
        .sum();
    (count as u64, (own_bytes + bytes) as u64)
}

/// The user of `Basic` credentials (RFC 7617), or a dash. The password never reaches the log.
fn push_basic_user(line: &mut Vec<u8>, scratch: &mut Scratch, authorization: Option<&[u8]>) {
    scratch.decoded.clear();
    if let Some((scheme, credentials)) = authorization.and_then(|value| value.split_at_checked(6))
        && scheme.eq_ignore_ascii_case(b"basic ")
        && decode_base64(credentials.trim_ascii(), &mut scratch.decoded)
        && let Some(colon) = scratch.decoded.iter().position(|&byte| byte == b':')
    {
        return push_or_dash(line, Some(&scratch.decoded[..colon]));
    }
    line.push(b'-');
}

/// Appends what `text` encodes (RFC 4648, 4); says whether it was well formed.
fn decode_base64(text: &[u8], out: &mut Vec<u8>) -> bool {
    let padding = text.iter().rev().take_while(|&&byte| byte == b'=').count();
    let mut bits = 0_u32;
    let mut held = 0;
    for &byte in &text[..text.len() - padding] {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return false,
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held) as u8);
        }
    }
    padding <= 2
}

#[cfg(test)]
mod tests;
