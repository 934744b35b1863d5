//! Who the client of a request is, how it came, and which host it asked for: decided once, when the head has arrived, for
//! environs, scopes, scripts and the access log alike.
//!
//! A trusted peer is an address, a network, or anybody (`*`); who comes by a unix socket is on this machine and always
//! trusted. Behind a web server that speaks a gateway protocol, headers are those of the web server's own client, so it is
//! REMOTE_ADDR that has to be trusted; uWSGI believes everybody there, and its dialect every web server that is trusted or in a
//! private network. From a list of hops the last one that is not itself a trusted proxy counts: what stands before it was
//! written by somebody nobody vouches for.
//!
//! What contradicts itself or is malformed is ignored, with the reason for the log; gunicorn refuses requests whose scheme
//! headers contradict each other, and so does its dialect.

use std::borrow::Cow;
use std::net::IpAddr;

use config::{Believed, Dialect, Settings};
use protocol::forwarded;
use protocol::{Refusal, RequestHead};

use crate::connection::Connection;
use crate::peers::Peers;

/// What is known of the client of one request besides its connection.
#[derive(Debug, Default)]
pub(crate) struct Origin {
    /// It came by TLS.
    pub(crate) secure: bool,
    /// Its address and port (0: not known), where a trusted proxy has named it.
    pub(crate) client: Option<(String, u16)>,
    /// A trusted proxy has named the host; the head has it.
    pub(crate) host_named: bool,
    /// Why something that a trusted proxy says is not believed.
    pub(crate) ignored: Option<&'static str>,
}

/// Decides about origins.
#[derive(Debug)]
pub(crate) struct Origins {
    trusted: Peers,
    believed: Believed,
    /// Headers that tell the scheme, and their values for TLS.
    schemes: Vec<(String, String)>,
    dialect: Dialect,
}

/// What the headers of a request say.
#[derive(Default)]
struct Said {
    client: Option<(String, u16)>,
    secure: Option<bool>,
    host: Option<Vec<u8>>,
}

impl Origins {
    pub(crate) fn new(settings: &Settings) -> Origins {
        Origins {
            trusted: Peers::new(&settings.forwarded_allow_ips),
            believed: settings.believed,
            schemes: settings.header_rules.secure_scheme.clone(),
            dialect: settings.dialect,
        }
    }

    /// Decides about a request, and gives its head the host that a trusted proxy names.
    ///
    /// # Errors
    /// When headers contradict each other in a way that the dialect refuses.
    pub(crate) fn of(&self, connection: &Connection, head: &mut RequestHead) -> Result<Origin, Refusal> {
        let mut origin = Origin {
            secure: head.https_variable().is_some_and(is_on),
            ..Origin::default()
        };
        if head.fields().any(|(name, _)| self.is_of_interest(name)) && self.believes(connection, head) {
            let said = self.said(head, &mut origin.ignored)?;
            origin.secure = said.secure.unwrap_or(origin.secure);
            origin.client = said.client;
            if let Some(host) = said.host {
                origin.host_named = head.set_host(&host);
                if !origin.host_named {
                    origin.ignored = Some("its X-Forwarded-Host is no host");
                }
            }
        }
        // The web server's own word on the scheme, which no client can send.
        if let Some(scheme) = head.scheme_variable() {
            origin.secure = scheme.eq_ignore_ascii_case(b"https");
        }
        Ok(origin)
    }

    /// Whether whoever has connected is trusted.
    pub(crate) fn trusts_peer(&self, connection: &Connection) -> bool {
        connection.front.is_unix || self.trusts(&connection.client_address)
    }

    fn trusts(&self, address: &str) -> bool {
        let address = address.parse::<IpAddr>();
        self.trusted.everybody() || address.is_ok_and(|address| self.trusted.include(address))
    }

    /// Whether those who have sent the headers are believed.
    fn believes(&self, connection: &Connection, head: &RequestHead) -> bool {
        if !head.has_variables() {
            return self.trusts_peer(connection);
        }
        match head.client_address() {
            _ if self.dialect == Dialect::Uwsgi => {
                self.trusts_peer(connection) || is_near(&connection.client_address)
            }
            // nginx's word for a client of its unix sockets.
            Some(client) => client == "unix:" || self.trusts(client),
            None => self.trusts_peer(connection),
        }
    }

    /// Most requests have none of these.
    fn is_of_interest(&self, name: &[u8]) -> bool {
        match name.first().map(u8::to_ascii_lowercase) {
            Some(b'f') if name.eq_ignore_ascii_case(b"forwarded") => true,
            Some(b'x')
                if name
                    .get(..12)
                    .is_some_and(|start| start.eq_ignore_ascii_case(b"x-forwarded-")) =>
            {
                true
            }
            _ => self.tells_scheme(name).is_some(),
        }
    }

    /// The value by which this header says that the client came by TLS.
    fn tells_scheme(&self, name: &[u8]) -> Option<&[u8]> {
        let mut known = self.schemes.iter();
        let (_, secure) = known.find(|(known, _)| known.as_bytes().eq_ignore_ascii_case(name))?;
        Some(secure.as_bytes())
    }

