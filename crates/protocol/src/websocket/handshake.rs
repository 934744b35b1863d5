//! The opening handshake (RFC 6455 4.2): from a request's head to the 101 that ends HTTP on its connection.
//!
//! Rules: a request that only mentions WebSocket stays an HTTP request; one that means it and gets it wrong is
//! refused, with what to answer. The 101's own fields are the codec's, an application adds others.
//!
//! Left out: whether to accept, which is the application's, and origins, which are its too.

use std::error::Error;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1_smol::Sha1;

use super::extension::{Agreement, Compression};
use super::{Codec, Limits};
use crate::event::Stamp;
use crate::request::{BodyLength, RequestHead, Version};
use crate::response::ResponseHead;
use crate::syntax;

/// What a key is joined with before it is hashed (RFC 6455 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A WebSocket asked for in due form.
#[derive(Clone, Debug)]
pub struct Handshake {
    /// The base64 of the key's hash: 28 bytes.
    accept: String,
    subprotocols: Vec<String>,
    compression: Option<Agreement>,
}

/// A WebSocket asked for in a way that cannot be granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HandshakeRefusal {
    /// Not GET (4.2.1).
    Method,
    /// No `Connection: upgrade` beside the Upgrade field and the key (4.2.1).
    Connection,
    /// A request body: where the first frame begins would be a matter of opinion.
    Body,
    /// Another version than 13, or none (4.2.2); the answer says which one there is.
    Version,
    /// No key (4.2.1).
    KeyMissing,
    /// More than one key (11.3.1).
    KeyTwice,
    /// A key that is not 16 bytes in base64 (4.2.1).
    KeySyntax,
    /// Subprotocols that are not tokens, one of them twice (4.1), or more than anybody speaks.
    Subprotocols,
}

/// An acceptance that cannot be sent. Shown to the application's author, never to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AcceptFault {
    /// A subprotocol that the client has not offered: it would end the connection.
    Subprotocol(String),
    /// A field that is the server's to send.
    Field(&'static str),
}

/// Subprotocols a client may offer: looking for repeats costs the square of it.
const MOST_SUBPROTOCOLS: usize = 100;

/// Fields of the 101 that an application may not give (4.2.2).
const OWN_FIELDS: [&str; 4] = [
    "Sec-WebSocket-Accept",
    "Sec-WebSocket-Extensions",
    "Sec-WebSocket-Protocol",
    "Sec-WebSocket-Version",
];

impl Handshake {
    /// Whether the request asks for a WebSocket, and what for. `None`: it is plain HTTP, as is everything of
    /// HTTP/1.0, in which Upgrade means nothing (RFC 9110 7.8). `wanted`: compression, if it may be agreed on.
    ///
    /// # Errors
    /// When it means to ask and the rules of RFC 6455 4.2.1 are broken.
    pub fn read(
        head: &RequestHead,
        wanted: Option<&Compression>,
    ) -> Result<Option<Handshake>, HandshakeRefusal> {
        if head.version() != Version::Http11 || !names(head, "Upgrade", b"websocket") {
            return Ok(None);
        }
        let mut keys = values(head, "Sec-WebSocket-Key");
        let key = keys.next();
        if !names(head, "Connection", b"upgrade") {
            // Upgrade counts only if Connection names it (RFC 9110 7.8). With a key it was surely meant.
            return match key {
                None => Ok(None),
                Some(_) => Err(HandshakeRefusal::Connection),
            };
        }
        if head.method() != b"GET" {
            return Err(HandshakeRefusal::Method);
        }
        if !matches!(head.body_length(), BodyLength::None | BodyLength::Known(0)) {
            return Err(HandshakeRefusal::Body);
        }
        let mut versions = values(head, "Sec-WebSocket-Version");
        if (versions.next(), versions.next()) != (Some(b"13"), None) {
            return Err(HandshakeRefusal::Version);
        }
        let key = key.ok_or(HandshakeRefusal::KeyMissing)?;
        if keys.next().is_some() {
            return Err(HandshakeRefusal::KeyTwice);
        }
        if STANDARD.decode(key).map_or(0, |bytes| bytes.len()) != 16 {
            return Err(HandshakeRefusal::KeySyntax);
        }
        let extensions = values(head, "Sec-WebSocket-Extensions");
        Ok(Some(Handshake {
            accept: accept(key),
            subprotocols: subprotocols(head)?,
            compression: wanted.and_then(|wanted| Agreement::negotiate(extensions, wanted)),
        }))
    }

    /// The subprotocols the client offers, most wanted first.
    pub fn subprotocols(&self) -> &[String] {
        &self.subprotocols
    }

    /// permessage-deflate will be spoken.
    pub fn is_compressed(&self) -> bool {
        self.compression.is_some()
    }

