//! The Forwarded field (RFC 7239): what each proxy on the way says of the hop before it.
//!
//! Rules: a value that is not what RFC 7239 4 allows is refused as a whole, since half of it could mean something else than
//! its sender meant; white space beside semicolons, which many senders write, is allowed. Identifiers that hide an address
//! (`unknown`, `_secret`) are understood and name nobody. Left out: whom to believe, which is the worker's; `by`, which
//! nobody needs; extensions.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::syntax;

/// What one proxy says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hop<'a> {
    /// Who came to it, and from which port if it says so.
    pub client: Option<(IpAddr, Option<u16>)>,
    /// Whether that was by TLS (`https` or `wss`), if it names a scheme of HTTP's or WebSocket's.
    pub secure: Option<bool>,
    /// The Host that was asked for.
    pub host: Option<Cow<'a, [u8]>>,
}

/// A field that is not what RFC 7239 4 allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Reads the value of a Forwarded field: the hops, the client's first, the nearest proxy's last. Repeated fields are one
/// whose values are joined by commas.
///
/// # Errors
/// When it is malformed anywhere.
pub fn hops(value: &[u8]) -> Result<Vec<Hop<'_>>, Malformed> {
    let mut hops = Vec::new();
    let mut rest = syntax::trim(value);
    while !rest.is_empty() {
        // Empty members of a list are to be ignored (RFC 9110 5.6.1.2).
        if let Some(after) = rest.strip_prefix(b",") {
            rest = syntax::trim(after);
            continue;
        }
        let (hop, after) = element(rest)?;
        hops.push(hop);
        rest = after;
    }
    Ok(hops)
}

/// One member of the list, and what follows it: nothing, or a comma first.
fn element(mut rest: &[u8]) -> Result<(Hop<'_>, &[u8]), Malformed> {
    let mut hop = Hop::default();
    let mut seen: Vec<&[u8]> = Vec::new();
    loop {
        if !matches!(rest.first(), None | Some(b';' | b',')) {
            let (name, value, after) = pair(rest)?;
            // "Each parameter MUST NOT occur more than once per field-value" of an element.
            if seen.iter().any(|known| known.eq_ignore_ascii_case(name)) {
                return Err(Malformed);
            }
            seen.push(name);
            take(&mut hop, name, value)?;
            rest = syntax::trim(after);
        }
        match rest.strip_prefix(b";") {
            Some(after) => rest = syntax::trim(after),
            None if matches!(rest.first(), None | Some(b',')) => return Ok((hop, rest)),
            None => return Err(Malformed),
        }
    }
}

/// A parameter's name and value, and what follows it.
type Pair<'a> = (&'a [u8], Cow<'a, [u8]>, &'a [u8]);

/// `token "=" ( token / quoted-string )`.
fn pair(text: &[u8]) -> Result<Pair<'_>, Malformed> {
    let equals = memchr::memchr(b'=', text).ok_or(Malformed)?;
    let (name, rest) = (&text[..equals], &text[equals + 1..]);
    if !syntax::is_token(name) {
        return Err(Malformed);
    }
    if let Some(quoted) = rest.strip_prefix(b"\"") {
        let (value, rest) = unquote(quoted)?;
        return Ok((name, Cow::Owned(value), rest));
    }
    let length = rest
        .iter()
        .position(|byte| !syntax::is_token_byte(*byte))
        .unwrap_or(rest.len());
    match length {
        0 => Err(Malformed),
        _ => Ok((name, Cow::Borrowed(&rest[..length]), &rest[length..])),
    }
}

/// The content of a quoted string whose opening quote has been read, and what follows it.
fn unquote(text: &[u8]) -> Result<(Vec<u8>, &[u8]), Malformed> {
    let mut value = Vec::new();
    let mut bytes = text.iter().enumerate();
    while let Some((index, byte)) = bytes.next() {
        match byte {
            b'"' => return Ok((value, &text[index + 1..])),
            b'\\' => value.push(*bytes.next().ok_or(Malformed)?.1),
            _ => value.push(*byte),
        }
    }
    Err(Malformed)
}

fn take<'a>(hop: &mut Hop<'a>, name: &[u8], value: Cow<'a, [u8]>) -> Result<(), Malformed> {
    if name.eq_ignore_ascii_case(b"for") {
        hop.client = node(&value)?;
    } else if name.eq_ignore_ascii_case(b"proto") {
        hop.secure = match value.to_ascii_lowercase().as_slice() {
            b"https" | b"wss" => Some(true),
            b"http" | b"ws" => Some(false),
            _ => None,
        };
    } else if name.eq_ignore_ascii_case(b"host") {
        if !syntax::is_authority(&value) {
            return Err(Malformed);
        }
        hop.host = Some(value);
    }
    Ok(())
}

