//! `RequestHead`: one request's head, whatever the wire.
//!
//! Rules: the head owns its bytes in one arena (`text`) that is reused from request to request, and
//! everything else is a span of it; a head that has grown once costs no allocation again.
//! A codec fills it and has checked everything it says; readers only look.
//!
//! Left out: the body, and who the client is (forwarded fields are plain fields here).

use std::fmt;
use std::slice;

use crate::syntax::{self, hex_digit};

/// The version a request is served as. A minor version above 1 is served as 1.1 (RFC 9110 2.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0: closes by default, knows no chunks.
    Http10,
    /// HTTP/1.1.
    #[default]
    Http11,
}

/// How the length of a request's body is known (RFC 9112 6.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BodyLength {
    /// No body was announced.
    #[default]
    None,
    /// Content-Length, in bytes.
    Known(u64),
    /// `Transfer-Encoding: chunked`.
    Chunked,
}

/// A piece of the arena. Heads are far below 4 GiB: codecs limit them to `u32::MAX`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) length: u32,
}

impl Span {
    pub(crate) fn new(start: usize, length: usize) -> Span {
        Span {
            start: start as u32,
            length: length as u32,
        }
    }

    pub(crate) fn of(self, text: &[u8]) -> &[u8] {
        let start = self.start as usize;
        text.get(start..start + self.length as usize).unwrap_or_default()
    }
}

/// A field's name and value in the arena.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FieldSpan {
    pub(crate) name: Span,
    pub(crate) value: Span,
}

/// One request's head. Reused from request to request.
#[derive(Clone, Default)]
pub struct RequestHead {
    /// The head as received, plus what had to be written differently (an absolute target's authority).
    pub(crate) text: Vec<u8>,
    /// The fields in order, spans of `text`.
    pub(crate) fields: Vec<FieldSpan>,
    /// The CGI variables of a request that came by a gateway, in order, spans of `text`; empty over HTTP.
    pub(crate) variables: Vec<FieldSpan>,
    /// How much of `text` is the head as received, or the block of variables.
    received: usize,
    /// Variables that the server's own rules have given values.
    pub(crate) given: Vec<FieldSpan>,
    pub(crate) path_info: Option<Span>,
    pub(crate) script_name: Option<Span>,
    /// REMOTE_ADDR and REMOTE_PORT.
    pub(crate) client: Option<Span>,
    pub(crate) client_port: Option<Span>,
    /// HTTPS and UWSGI_SCHEME.
    pub(crate) https: Option<Span>,
    pub(crate) scheme: Option<Span>,
    /// The name of a variable that would have uWSGI load or set something.
    pub(crate) instruction: Option<Span>,
    pub(crate) method: Span,
    pub(crate) target: Span,
    /// Part of the target without query; points at a "/" of its own when an absolute target has no path.
    pub(crate) path: Span,
    pub(crate) query: Span,
    /// The effective host, absent when the request names none.
    pub(crate) host: Option<Span>,
    pub(crate) version: Version,
    pub(crate) body_length: BodyLength,
    pub(crate) expects_continue: bool,
    pub(crate) keep_alive: bool,
}

impl RequestHead {
    /// Forgets the request and keeps the memory.
    pub fn clear(&mut self) {
        self.text.clear();
        self.fields.clear();
        self.variables.clear();
        self.received = 0;
        self.given.clear();
        self.path_info = None;
        self.script_name = None;
        self.client = None;
        self.client_port = None;
        self.https = None;
        self.scheme = None;
        self.instruction = None;
        self.method = Span::default();
        self.target = Span::default();
        self.path = Span::default();
        self.query = Span::default();
        self.host = None;
        self.version = Version::default();
        self.body_length = BodyLength::None;
        self.expects_continue = false;
        self.keep_alive = false;
    }

    /// Forgets the request for the one whose head was received as `text`.
    pub(crate) fn begin(&mut self, text: &[u8]) {
        self.clear();
        self.text.extend_from_slice(text);
        self.received = text.len();
    }

    /// Makes it a GET of another path of this server, without a body: what a CGI script's local redirect asks for. False,
    /// and nothing changed, when the path could not have been asked for by a client.
    pub fn redirect_locally(&mut self, target: &[u8]) -> bool {
        let harmless = |byte: &u8| byte.is_ascii_graphic() && *byte != b'#';
        if !target.starts_with(b"/") || !target.iter().all(harmless) {
            return false;
        }
        let start = self.text.len();
        self.text.extend_from_slice(target);
        self.text.extend_from_slice(b"GET");
        self.target = Span::new(start, target.len());
        self.method = Span::new(start + target.len(), 3);
        let path = memchr::memchr(b'?', target).unwrap_or(target.len());
        self.path = Span::new(start, path);
        self.query = match target.len() - path {
            0 => Span::default(),
            rest => Span::new(start + path + 1, rest - 1),
        };
        self.path_info = None;
        self.body_length = BodyLength::None;
        true
    }

