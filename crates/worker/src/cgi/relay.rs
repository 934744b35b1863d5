//! Another server that answers in the place of this one (uWSGI's routing actions `http` and `uwsgi`): the request as it is
//! sent there. What comes back is treated like the output of a script that writes a whole answer.
//!
//! Rules: one connection for each request, closed after it; HTTP is spoken as 1.0, so that the answer is neither framed in
//! chunks nor followed by another; fields that are about this connection stay here, and the client's address is added to
//! X-Forwarded-For. Left out: retries, TLS, upgraded connections.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net as unix;

use config::{Address, RouteProtocol, RouteServer};
use mio::net::{TcpStream, UnixStream};
use protocol::Version;
use protocol::gateway::uwsgi_packet;

use super::body_length;
use super::running::Running;
use crate::exchange::Exchange;
use crate::reactor::Reactor;
use crate::stream::Stream;

/// Names that are remembered with their addresses.
const NAMES: usize = 256;

/// Fields that are about one connection (RFC 9110 7.6.1), or are written anew.
const KEPT_BACK: [&[u8]; 9] = [
    b"connection",
    b"proxy-connection",
    b"keep-alive",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
    b"content-length",
    b"expect",
];

/// Where other servers have been found. A name is looked up when it is first needed, which the worker waits for; where
/// nobody answers there, it is looked up again.
#[derive(Default)]
pub(super) struct Servers(HashMap<String, SocketAddr>);

impl Servers {
    /// Begins a connection.
    fn connect(&mut self, address: &str) -> io::Result<Stream> {
        if let Some(name) = Address::abstract_name(address) {
            let address = unix::SocketAddr::from_abstract_name(name)?;
            return UnixStream::connect_addr(&address).map(Stream::Unix);
        }
        if address.contains('/') {
            return UnixStream::connect(address).map(Stream::Unix);
        }
        let known = address.parse().ok().or_else(|| self.0.get(address).copied());
        let found = match known {
            Some(found) => found,
            None => address
                .to_socket_addrs()?
                .next()
                .ok_or_else(|| io::Error::other("the name has no address"))?,
        };
        if self.0.len() < NAMES {
            self.0.insert(address.to_owned(), found);
        }
        TcpStream::connect(found).map(Stream::Tcp)
    }

    fn forget(&mut self, address: &str) {
        self.0.remove(address);
    }
}

impl Reactor {
    /// Has another server answer.
    pub(super) fn relay(&mut self, exchange: Exchange, server: &RouteServer) {
        let Some(body_length) = body_length(&exchange) else {
            return self.script_failed(exchange, 411);
        };
        let Some(preface) = preface(&exchange, &server.speaks, body_length) else {
            return self.script_failed(exchange, 431);
        };
        let address = &server.address;
        let shown = format!("the server at {}", address.escape_debug());
        match self.scripts.servers.connect(address) {
            Ok(stream) => {
                let timeout = self.conditions.settings.timeouts.body;
                let running = Running::server(stream, preface, shown, timeout, self.clock.now);
                self.begin_script(running, exchange);
            }
            Err(error) => {
                self.scripts.servers.forget(address);
                self.conditions
                    .error_log
                    .error(format_args!("{shown} did not answer: {error}"));
                self.script_failed(exchange, 502);
            }
        }
    }
}

/// The request but for its body; `None` when that protocol has no room for it.
fn preface(exchange: &Exchange, speaks: &RouteProtocol, body_length: Option<u64>) -> Option<Vec<u8>> {
    match speaks {
        RouteProtocol::Http { host, target } => {
            Some(http(exchange, host.as_deref(), target.as_deref(), body_length))
        }
        RouteProtocol::Uwsgi {
            modifier1,
            modifier2,
            application,
        } => {
            let mut variables = variables(exchange, body_length);
            if let Some(name) = application {
                set(&mut variables, b"UWSGI_APPID", name.as_bytes());
            }
            let pairs = variables
                .iter()
                .map(|(name, value)| (name.as_slice(), value.as_slice()));
            uwsgi_packet((*modifier1, *modifier2), pairs)
        }
    }
}

