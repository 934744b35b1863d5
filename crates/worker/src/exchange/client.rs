//! Who the client of an exchange is, and how it has asked: as the connection has it, or as somebody who is believed says.

use super::Exchange;
use crate::connection::Proxied;

impl Exchange {
    /// The client's address without the port; empty for a unix socket.
    pub fn client_address(&self) -> &str {
        let (connection, work) = (&self.connection, &self.work);
        let proxied = || {
            connection
                .proxied
                .as_ref()
                .map(|proxied| proxied.address.as_str())
        };
        let named = work
            .origin
            .client
            .as_ref()
            .map(|(address, _)| address.as_str())
            .or_else(|| work.head.client_address())
            .or_else(proxied);
        named.unwrap_or(&connection.client_address)
    }

    /// The client's port; 0 for a unix socket, and for a client that a proxy has named without one.
    pub fn client_port(&self) -> u16 {
        let (connection, work) = (&self.connection, &self.work);
        match (&work.origin.client, &connection.proxied) {
            (Some((_, port)), _) => *port,
            _ if work.head.client_address().is_some() => work.head.client_port(),
            (None, Some(proxied)) => proxied.port,
            (None, None) => connection.client_port,
        }
    }

    /// The server by the name and the port that the client has asked for: those of the Host header, and the scheme's port
    /// where that has none. The name is empty where there is no Host.
    pub fn requested_server(&self) -> (&[u8], u16) {
        let host = self.head().host().unwrap_or_default();
        let (name, port) = match host.iter().rposition(|byte| *byte == b':') {
            Some(colon) if !host.ends_with(b"]") => (&host[..colon], &host[colon + 1..]),
            _ => (host, &b""[..]),
        };
        let port = std::str::from_utf8(port).ok().and_then(|port| port.parse().ok());
        (name, port.unwrap_or(if self.is_secure() { 443 } else { 80 }))
    }

    /// What a PROXY header has said of the connection.
    pub fn proxied(&self) -> Option<&Proxied> {
        self.connection.proxied.as_deref()
    }

    /// Whether whoever has connected is a trusted proxy.
    pub fn is_peer_trusted(&self) -> bool {
        self.work.bounds.origins.trusts_peer(&self.connection)
    }

    /// The client, where a trusted proxy has named it: address, and port or 0.
    pub fn forwarded_client(&self) -> Option<(&str, u16)> {
        let (address, port) = self.work.origin.client.as_ref()?;
        Some((address, *port))
    }

    /// Whether a trusted proxy has named the host that the head has.
    pub fn is_host_forwarded(&self) -> bool {
        self.work.origin.host_named
    }

    /// Whether the client came by TLS, to us or to a proxy that is believed.
    pub fn is_secure(&self) -> bool {
        self.work.origin.secure
    }

    /// The URL scheme the client used: `https` or `http`.
    pub fn scheme(&self) -> &'static str {
        if self.is_secure() { "https" } else { "http" }
    }
}