    /// Writes the 101 with the application's fields, which are in `head` (its status is not looked at), and begins
    /// the WebSocket. What follows the request's head in the input is for the codec.
    ///
    /// # Errors
    /// When the subprotocol was not offered or a field is not the application's to give; nothing is written then.
    pub fn accept(
        &self,
        subprotocol: Option<&str>,
        head: &ResponseHead,
        stamp: &Stamp,
        limits: Limits,
        out: &mut Vec<u8>,
    ) -> Result<Codec, AcceptFault> {
        if let Some(name) = subprotocol
            && !self.subprotocols.iter().any(|offered| offered == name)
        {
            return Err(AcceptFault::Subprotocol(name.to_owned()));
        }
        for own in OWN_FIELDS {
            if head
                .fields()
                .any(|(name, _)| name.eq_ignore_ascii_case(own.as_bytes()))
            {
                return Err(AcceptFault::Field(own));
            }
        }
        out.extend_from_slice(b"HTTP/1.1 101 Switching Protocols\r\n");
        put(b"Upgrade", b"websocket", out);
        put(b"Connection", b"Upgrade", out);
        put(b"Sec-WebSocket-Accept", self.accept.as_bytes(), out);
        if let Some(name) = subprotocol {
            put(b"Sec-WebSocket-Protocol", name.as_bytes(), out);
        }
        if let Some(agreement) = &self.compression {
            out.extend_from_slice(b"Sec-WebSocket-Extensions: ");
            agreement.put(out);
            out.extend_from_slice(b"\r\n");
        }
        // A 101 has no body (RFC 9110 8.6: nor a Content-Length).
        let (before, after) = head.lines_around_length();
        out.extend_from_slice(before);
        out.extend_from_slice(after);
        if stamp.dated && !head.has_date() {
            put(b"Date", &stamp.date, out);
        }
        if !head.has_server() && !stamp.server.is_empty() {
            put(b"Server", stamp.server.as_bytes(), out);
        }
        out.extend_from_slice(stamp.added.as_bytes());
        out.extend_from_slice(b"\r\n");
        Ok(Codec::new(limits, self.compression))
    }
}

fn put(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// The values of all fields of that name, in order.
fn values<'a>(head: &'a RequestHead, wanted: &'static str) -> impl Iterator<Item = &'a [u8]> {
    head.fields()
        .filter(|(name, _)| name.eq_ignore_ascii_case(wanted.as_bytes()))
        .map(|(_, value)| value)
}

/// A list field has that element, in any case.
fn names(head: &RequestHead, field: &'static str, element: &[u8]) -> bool {
    values(head, field)
        .flat_map(syntax::list)
        .any(|found| found.eq_ignore_ascii_case(element))
}

/// Sec-WebSocket-Accept for a key (4.2.2).
fn accept(key: &[u8]) -> String {
    let mut hash = Sha1::new();
    hash.update(key);
    hash.update(GUID);
    STANDARD.encode(hash.digest().bytes())
}

fn subprotocols(head: &RequestHead) -> Result<Vec<String>, HandshakeRefusal> {
    let mut found: Vec<String> = Vec::new();
    for name in values(head, "Sec-WebSocket-Protocol").flat_map(syntax::list) {
        if name.is_empty() {
            continue;
        }
        let is_new = !found.iter().any(|other| other.as_bytes() == name);
        match str::from_utf8(name) {
            Ok(text) if syntax::is_token(name) && is_new && found.len() < MOST_SUBPROTOCOLS => {
                found.push(text.to_owned())
            }
            _ => return Err(HandshakeRefusal::Subprotocols),
        }
    }
    Ok(found)
}

impl HandshakeRefusal {
    /// The status line of the answer.
    fn status(self) -> &'static [u8] {
        match self {
            HandshakeRefusal::Version => b"426 Upgrade Required",
            HandshakeRefusal::Method => b"405 Method Not Allowed",
            _ => b"400 Bad Request",
        }
    }

    /// Fills the head of the answer: the status, and what the client needs to know to get it right (4.4; RFC 9110
    /// 15.5.22 and 15.5.6).
    pub fn answer(self, head: &mut ResponseHead) {
        head.clear();
        head.set_status(self.status()).expect("a registered status");
        match self {
            HandshakeRefusal::Version => {
                head.push_own(b"Upgrade", b"websocket");
                head.push_own(b"Sec-WebSocket-Version", b"13");
            }
            HandshakeRefusal::Method => head.push_own(b"Allow", b"GET"),
            _ => {}
        }
        head.push_own(b"Content-Type", b"text/plain; charset=utf-8");
    }
}

impl fmt::Display for HandshakeRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            HandshakeRefusal::Method => "WebSocket handshake with a method other than GET",
            HandshakeRefusal::Connection => {
                "WebSocket handshake without Connection: upgrade (does a proxy in between drop it?)"
            }
            HandshakeRefusal::Body => "WebSocket handshake with a body",
            HandshakeRefusal::Version => "WebSocket version other than 13",
            HandshakeRefusal::KeyMissing => "WebSocket handshake without Sec-WebSocket-Key",
            HandshakeRefusal::KeyTwice => "more than one Sec-WebSocket-Key",
            HandshakeRefusal::KeySyntax => "Sec-WebSocket-Key is not 16 bytes in base64",
            HandshakeRefusal::Subprotocols => "malformed, repeated or too many Sec-WebSocket-Protocol names",
        })
    }
}

impl Error for HandshakeRefusal {}

impl fmt::Display for AcceptFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AcceptFault::Subprotocol(name) => {
                write!(f, "subprotocol {name:?} is not one that the client offers")
            }
            AcceptFault::Field(name) => write!(f, "header {name} is the server's to send"),
        }
    }
}

impl Error for AcceptFault {}
