//! A request, and its answer if there is one already, as rules see them.

use std::fs::File;
use std::io::Read;

use protocol::Version;

use super::Subject;
use crate::commons::Commons;
use crate::exchange::Exchange;
use crate::files;

/// A request.
pub(super) struct Request<'a> {
    pub(super) exchange: &'a mut Exchange,
    /// The worker's number, from 1.
    pub(super) number: u32,
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Subject for Request<'_> {
    fn variable(&self, name: &str) -> String {
        let head = self.exchange.head();
        let field = |name: &str| head.field(name).map(text).unwrap_or_default();
        if let Some(given) = head.given_variable(name) {
            return text(given);
        }
        match name {
            "PATH_INFO" => text(&head.path_info()),
            "REQUEST_URI" => text(head.target()),
            "QUERY_STRING" => text(head.query()),
            "REQUEST_METHOD" => text(head.method()),
            "HTTP_HOST" => head.host().map(text).unwrap_or_default(),
            "REMOTE_ADDR" => self.exchange.client_address().to_owned(),
            "REMOTE_PORT" => self.exchange.client_port().to_string(),
            "SERVER_PROTOCOL" => match head.version() {
                Version::Http10 => "HTTP/1.0".to_owned(),
                Version::Http11 => "HTTP/1.1".to_owned(),
            },
            "CONTENT_LENGTH" => field("content-length"),
            "CONTENT_TYPE" => field("content-type"),
            other => match other.strip_prefix("HTTP_") {
                Some(name) => field(&name.replace('_', "-").to_lowercase()),
                None => self.further(other),
            },
        }
    }

    fn set(&mut self, name: &str, value: &str) -> bool {
        let work = &mut self.exchange.work;
        match name {
            "UWSGI_SCHEME" => work.origin.secure = value.eq_ignore_ascii_case("https"),
            "HTTPS" => work.origin.secure = matches!(value, "on" | "1"),
            // Whoever a proxy has named is no longer the client.
            "REMOTE_ADDR" => work.origin.client = Some((value.to_owned(), 0)),
            _ => {}
        }
        work.head.set_variable(name.as_bytes(), value.as_bytes())
    }

    fn status(&self) -> u16 {
        self.exchange.work.response.status()
    }

    fn answer_field(&self, name: &str) -> String {
        let mut fields = self.exchange.work.response.fields();
        let found = fields.find(|(known, _)| known.eq_ignore_ascii_case(name.as_bytes()));
        found.map(|(_, value)| text(value)).unwrap_or_default()
    }

    fn own(&self, key: &str) -> String {
        let work = &self.exchange.work;
        match key {
            "wid" => self.number.to_string(),
            "pid" => std::process::id().to_string(),
            "uuid" => uuid(),
            "status" => work.response.status().to_string(),
            "rtime" => work.called.elapsed().as_micros().to_string(),
            "rsize" => work.body_bytes.to_string(),
            _ => String::new(),
        }
    }

    fn media_type(&self, path: &str) -> String {
        files::media_type(path.as_ref()).unwrap_or_default()
    }

    fn commons(&self) -> Option<&dyn Commons> {
        self.exchange.front().commons.as_deref()
    }
}

impl Request<'_> {
    /// What a web server has sent, or what the listener is known by.
    fn further(&self, name: &str) -> String {
        match (self.exchange.head().variable(name), name) {
            (Some(value), _) => text(value),
            (None, "SERVER_NAME") => self.exchange.front().server_name.clone(),
            (None, "SERVER_PORT") => self.exchange.front().server_port.clone(),
            (None, "UWSGI_SCHEME" | "REQUEST_SCHEME") => self.exchange.scheme().to_owned(),
            (None, "HTTPS") if self.exchange.is_secure() => "on".to_owned(),
            (None, _) => String::new(),
        }
    }
}

/// A random one (RFC 9562 5.4); empty where the system has no randomness to read.
fn uuid() -> String {
    let mut bytes = [0_u8; 16];
    if File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .is_err()
    {
        return String::new();
    }
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let parts = [
        &digits[..8],
        &digits[8..12],
        &digits[12..16],
        &digits[16..20],
        &digits[20..],
    ];
    parts.join("-")
}
