//! The line about a client that leaves in the middle of its request: which peer, where it stood, and how it left.
//!
//! Rules: nothing is said where nothing of a request had come, which is what health checks and idle connections look like.
//! Web servers and load balancers have no reason to break off, so over their wires and behind a PROXY header the line is there
//! at the level `info`; clients from the internet leave all the time, so over plain HTTP it is for `debug`. It leaves out
//! those who leave while they are being answered: that shows in the access log and in the count of write errors.

use std::fmt;

use protocol::Codec;
use telemetry::ErrorLog;

use crate::connection::{Departed, Stage};
use crate::exchange::Exchange;

/// Tells of a client whose stream has ended, if that was in the middle of a request.
pub(crate) fn tell(exchange: &Exchange, log: &ErrorLog) {
    let Some(place) = place(exchange) else { return };
    let front = &exchange.connection.front;
    let line = Line { exchange, place };
    if front.wire.is_gateway() || (front.proxy_protocol.is_some() && place != Place::BehindProxyHeader) {
        log.info(line);
    } else if log.enabled(config::Level::Debug) {
        log.debug(line);
    }
}

/// How far the request had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In the header before it.
    ProxyHeader,
    /// Nothing had come but that header: some load balancers look whether a server is there in this way.
    BehindProxyHeader,
    Head,
    Body,
}

fn place(exchange: &Exchange) -> Option<Place> {
    let (connection, work) = (&exchange.connection, &exchange.work);
    let has_begun = !work.inbox.is_empty() || !connection.codec.awaiting_request();
    match work.stage {
        Stage::Head if connection.awaits_proxy => has_begun.then_some(Place::ProxyHeader),
        Stage::Head if has_begun => Some(Place::Head),
        Stage::Head => {
            let is_first = connection.proxied.is_some() && !connection.served;
            is_first.then_some(Place::BehindProxyHeader)
        }
        Stage::Body => Some(Place::Body),
        Stage::Serving | Stage::Draining => work.mishaps.unread.then_some(Place::Body),
    }
}

struct Line<'a> {
    exchange: &'a Exchange,
    place: Place,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Exchange { connection, work } = self.exchange;
        let peer = match connection.client_address.as_str() {
            "" => "a unix socket",
            address => address,
        };
        let how = match connection.departed {
            Some(Departed::Reset) => "reset",
            Some(Departed::Closed) | None => "closed",
        };
        let shown = &connection.front.shown;
        write!(f, "{peer} {how} its connection to {shown} ")?;
        let at = work.inbox.len();
        match self.place {
            Place::ProxyHeader => write!(f, "at byte {at} of a PROXY header")?,
            Place::BehindProxyHeader => f.write_str("behind a PROXY header, without a request")?,
            Place::Head => match &connection.codec {
                // It uses up what it can of a record.
                Codec::Fastcgi(_) if at == 0 => f.write_str("in the middle of a request")?,
                Codec::Fastcgi(_) => write!(f, "in the middle of a request, at byte {at} of a record")?,
                Codec::Http1(_) | Codec::OneRequest(_) => {
                    write!(f, "in the middle of a request, at byte {at} of its head")?;
                }
            },
            Place::Body => {
                let (method, path) = (work.head.method(), work.head.path());
                write!(
                    f,
                    "in the middle of the body of {} {}",
                    method.escape_ascii(),
                    path.escape_ascii()
                )?;
                if let Some(missing) = connection.codec.body_remaining().filter(|missing| *missing > 0) {
                    write!(f, ", {missing} bytes before its end")?;
                }
            }
        }
        let client = match (self.place, &connection.proxied) {
            (Place::Body, _) => self.exchange.client_address(),
            (_, Some(proxied)) => &proxied.address,
            (_, None) => return Ok(()),
        };
        if client != connection.client_address {
            write!(f, "; its client was {client}")?;
        }
        Ok(())
    }
}
