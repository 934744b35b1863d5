//! The PROXY protocol, versions 1 and 2: what a proxy that passes bytes on says about its client, once, at the very
//! beginning of a connection (HAProxy's proxy-protocol.txt).
//!
//! Rules: a header is believed only where it was asked for, and read to its last byte or refused; what it does not say
//! (UNKNOWN, LOCAL, other families) leaves the client what it was.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::refusal::Refusal;

/// Which versions are looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Versions {
    /// The line of text.
    pub v1: bool,
    /// The binary header.
    pub v2: bool,
}

/// What the front of a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// It may become a header: call again with more.
    NeedMore,
    /// No header: the bytes belong to whoever reads the connection.
    Absent,
    /// A header of `used` bytes, and the connection it speaks of.
    Header {
        /// Bytes to be taken off.
        used: usize,
        /// The client's address, and the one it connected to.
        ends: Option<(SocketAddr, SocketAddr)>,
    },
}

const V1: &[u8] = b"PROXY ";
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// The longest line of version 1, line end included.
const LONGEST_LINE: usize = 107;
/// The longest header of version 2: more than any addresses and the usual extensions need.
const LONGEST_HEADER: usize = 4096;

/// Looks for a header at the front of a connection's first bytes.
///
/// # Errors
/// When there is one and it is malformed.
pub fn read(input: &[u8], versions: Versions) -> Result<Opening, Refusal> {
    let may_be = |signature: &[u8], wanted: bool| {
        let length = signature.len().min(input.len());
        wanted && input[..length] == signature[..length]
    };
    let (v1, v2) = (may_be(V1, versions.v1), may_be(V2, versions.v2));
    if v1 && input.len() >= V1.len() {
        return read_line(input);
    }
    if v2 && input.len() >= V2.len() {
        return read_header(input);
    }
    Ok(if v1 || v2 {
        Opening::NeedMore
    } else {
        Opening::Absent
    })
}

fn read_line(input: &[u8]) -> Result<Opening, Refusal> {
    let searched = &input[..input.len().min(LONGEST_LINE)];
    let Some(end) = memchr::memchr(b'\n', searched) else {
        return if searched.len() == LONGEST_LINE {
            Err(Refusal::ProxyHeader)
        } else {
            Ok(Opening::NeedMore)
        };
    };
    let used = end + 1;
    let line = searched[..end].strip_suffix(b"\r").ok_or(Refusal::ProxyHeader)?;
    let line = std::str::from_utf8(line).map_err(|_| Refusal::ProxyHeader)?;
    let mut words = line[V1.len()..].split(' ');
    let family = words.next().unwrap_or_default();
    if family == "UNKNOWN" {
        return Ok(Opening::Header { used, ends: None });
    }
    let words: Vec<&str> = words.collect();
    let [source, destination, source_port, destination_port] = words[..] else {
        return Err(Refusal::ProxyHeader);
    };
    let address = |text: &str| -> Option<IpAddr> {
        match family {
            "TCP4" => text.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
            "TCP6" => text.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
            _ => None,
        }
    };
    let port = |text: &str| -> Option<u16> {
        let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
        text.parse().ok().filter(|_| plain)
    };
    let client = address(source).zip(port(source_port));
    let server = address(destination).zip(port(destination_port));
    let (client, server) = client.zip(server).ok_or(Refusal::ProxyHeader)?;
    let ends = Some((client.into(), server.into()));
    Ok(Opening::Header { used, ends })
}

fn read_header(input: &[u8]) -> Result<Opening, Refusal> {
    let Some(&[version_command, family, length1, length0]) = input[V2.len()..].first_chunk() else {
        return Ok(Opening::NeedMore);
    };
    let is_proxied = match version_command {
        0x20 => false,
        0x21 => true,
        _ => return Err(Refusal::ProxyHeader),
    };
    let start = V2.len() + 4;
    let used = start + usize::from(u16::from_be_bytes([length1, length0]));
    if used > LONGEST_HEADER {
        return Err(Refusal::ProxyHeader);
    }
    let Some(addresses) = input.get(start..used) else {
        return Ok(Opening::NeedMore);
    };
    let ends = match (is_proxied, family) {
        (true, 0x11) => Some(ends::<4>(addresses)?),
        (true, 0x21) => Some(ends::<16>(addresses)?),
        _ => None,
    };
    Ok(Opening::Header { used, ends })
}

/// Source and destination: two addresses of `SIZE` bytes, then two ports.
fn ends<const SIZE: usize>(addresses: &[u8]) -> Result<(SocketAddr, SocketAddr), Refusal>
where
    IpAddr: From<[u8; SIZE]>,
{
    let parts = addresses.split_first_chunk::<SIZE>().and_then(|(source, rest)| {
        let (destination, rest) = rest.split_first_chunk::<SIZE>()?;
        Some((*source, *destination, *rest.first_chunk::<4>()?))
    });
    let (source, destination, [s1, s0, d1, d0]) = parts.ok_or(Refusal::ProxyHeader)?;
    let end = |address: [u8; SIZE], port: [u8; 2]| {
        SocketAddr::new(IpAddr::from(address).to_canonical(), u16::from_be_bytes(port))
    };
    Ok((end(source, [s1, s0]), end(destination, [d1, d0])))
}
