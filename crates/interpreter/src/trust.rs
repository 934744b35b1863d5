//! Whose word on a client counts: proxies that are trusted, and what they say (X-Forwarded-For, X-Forwarded-Proto).
//!
//! A trusted peer is an address, a network, or anybody (`*`); who comes by a unix socket is on this machine and always
//! trusted. From a list of addresses the last one that is not itself a trusted proxy is the client: what stands before it
//! was written by somebody nobody vouches for.

use std::net::IpAddr;

use worker::{Exchange, Peers};

/// The trusted peers.
#[derive(Debug)]
pub(crate) struct Trust(Peers);

impl Trust {
    /// Peers as users list them.
    pub(crate) fn new(peers: &[String]) -> Trust {
        Trust(Peers::new(peers))
    }

    /// Whether the peer of an exchange is trusted.
    pub(crate) fn includes(&self, exchange: &Exchange) -> bool {
        exchange.front().is_unix || self.includes_address(exchange.peer_address())
    }

    fn includes_address(&self, address: &str) -> bool {
        let address = address.parse::<IpAddr>();
        self.0.everybody() || address.is_ok_and(|address| self.0.include(address))
    }

    /// The client in the value of an X-Forwarded-For field that a trusted peer has sent.
    pub(crate) fn client<'a>(&self, forwarded_for: &'a [u8]) -> Option<&'a str> {
        let list = std::str::from_utf8(forwarded_for).ok()?;
        let mut addresses = list
            .split(',')
            .map(str::trim)
            .filter(|address| !address.is_empty());
        if self.0.everybody() {
            return addresses.next();
        }
        let first = addresses.clone().next();
        addresses
            .rfind(|address| !self.includes_address(address))
            .or(first)
    }
}

#[cfg(test)]
mod tests {
    use super::Trust;

    #[test]
    fn the_client_is_the_last_address_that_is_no_trusted_proxy() {
        let trust =
            |peers: &[&str]| Trust::new(&peers.iter().map(|peer| (*peer).to_owned()).collect::<Vec<_>>());
        let lan = trust(&["127.0.0.1", "10.0.0.0/8", "::1"]);
        for (list, expected) in [
            ("1.2.3.4", Some("1.2.3.4")),
            ("6.6.6.6, 1.2.3.4, 10.1.2.3", Some("1.2.3.4")),
            ("10.0.0.9, 127.0.0.1", Some("10.0.0.9")),
            ("evil, 1.2.3.4 ,::1", Some("1.2.3.4")),
            ("", None),
            (" , ", None),
        ] {
            assert_eq!(lan.client(list.as_bytes()), expected, "{list}");
        }
        assert_eq!(trust(&["*"]).client(b"6.6.6.6, 1.2.3.4"), Some("6.6.6.6"));
        assert!(lan.includes_address("10.200.0.1") && !lan.includes_address("11.0.0.1"));
    }
}
