//! StatsD: what happens, counted by somebody else. One datagram for each number, in gunicorn's names.
//!
//! Nothing waits for it and nothing is kept: a datagram that cannot be sent is gone.

use std::fmt::Display;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use config::{Level, StatsdAddress, StatsdSettings};

/// The way to a StatsD server.
#[derive(Debug)]
pub struct Statsd {
    socket: Option<Socket>,
    /// In front of every name; empty, or with a final dot.
    prefix: String,
    /// Behind every number: `|#env:test`, or nothing.
    tags: String,
}

#[derive(Debug)]
enum Socket {
    Udp(UdpSocket),
    Unix(UnixDatagram),
}

impl Statsd {
    /// A server that cannot be reached is left alone.
    pub(crate) fn new(settings: &StatsdSettings) -> Statsd {
        let prefix = settings.prefix.trim_end_matches('.');
        let dot = if prefix.is_empty() { "" } else { "." };
        let hash = if settings.tags.is_empty() { "" } else { "|#" };
        Statsd {
            socket: connect(&settings.address),
            prefix: format!("{prefix}{dot}"),
            tags: format!("{hash}{}", settings.tags),
        }
    }

    /// A request has been answered.
    pub fn request(&self, status: u16, duration: Duration) {
        let milliseconds = duration.as_micros() as f64 / 1000.0;
        self.send("gunicorn.request.duration", milliseconds, "|ms");
        self.count("gunicorn.requests");
        self.count(&format!("gunicorn.request.status.{status}"));
    }

    /// There are so many workers now.
    pub fn workers(&self, number: usize) {
        self.send("gunicorn.workers", number, "|g");
    }

    /// So many connections wait to be accepted.
    pub fn backlog(&self, number: u32) {
        self.send("gunicorn.backlog", number, "|h");
    }

    /// A line has been logged.
    pub(crate) fn line(&self, level: Level, with_traceback: bool) {
        match level {
            Level::Critical => self.count("gunicorn.log.critical"),
            Level::Error if with_traceback => self.count("gunicorn.log.exception"),
            Level::Error => self.count("gunicorn.log.error"),
            Level::Warning => self.count("gunicorn.log.warning"),
            Level::Info | Level::Debug => {}
        }
    }

    fn count(&self, name: &str) {
        self.send(name, 1, "|c|@1.0");
    }

    fn send(&self, name: &str, value: impl Display, kind: &str) {
        let Some(socket) = &self.socket else { return };
        let message = format!("{}{name}:{value}{kind}{}", self.prefix, self.tags);
        let _ = match socket {
            Socket::Udp(socket) => socket.send(message.as_bytes()),
            Socket::Unix(socket) => socket.send(message.as_bytes()),
        };
    }
}

fn connect(address: &StatsdAddress) -> Option<Socket> {
    match address {
        StatsdAddress::Udp(host, port) => {
            let address = (host.as_str(), *port).to_socket_addrs().ok()?.next()?;
            let own: SocketAddr = match address {
                SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
                SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
            };
            let socket = UdpSocket::bind(own).ok()?;
            socket.set_nonblocking(true).ok()?;
            socket.connect(address).ok()?;
            Some(Socket::Udp(socket))
        }
        StatsdAddress::Unix(path) => {
            let socket = UnixDatagram::unbound().ok()?;
            socket.set_nonblocking(true).ok()?;
            socket.connect(path).ok()?;
            Some(Socket::Unix(socket))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_sent_in_gunicorns_words() {
        let server = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        server
            .set_read_timeout(Some(Duration::from_secs(30)))
            .expect("a timeout");
        let port = server.local_addr().expect("an address").port();
        let statsd = Statsd::new(&StatsdSettings {
            address: StatsdAddress::Udp("127.0.0.1".to_owned(), port),
            prefix: "svc.app..".to_owned(),
            tags: "env:t,b:2".to_owned(),
        });
        statsd.request(404, Duration::from_micros(872));
        statsd.workers(3);
        statsd.backlog(4);
        statsd.line(Level::Error, true);
        statsd.line(Level::Info, false);
        statsd.line(Level::Warning, false);
        let mut buffer = [0; 256];
        for expected in [
            "svc.app.gunicorn.request.duration:0.872|ms|#env:t,b:2",
            "svc.app.gunicorn.requests:1|c|@1.0|#env:t,b:2",
            "svc.app.gunicorn.request.status.404:1|c|@1.0|#env:t,b:2",
            "svc.app.gunicorn.workers:3|g|#env:t,b:2",
            "svc.app.gunicorn.backlog:4|h|#env:t,b:2",
            "svc.app.gunicorn.log.exception:1|c|@1.0|#env:t,b:2",
            "svc.app.gunicorn.log.warning:1|c|@1.0|#env:t,b:2",
        ] {
            let length = server.recv(&mut buffer).expect("a datagram");
            assert_eq!(String::from_utf8_lossy(&buffer[..length]), expected);
        }
    }
}