    /// Makes it a request for another host, as if the client had sent that one. False, and nothing changed, when it is not
    /// `host [ ":" port ]`.
    pub fn set_host(&mut self, host: &[u8]) -> bool {
        if !syntax::is_authority(host) {
            return false;
        }
        let value = append(&mut self.text, host);
        self.host = Some(value);
        replace(&mut self.text, &mut self.fields, b"Host", value);
        if self.has_variables() {
            replace(&mut self.text, &mut self.variables, b"HTTP_HOST", value);
        }
        true
    }

    /// The method, case kept: a token of at most 32 bytes.
    pub fn method(&self) -> &[u8] {
        self.method.of(&self.text)
    }

    /// Writes the method in capitals.
    pub fn uppercase_method(&mut self) {
        let (start, length) = (self.method.start as usize, self.method.length as usize);
        if let Some(method) = self.text.get_mut(start..start + length) {
            method.make_ascii_uppercase();
        }
    }

    /// The request target exactly as sent.
    pub fn target(&self) -> &[u8] {
        self.target.of(&self.text)
    }

    /// The path, still percent-encoded, without the query. `*` for `OPTIONS *`; never empty.
    pub fn path(&self) -> &[u8] {
        self.path.of(&self.text)
    }

    /// The CGI variables that a gateway request was made of, in order and as they came: where a name comes twice the last
    /// one counts. Those that every request needs are there even if the web server did not send them. Empty over HTTP.
    pub fn variables(&self) -> Fields<'_> {
        Fields {
            text: &self.text,
            spans: self.variables.iter(),
        }
    }

    /// The request came by a gateway: [`variables`](RequestHead::variables) are what the web server said of it.
    pub fn has_variables(&self) -> bool {
        !self.variables.is_empty()
    }

    /// The last variable of that name.
    pub fn variable(&self, name: &str) -> Option<&[u8]> {
        let named = self.variables().filter(|(other, _)| *other == name.as_bytes());
        Some(named.last()?.1)
    }

    /// Appends the path without percent-encoding: that of the target, or SCRIPT_NAME and PATH_INFO of a gateway request,
    /// which a web server may have rewritten.
    pub fn decoded_path(&self, out: &mut Vec<u8>) {
        match self.path_info {
            Some(path) => {
                let script = self.script_name.unwrap_or_default();
                out.extend_from_slice(script.of(&self.text));
                out.extend_from_slice(path.of(&self.text));
            }
            None => percent_decode(self.path(), out),
        }
    }

    /// The prefix that the web server says the application is mounted at, decoded; empty over HTTP.
    pub fn script_name(&self) -> &[u8] {
        self.script_name.unwrap_or_default().of(&self.text)
    }

    /// The client's address as the web server gives it; `None` over HTTP, and where it gives none.
    pub fn client_address(&self) -> Option<&str> {
        let text = self.client?.of(&self.text);
        std::str::from_utf8(text).ok().filter(|text| !text.is_empty())
    }

    /// The client's port as the web server gives it; 0 where it gives none.
    pub fn client_port(&self) -> u16 {
        let text = self.client_port.unwrap_or_default().of(&self.text);
        std::str::from_utf8(text)
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(0)
    }

    /// What the web server says in HTTPS, usually `on` where its client came by TLS.
    pub fn https_variable(&self) -> Option<&[u8]> {
        Some(self.https?.of(&self.text))
    }

    /// The client's scheme where the web server names it in UWSGI_SCHEME.
    pub fn scheme_variable(&self) -> Option<&[u8]> {
        let scheme = self.scheme?.of(&self.text);
        Some(scheme).filter(|scheme| !scheme.is_empty())
    }

    /// The name of a variable, such as UWSGI_FILE, that would have uWSGI load or set something. Here it is data.
    pub fn instruction(&self) -> Option<&[u8]> {
        Some(self.instruction?.of(&self.text))
    }

    /// What follows the first `?` of the target; empty when there is none.
    pub fn query(&self) -> &[u8] {
        self.query.of(&self.text)
    }

    /// The host the request is for, with its port if one was named. An absolute target's authority wins
    /// over the Host field (RFC 9112 3.2.2). `Some(b"")` for an empty Host field.
    pub fn host(&self) -> Option<&[u8]> {
        Some(self.host?.of(&self.text))
    }

    /// The version the request is served as.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The fields in order: names as sent, values without the white space around them. Where an absolute
    /// target named another host, the Host field has the target's authority.
    pub fn fields(&self) -> Fields<'_> {
        Fields {
            text: &self.text,
            spans: self.fields.iter(),
        }
    }

    /// The first field of that name, in any case.
    pub fn field(&self, name: &str) -> Option<&[u8]> {
        let wanted = name.as_bytes();
        self.fields()
            .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
            .map(|(_, value)| value)
    }

    /// How the body's length is known.
    pub fn body_length(&self) -> BodyLength {
        self.body_length
    }

    /// The head's bytes as they were received, whatever rules have changed since: over HTTP with the empty line that ends
    /// them, by a gateway the block of variables.
    pub fn as_received(&self) -> &[u8] {
        &self.text[..self.received]
    }

    /// The client waits for `100 Continue` before it sends the body (never true for 1.0, RFC 9110 10.1.1).
    pub fn expects_continue(&self) -> bool {
        self.expects_continue
    }

    /// The client wants the connection to stay open after the answer.
    pub fn keep_alive(&self) -> bool {
        self.keep_alive
    }
}

