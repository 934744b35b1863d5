//! Negotiating permessage-deflate (RFC 6455 9.1, RFC 7692 5 and 7.1).
//!
//! Rules: the first offer that is well-formed and can be met is taken; anything unknown or malformed in an offer
//! declines that offer, and a malformed field declines all of them. Nothing is agreed on that was not offered,
//! but for limits on the server's own side, which it may set itself.

use crate::syntax;

/// How the server would like to compress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compression {
    /// zlib's level, 1 (fast) to 9 (small).
    pub level: u32,
    /// Messages of fewer bytes are sent as they are.
    pub threshold: usize,
    /// The largest window the server deflates with, 9 to 15 bits: what a connection costs in memory.
    pub server_max_window_bits: u8,
    /// The largest window the client is asked to deflate with, where it lets itself be asked; 9 to 15 bits.
    pub client_max_window_bits: u8,
    /// The server forgets what it has sent after each message: less memory, larger messages.
    pub server_no_context_takeover: bool,
    /// The client is asked to do so.
    pub client_no_context_takeover: bool,
}

/// Windows of 4 KiB, as the `websockets` library has them; a fast level; small messages as they are.
impl Default for Compression {
    fn default() -> Compression {
        Compression {
            level: 3,
            threshold: 128,
            server_max_window_bits: 12,
            client_max_window_bits: 12,
            server_no_context_takeover: false,
            client_no_context_takeover: false,
        }
    }
}

/// What was agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Agreement {
    pub(super) level: u32,
    pub(super) threshold: usize,
    pub(super) server_max_window_bits: u8,
    pub(super) client_max_window_bits: u8,
    pub(super) server_no_context_takeover: bool,
    pub(super) client_no_context_takeover: bool,
    /// The client has said that it can be told how large its window may be.
    client_window_offered: bool,
}

/// The largest window of DEFLATE, and what holds where nothing is said (RFC 7692 7.1.2).
const LARGEST_WINDOW_BITS: u8 = 15;
/// zlib does not make raw streams with a window of 8 bits.
const SMALLEST_SERVER_WINDOW_BITS: u8 = 9;

impl Agreement {
    /// The first of the offers in these Sec-WebSocket-Extensions fields that can be met.
    pub(super) fn negotiate<'a>(
        fields: impl Iterator<Item = &'a [u8]>,
        wanted: &Compression,
    ) -> Option<Agreement> {
        let mut chosen = None;
        for field in fields {
            for offer in parse(field)? {
                chosen = chosen.or_else(|| Agreement::meet(&offer, wanted));
            }
        }
        chosen
    }

    fn meet(offer: &Offer<'_>, wanted: &Compression) -> Option<Agreement> {
        if offer.name != b"permessage-deflate" {
            return None;
        }
        let mut server_bits = None;
        let mut client_bits = None;
        let mut server_forgets = None;
        let mut client_forgets = None;
        for &(name, value) in &offer.parameters {
            let is_repeated = match (name, value) {
                (b"server_no_context_takeover", None) => server_forgets.replace(()).is_some(),
                (b"client_no_context_takeover", None) => client_forgets.replace(()).is_some(),
                (b"server_max_window_bits", Some(bits)) => server_bits.replace(window_bits(bits)?).is_some(),
                (b"client_max_window_bits", Some(bits)) => client_bits.replace(window_bits(bits)?).is_some(),
                (b"client_max_window_bits", None) => client_bits.replace(LARGEST_WINDOW_BITS).is_some(),
                _ => return None,
            };
            if is_repeated {
                return None;
            }
        }
        let server_max_window_bits = wanted
            .server_max_window_bits
            .min(server_bits.unwrap_or(LARGEST_WINDOW_BITS));
        if server_max_window_bits < SMALLEST_SERVER_WINDOW_BITS {
            return None;
        }
        Some(Agreement {
            level: wanted.level,
            threshold: wanted.threshold,
            server_max_window_bits,
            client_max_window_bits: client_bits.map_or(LARGEST_WINDOW_BITS, |bits| {
                bits.min(wanted.client_max_window_bits)
            }),
            server_no_context_takeover: server_forgets.is_some() || wanted.server_no_context_takeover,
            client_no_context_takeover: client_forgets.is_some() || wanted.client_no_context_takeover,
            client_window_offered: client_bits.is_some(),
        })
    }

    /// Writes the agreement as an element of the answer's Sec-WebSocket-Extensions.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"permessage-deflate");
        if self.server_no_context_takeover {
            out.extend_from_slice(b"; server_no_context_takeover");
        }
        if self.client_no_context_takeover {
            out.extend_from_slice(b"; client_no_context_takeover");
        }
        if self.server_max_window_bits < LARGEST_WINDOW_BITS {
            out.extend_from_slice(b"; server_max_window_bits=");
            out.extend_from_slice(itoa::Buffer::new().format(self.server_max_window_bits).as_bytes());
        }
        if self.client_window_offered {
            out.extend_from_slice(b"; client_max_window_bits=");
            out.extend_from_slice(itoa::Buffer::new().format(self.client_max_window_bits).as_bytes());
        }
    }
}

/// 8 to 15, without leading zeros (RFC 7692 7.1.2).
fn window_bits(text: &[u8]) -> Option<u8> {
    match text {
        [digit @ b'8'..=b'9'] => Some(digit - b'0'),
        [b'1', digit @ b'0'..=b'5'] => Some(10 + digit - b'0'),
        _ => None,
    }
}

/// One element of Sec-WebSocket-Extensions.
struct Offer<'a> {
    name: &'a [u8],
    parameters: Vec<(&'a [u8], Option<&'a [u8]>)>,
}

/// `token *( ";" token [ "=" ( token | quoted-string ) ] )`, separated by commas. A quoted value has to be a token
/// once unquoted (RFC 6455 9.1), so that no comma or semicolon can hide in it.
fn parse(field: &[u8]) -> Option<Vec<Offer<'_>>> {
    let mut offers = Vec::new();
    for element in syntax::list(field).filter(|element| !element.is_empty()) {
        let mut parts = element.split(|&byte| byte == b';').map(syntax::trim);
        let name = parts.next().filter(|name| syntax::is_token(name))?;
        let parameters = parts.map(parameter).collect::<Option<Vec<_>>>()?;
        offers.push(Offer { name, parameters });
    }
    Some(offers)
}

fn parameter(text: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    let Some(equals) = memchr::memchr(b'=', text) else {
        return syntax::is_token(text).then_some((text, None));
    };
    let (name, value) = (syntax::trim(&text[..equals]), syntax::trim(&text[equals + 1..]));
    let value = match value {
        [b'"', value @ .., b'"'] => value,
        value => value,
    };
    (syntax::is_token(name) && syntax::is_token(value)).then_some((name, Some(value)))
}
