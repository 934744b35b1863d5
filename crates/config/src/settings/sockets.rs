//! Listening sockets, what is spoken on them and who may connect: plain data; `master` opens them, `worker` serves them.

use std::path::PathBuf;

/// One listening socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bind {
    /// Where it listens.
    pub address: Address,
    /// What is spoken on it.
    pub wire: Wire,
    /// Peers that may connect by TCP; `None`: for a gateway [`Gateways::allow_from`], for HTTP everybody.
    pub allow_from: Option<Vec<String>>,
    /// Answers begin with HTTP's status line where FastCGI and SCGI have a `Status` field (uWSGI's nph sockets).
    pub status_line: bool,
}

impl Bind {
    /// A socket with the usual manners.
    pub fn new(address: Address, wire: Wire) -> Bind {
        Bind {
            address,
            wire,
            allow_from: None,
            status_line: false,
        }
    }

    /// Peers that may connect by TCP: addresses, networks, or `*`.
    pub fn peers(&self, gateways: &Gateways) -> Vec<String> {
        match &self.allow_from {
            Some(peers) => peers.clone(),
            None if self.wire.is_gateway() => gateways.allow_from.clone(),
            None => vec!["*".to_owned()],
        }
    }
}

/// Where a listening socket is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// Host (empty: every IPv4 address; an IPv6 address without brackets) and port (0: any free one).
    Tcp(String, u16),
    /// Path of a unix socket.
    Unix(PathBuf),
    /// Name of a unix socket in Linux's abstract namespace, without the NUL before it: there is no file.
    Abstract(Vec<u8>),
    /// A listening socket inherited under this descriptor number.
    Descriptor(i32),
}

impl Address {
    /// The abstract name that uWSGI's users mean by `@NAME` or `\0NAME`: as in uWSGI, a NUL ends it.
    pub fn abstract_name(text: &str) -> Option<Vec<u8>> {
        let name = text.strip_prefix('@').or_else(|| text.strip_prefix("\\0"))?;
        Some(format!("{name}\0").into_bytes())
    }

    /// An abstract name as users write it.
    pub fn abstract_text(name: &[u8]) -> String {
        format!("@{}", String::from_utf8_lossy(name).trim_end_matches('\0'))
    }
}

/// The protocol spoken on a listening socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// HTTP/1.0 and HTTP/1.1.
    Http1,
    /// The uwsgi protocol, for `uwsgi_pass` and mod_proxy_uwsgi.
    Uwsgi,
    /// FastCGI 1.0, for `fastcgi_pass` and mod_proxy_fcgi.
    Fastcgi,
    /// SCGI, for `scgi_pass` and mod_proxy_scgi.
    Scgi,
}

impl Wire {
    /// As users write it, in addresses too.
    pub fn name(self) -> &'static str {
        match self {
            Wire::Http1 => "http",
            Wire::Uwsgi => "uwsgi",
            Wire::Fastcgi => "fastcgi",
            Wire::Scgi => "scgi",
        }
    }

    /// Whether it carries requests from a web server, which is believed, rather than from anybody.
    pub fn is_gateway(self) -> bool {
        self != Wire::Http1
    }
}

/// Listening sockets that speak a gateway protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gateways {
    /// Peers that may connect by TCP: addresses, networks, or `*`.
    pub allow_from: Vec<String>,
    /// What an application writes to `wsgi.errors` goes to the web server's error log, over FastCGI, instead of ours.
    pub fastcgi_stderr: bool,
}

/// PROXY headers at the beginning of connections.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProxyProtocol {
    /// Take headers of version 1.
    pub v1: bool,
    /// Take headers of version 2.
    pub v2: bool,
    /// Peers that may send them by TCP: addresses, networks, or `*`.
    pub allow_from: Vec<String>,
}

/// Rights of the unix sockets that the server creates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnixSocketRights {
    /// File mode set after bind, for example 0o660; `None` leaves what the umask gives.
    pub mode: Option<u32>,
    /// Mask in force while the socket is created.
    pub umask: Option<u32>,
    /// Owner: a name or a number.
    pub user: Option<String>,
    /// Group: a name or a number.
    pub group: Option<String>,
}

/// The socket that gunicornc speaks to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// Where it is. Default: there is none.
    pub socket: Option<PathBuf>,
    /// Its mode. Default: 0600.
    pub mode: u32,
}

impl Default for Control {
    fn default() -> Self {
        Control {
            socket: None,
            mode: 0o600,
        }
    }
}