    fn said(&self, head: &RequestHead, ignored: &mut Option<&'static str>) -> Result<Said, Refusal> {
        let mut said = self.said_by_x_forwarded(head, ignored)?;
        let Some(value) = joined(head, "forwarded").filter(|_| self.believed.forwarded) else {
            return Ok(said);
        };
        let Ok(hops) = forwarded::hops(&value) else {
            *ignored = Some("its Forwarded is malformed");
            return Ok(said);
        };
        let Some(hop) = self.nearest_stranger(&hops, |hop| hop.client.map(|(address, _)| address)) else {
            return Ok(said);
        };
        let client = hop
            .client
            .map(|(address, port)| (address.to_string(), port.unwrap_or(0)));
        let differ = said
            .client
            .as_ref()
            .zip(client.as_ref())
            .is_some_and(|(one, other)| one.0 != other.0)
            || said
                .secure
                .zip(hop.secure)
                .is_some_and(|(one, other)| one != other)
            || said
                .host
                .as_deref()
                .zip(hop.host.as_deref())
                .is_some_and(|(one, other)| one != other);
        // A proxy that writes one of them may well pass on the other as its client wrote it.
        if differ {
            *ignored = Some("its Forwarded contradicts its X-Forwarded headers, and those count");
            return Ok(said);
        }
        said.client = client.or(said.client);
        said.secure = said.secure.or(hop.secure);
        said.host = said.host.or(hop.host.clone().map(Cow::into_owned));
        Ok(said)
    }

    fn said_by_x_forwarded(
        &self,
        head: &RequestHead,
        ignored: &mut Option<&'static str>,
    ) -> Result<Said, Refusal> {
        let mut said = Said::default();
        if self.believed.scheme {
            said.secure = match self.scheme(head) {
                Err(Contradiction) if self.dialect == Dialect::Gunicorn => {
                    return Err(Refusal::SchemesContradict);
                }
                Err(Contradiction) => {
                    *ignored = Some("its headers contradict each other about the scheme");
                    None
                }
                Ok(scheme) => scheme,
            };
        }
        let list = joined(head, "x-forwarded-for");
        let clients = list.as_deref().and_then(|list| std::str::from_utf8(list).ok());
        let clients = members(clients.unwrap_or_default());
        let client = self.nearest_stranger(&clients, |client| client.parse().ok());
        if self.believed.client {
            said.client = client.map(|client| ((*client).to_owned(), 0));
        }
        if self.believed.host
            && let Some(list) = joined(head, "x-forwarded-host")
            && let Ok(list) = std::str::from_utf8(&list)
        {
            // Proxies that add to one list add to the other: what the outermost trusted one says stands as far from the end.
            let from_end = client.map_or(0, |client| {
                clients
                    .iter()
                    .rev()
                    .position(|other| std::ptr::eq(other, client))
                    .unwrap_or(0)
            });
            let hosts = members(list);
            let host = hosts.iter().rev().nth(from_end).or(hosts.first());
            said.host = host.map(|host| host.as_bytes().to_vec());
        }
        Ok(said)
    }

    /// Whether the headers say that the client came by TLS, if they say anything.
    fn scheme(&self, head: &RequestHead) -> Result<Option<bool>, Contradiction> {
        if self.dialect == Dialect::Uwsgi {
            return Ok(scheme_in_uwsgi(head));
        }
        let mut said = None;
        for (name, value) in head.fields() {
            let Some(secure) = self.tells_scheme(name) else {
                continue;
            };
            let says_tls = value.eq_ignore_ascii_case(secure) || (secure == b"https" && value == b"wss");
            if said.is_some_and(|before| before != says_tls) {
                return Err(Contradiction);
            }
            said = Some(says_tls);
        }
        Ok(said)
    }

    /// The last hop whose client is not a trusted proxy itself; with nobody but trusted ones, or if all are trusted, the first.
    fn nearest_stranger<'a, T>(&self, hops: &'a [T], client: impl Fn(&T) -> Option<IpAddr>) -> Option<&'a T> {
        if self.trusted.everybody() {
            return hops.first();
        }
        let is_stranger = |hop: &&T| !client(hop).is_some_and(|address| self.trusted.include(address));
        hops.iter().rev().find(is_stranger).or(hops.first())
    }
}

struct Contradiction;

/// uWSGI's rule: X-Forwarded-Proto, and without it X-Forwarded-Ssl if that is on.
fn scheme_in_uwsgi(head: &RequestHead) -> Option<bool> {
    match head.field("x-forwarded-proto").filter(|value| !value.is_empty()) {
        Some(scheme) => Some(scheme.eq_ignore_ascii_case(b"https")),
        None => head.field("x-forwarded-ssl").is_some_and(is_on).then_some(true),
    }
}

/// Whether an address is in a private network (RFC 1918, RFC 4193) or on this link: where web servers beside containers are.
fn is_near(address: &str) -> bool {
    match address.parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(IpAddr::V4(address)) => address.is_private() || address.is_link_local(),
        Ok(IpAddr::V6(address)) => address.is_unique_local() || address.is_unicast_link_local(),
        Err(_) => false,
    }
}

fn is_on(value: &[u8]) -> bool {
    value.starts_with(b"on") || value.starts_with(b"1")
}

/// The values of all fields of that name, with commas between them.
fn joined<'a>(head: &'a RequestHead, name: &str) -> Option<Cow<'a, [u8]>> {
    let mut values = head
        .fields()
        .filter(|(known, _)| known.eq_ignore_ascii_case(name.as_bytes()))
        .map(|(_, value)| value);
    let first = Cow::Borrowed(values.next()?);
    Some(values.fold(first, |before, value| {
        Cow::Owned([&before, &b","[..], value].concat())
    }))
}

fn members(list: &str) -> Vec<&str> {
    list.split(',')
        .map(str::trim)
        .filter(|member| !member.is_empty())
        .collect()
}