fn http(exchange: &Exchange, host: Option<&str>, target: Option<&str>, body_length: Option<u64>) -> Vec<u8> {
    let head = exchange.head();
    let mut out = [head.method(), b" "].concat();
    // What would end the line early is left away.
    let visible = |byte: &u8| byte.is_ascii_graphic();
    match target {
        Some(target) => out.extend(target.bytes().filter(visible)),
        None => out.extend_from_slice(head.target()),
    }
    out.extend_from_slice(b" HTTP/1.0\r\n");
    let mut field = |name: &[u8], value: &[u8]| {
        for piece in [name, b": ", value, b"\r\n"] {
            out.extend_from_slice(piece);
        }
    };
    if let Some(host) = host {
        field(b"Host", &host.bytes().filter(visible).collect::<Vec<_>>());
    }
    let mut forwarded = Vec::new();
    for (name, value) in head.fields() {
        if name.eq_ignore_ascii_case(b"x-forwarded-for") {
            forwarded.extend_from_slice(value);
            forwarded.extend_from_slice(b", ");
        } else if !is_kept_back(name) && (host.is_none() || !name.eq_ignore_ascii_case(b"host")) {
            field(name, value);
        }
    }
    match (exchange.client_address(), forwarded.strip_suffix(b", ")) {
        ("", None) => {}
        ("", Some(forwarded)) => field(b"X-Forwarded-For", forwarded),
        (address, _) => field(b"X-Forwarded-For", &[&forwarded, address.as_bytes()].concat()),
    }
    if let Some(length) = body_length {
        field(b"Content-Length", length.to_string().as_bytes());
    }
    field(b"Connection", b"close");
    out.extend_from_slice(b"\r\n");
    out
}

fn is_kept_back(name: &[u8]) -> bool {
    KEPT_BACK.iter().any(|kept| name.eq_ignore_ascii_case(kept))
}

type Variables = Vec<(Vec<u8>, Vec<u8>)>;

fn set(variables: &mut Variables, name: &[u8], value: &[u8]) {
    variables.retain(|(known, _)| known != name);
    variables.push((name.to_vec(), value.to_vec()));
}

/// Adds a field; a repeated one is joined to the one before.
fn join(variables: &mut Variables, name: Vec<u8>, value: &[u8]) {
    let joint: &[u8] = if name == b"HTTP_COOKIE" { b"; " } else { b", " };
    match variables.iter_mut().find(|(known, _)| *known == name) {
        Some((_, before)) => before.extend([joint, value].concat()),
        None => variables.push((name, value.to_vec())),
    }
}

/// What a web server would say of the request, and what rules have made of it.
fn variables(exchange: &Exchange, body_length: Option<u64>) -> Variables {
    let head = exchange.head();
    let owned = |(name, value): (&[u8], &[u8])| (name.to_vec(), value.to_vec());
    let mut variables: Variables = head.variables().map(owned).collect();
    if !head.has_variables() {
        let front = exchange.front();
        let protocol = match head.version() {
            Version::Http10 => "HTTP/1.0",
            Version::Http11 => "HTTP/1.1",
        };
        let port = exchange.client_port().to_string();
        let own: [(&str, &[u8]); 10] = [
            ("REQUEST_METHOD", head.method()),
            ("REQUEST_URI", head.target()),
            ("PATH_INFO", &head.path_info()),
            ("QUERY_STRING", head.query()),
            ("SERVER_PROTOCOL", protocol.as_bytes()),
            ("SERVER_NAME", front.server_name.as_bytes()),
            ("SERVER_PORT", front.server_port.as_bytes()),
            ("REMOTE_ADDR", exchange.client_address().as_bytes()),
            ("REMOTE_PORT", port.as_bytes()),
            ("UWSGI_SCHEME", exchange.scheme().as_bytes()),
        ];
        variables.extend(own.map(|(name, value)| (name.as_bytes().to_vec(), value.to_vec())));
        for (name, value) in head
            .fields()
            .filter(|(name, _)| !is_kept_back(name) && !name.contains(&b'_'))
        {
            let upper = name.to_ascii_uppercase().into_iter();
            let name: Vec<u8> = upper.map(|byte| if byte == b'-' { b'_' } else { byte }).collect();
            match name.as_slice() {
                b"PROXY" => {}
                b"CONTENT_TYPE" => set(&mut variables, b"CONTENT_TYPE", value),
                _ => join(&mut variables, [b"HTTP_", name.as_slice()].concat(), value),
            }
        }
    }
    for (name, value) in head.given_variables() {
        set(&mut variables, name, value);
    }
    if let Some(length) = body_length {
        set(&mut variables, b"CONTENT_LENGTH", length.to_string().as_bytes());
    }
    variables
}
