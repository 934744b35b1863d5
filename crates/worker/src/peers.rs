//! Who may, or is believed: addresses and networks, as users list them.

use std::net::IpAddr;

use ipnet::IpNet;

/// A set of peers.
#[derive(Clone, Debug, Default)]
pub struct Peers {
    everybody: bool,
    networks: Vec<IpNet>,
}

impl Peers {
    /// Addresses, networks (`10.0.0.0/8`), or `*`. What is none of these cannot be a peer of a TCP socket and is left out.
    pub fn new(listed: &[String]) -> Peers {
        let network = |peer: &String| {
            let address = || peer.parse::<IpAddr>().map(IpNet::from);
            peer.parse::<IpNet>().or_else(|_| address()).ok()
        };
        Peers {
            everybody: listed.iter().any(|peer| peer == "*"),
            networks: listed.iter().filter_map(network).collect(),
        }
    }

    /// Whether everybody is meant.
    pub fn everybody(&self) -> bool {
        self.everybody
    }

    /// Whether this address is among them. An IPv4 client of an IPv6 socket is known by its IPv4 address.
    pub fn include(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.everybody || self.networks.iter().any(|network| network.contains(&address))
    }
}