pub(crate) fn append(text: &mut Vec<u8>, added: &[u8]) -> Span {
    let start = text.len();
    text.extend_from_slice(added);
    Span::new(start, added.len())
}

/// Gives the fields of that name another value; if there is none, adds one.
pub(crate) fn replace(text: &mut Vec<u8>, fields: &mut Vec<FieldSpan>, name: &[u8], value: Span) {
    let mut found = false;
    for field in fields.iter_mut() {
        if field.name.of(text).eq_ignore_ascii_case(name) {
            field.value = value;
            found = true;
        }
    }
    if !found {
        let name = append(text, name);
        fields.push(FieldSpan { name, value });
    }
}

/// Shows the request line only: fields hold secrets (Authorization, Cookie) that logs must not repeat.
impl fmt::Debug for RequestHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestHead")
            .field("method", &String::from_utf8_lossy(self.method()))
            .field("target", &String::from_utf8_lossy(self.target()))
            .field("version", &self.version)
            .field("fields", &self.fields.len())
            .field("body_length", &self.body_length)
            .finish()
    }
}

/// The fields of a [`RequestHead`] in order, as `(name, value)`.
#[derive(Clone)]
pub struct Fields<'a> {
    text: &'a [u8],
    spans: slice::Iter<'a, FieldSpan>,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(text: &'a [u8], fields: &'a [FieldSpan]) -> Fields<'a> {
        Fields {
            text,
            spans: fields.iter(),
        }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let field = self.spans.next()?;
        Some((field.name.of(self.text), field.value.of(self.text)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.spans.size_hint()
    }
}

impl ExactSizeIterator for Fields<'_> {}

/// Decodes percent-escapes once and appends the result to `out`. What is not an escape (`%zz`, a `%` at
/// the end) stays as it is: whether that is an error is for the application.
pub fn percent_decode(path: &[u8], out: &mut Vec<u8>) {
    let mut rest = path;
    while let Some(at) = memchr::memchr(b'%', rest) {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at..];
        let escape = match rest {
            [_, high, low, ..] => hex_digit(*high).zip(hex_digit(*low)),
            _ => None,
        };
        match escape {
            Some((high, low)) => {
                out.push(high << 4 | low);
                rest = &rest[3..];
            }
            None => {
                out.push(b'%');
                rest = &rest[1..];
            }
        }
    }
    out.extend_from_slice(rest);
}

/// Appends a path with everything escaped that cannot stand in a target's (RFC 3986 3.3).
pub(crate) fn percent_encode(path: &[u8], out: &mut Vec<u8>) {
    for &byte in path {
        if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/".contains(&byte) {
            out.push(byte);
        } else {
            let digit = |value: u8| b"0123456789ABCDEF"[usize::from(value)];
            out.extend([b'%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{RequestHead, percent_decode};
    use crate::event::Limits;
    use crate::http1;

    #[test]
    fn a_head_can_be_read_again_from_what_was_received_whatever_has_been_changed() {
        let read = |bytes: &[u8]| {
            let mut head = RequestHead::default();
            http1::Codec::new(Limits::default()).receive(bytes, &mut head);
            head
        };
        for sent in [
            "GET / HTTP/1.0\r\n\r\n",
            "POST /a?b HTTP/1.1\r\nHost:  x \r\nContent-Length: 3\r\n\r\nabc",
            "GET http://other HTTP/1.1\r\nHost: x\r\n\r\n",
            "\r\nGET / HTTP/1.7\r\nHost: x\r\n\r\nGET /next HTTP/1.1\r\n\r\n",
        ] {
            let first = read(sent.as_bytes());
            let mut changed = first.clone();
            changed.set_host(b"rewritten");
            changed.set_variable(b"PATH_INFO", b"/rewritten");
            let again = read(changed.as_received());
            let what = |head: &RequestHead| {
                let fields: Vec<_> = head.fields().map(|(n, v)| (n.to_vec(), v.to_vec())).collect();
                let parts = [head.method(), head.target(), head.path(), head.query()].map(<[u8]>::to_vec);
                (parts, head.host().map(<[u8]>::to_vec), fields, head.body_length())
            };
            assert_eq!(what(&again), what(&first), "{sent:?}");
        }
        assert_eq!(RequestHead::default().as_received(), b"");
    }

    #[test]
    fn percent_escapes_are_decoded_once_and_the_rest_is_kept() {
        let table: [(&str, &[u8]); 8] = [
            ("/plain", b"/plain"),
            ("/a%20b", b"/a b"),
            ("/%2525", b"/%25"),
            ("/%zz%4", b"/%zz%4"),
            ("/%", b"/%"),
            ("%e2%82%AC", b"\xe2\x82\xac"),
            ("/%%41", b"/%A"),
            ("/%00", b"/\0"),
        ];
        for (path, expected) in table {
            let mut out = b"kept".to_vec();
            percent_decode(path.as_bytes(), &mut out);
            assert_eq!(&out[4..], expected, "{path}");
        }
    }
}