/// A node (RFC 7239 6): an address and perhaps a port, or an identifier that hides them (`None`).
fn node(value: &[u8]) -> Result<Option<(IpAddr, Option<u16>)>, Malformed> {
    let text = std::str::from_utf8(value).map_err(|_| Malformed)?;
    let (name, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']').ok_or(Malformed)?;
            let address: Ipv6Addr = address.parse().map_err(|_| Malformed)?;
            return Ok(Some((address.into(), node_port(port)?)));
        }
        None => text.find(':').map_or((text, ""), |colon| text.split_at(colon)),
    };
    let port = node_port(port)?;
    if name.eq_ignore_ascii_case("unknown") || is_obfuscated(name) {
        return Ok(None);
    }
    let address: Ipv4Addr = name.parse().map_err(|_| Malformed)?;
    Ok(Some((address.into(), port)))
}

/// Nothing, or a colon and a port; one that is hidden is as good as none.
fn node_port(text: &str) -> Result<Option<u16>, Malformed> {
    match text.strip_prefix(':') {
        None if text.is_empty() => Ok(None),
        Some(hidden) if is_obfuscated(hidden) => Ok(None),
        Some(port) if !port.starts_with('+') => port.parse().map(Some).map_err(|_| Malformed),
        _ => Err(Malformed),
    }
}

/// `"_" 1*( ALPHA / DIGIT / "." / "_" / "-" )`.
fn is_obfuscated(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    text.strip_prefix('_')
        .is_some_and(|rest| !rest.is_empty() && rest.chars().all(is_part))
}

#[cfg(test)]
mod tests {
    use super::{Hop, Malformed, hops};

    fn hop<'a>(client: &str, port: Option<u16>, secure: Option<bool>, host: &'a str) -> Hop<'a> {
        Hop {
            client: (!client.is_empty()).then(|| (client.parse().expect("an address"), port)),
            secure,
            host: (!host.is_empty()).then(|| host.as_bytes().into()),
        }
    }

    #[test]
    fn each_form_that_rfc_7239_shows_is_understood() {
        let table: [(&str, Vec<Hop<'_>>); 14] = [
            ("for=192.0.2.43", vec![hop("192.0.2.43", None, None, "")]),
            (
                "For=\"[2001:db8:cafe::17]:4711\"",
                vec![hop("2001:db8:cafe::17", Some(4711), None, "")],
            ),
            (
                "for=192.0.2.60;proto=http;by=203.0.113.43",
                vec![hop("192.0.2.60", None, Some(false), "")],
            ),
            (
                "for=192.0.2.43, for=198.51.100.17",
                vec![
                    hop("192.0.2.43", None, None, ""),
                    hop("198.51.100.17", None, None, ""),
                ],
            ),
            ("for=_gazonk", vec![hop("", None, None, "")]),
            ("for=unknown;proto=HTTPS", vec![hop("", None, Some(true), "")]),
            (
                "for=\"192.0.2.43:47011\" ; host=\"example.com:8000\"",
                vec![hop("192.0.2.43", Some(47011), None, "example.com:8000")],
            ),
            (
                "for=\"192.0.2.43:_hidden\"",
                vec![hop("192.0.2.43", None, None, "")],
            ),
            (
                "host=example.com;proto=wss;secret=x",
                vec![hop("", None, Some(true), "example.com")],
            ),
            ("proto=gopher", vec![hop("", None, None, "")]),
            ("for=\"192.0.2.4\\3\"", vec![hop("192.0.2.43", None, None, "")]),
            (
                " , for=1.1.1.1 ,,for=2.2.2.2;, ",
                vec![hop("1.1.1.1", None, None, ""), hop("2.2.2.2", None, None, "")],
            ),
            (";proto=https", vec![hop("", None, Some(true), "")]),
            ("", vec![]),
        ];
        for (value, expected) in table {
            assert_eq!(hops(value.as_bytes()), Ok(expected), "{value}");
        }
    }

    #[test]
    fn what_is_malformed_anywhere_is_refused_as_a_whole() {
        for value in [
            "for",
            "for=",
            "=1.1.1.1",
            "for =1.1.1.1",
            "for= 1.1.1.1",
            "for=1.1.1.1 proto=https",
            "for=1.1.1.1;for=2.2.2.2",
            "proto=http;PROTO=https",
            "for=2001:db8::1",
            "for=\"2001:db8::1\"",
            "for=[::1]",
            "for=\"[::1\"",
            "for=\"[::1]x\"",
            "for=\"[1.1.1.1]\"",
            "for=\"1.1.1.1",
            "for=\"1.1.1.1\\",
            "for=\"1.1.1.1\"x",
            "for=1.1.1.256",
            "for=example.com",
            "for=\"1.1.1.1:\"",
            "for=\"1.1.1.1:+1\"",
            "for=\"1.1.1.1:65536\"",
            "for=_",
            "for=\"_a b\"",
            "host=\"a b\"",
            "host=\"a/b\"",
            "for=1.1.1.1, oops",
            "for=\"\u{e9}\"",
        ] {
            assert_eq!(hops(value.as_bytes()), Err(Malformed), "{value}");
        }
    }
}
