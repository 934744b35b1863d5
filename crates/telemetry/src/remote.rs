//! Logs that take datagrams: the system's, another machine's, or anything that listens.
//!
//! A line is one datagram, cut to a size that every receiver takes. Nobody is waited for: a line that cannot be sent is lost.

use std::net::{SocketAddr, ToSocketAddrs, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

/// Where the system's log listens.
const SYSTEM_LOG: &str = "/dev/log";
/// Bytes of a line that are sent at the most.
const LONGEST: usize = 8192;
/// `LOG_INFO` (RFC 3164, 4.1.1): what uWSGI gives every line.
const INFORMATIONAL: u8 = 6;
/// `LOG_DAEMON`, for other machines.
const DAEMON: u8 = 3;

/// Somebody who takes datagrams.
#[derive(Debug)]
pub(crate) struct Remote {
    way: Way,
    /// In front of every line.
    head: String,
    /// `[PID]: ` follows the head.
    with_pid: bool,
}

#[derive(Debug)]
enum Way {
    Unix(Option<UnixDatagram>, PathBuf),
    Udp(Option<(UdpSocket, SocketAddr)>),
}

impl Remote {
    /// Whether there is a system log.
    pub(crate) fn has_system_log() -> bool {
        Path::new(SYSTEM_LOG).exists()
    }

    /// The system's log.
    pub(crate) fn system_log(name: &str, facility: u8) -> Remote {
        Remote {
            way: unix(SYSTEM_LOG),
            head: format!("<{}>{name}", priority(facility)),
            with_pid: true,
        }
    }

    /// Another machine's log at `HOST:PORT`.
    pub(crate) fn syslog(address: &str, name: &str) -> Remote {
        let space = if name.is_empty() { "" } else { ": " };
        Remote {
            way: way_to(address),
            head: format!("<{}>{name}{space}", priority(DAEMON)),
            with_pid: false,
        }
    }

    /// Whoever listens at `HOST:PORT` or a path.
    pub(crate) fn plain(address: &str) -> Remote {
        Remote {
            way: way_to(address),
            head: String::new(),
            with_pid: false,
        }
    }

    /// Sends each line of a text. Says whether all could be sent.
    pub(crate) fn send(&self, text: &[u8]) -> bool {
        let mut sent = true;
        for line in text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            let mut datagram = self.head.clone().into_bytes();
            if self.with_pid {
                datagram.extend_from_slice(format!("[{}]: ", std::process::id()).as_bytes());
            }
            datagram.extend_from_slice(line);
            datagram.truncate(LONGEST);
            sent &= match &self.way {
                Way::Unix(Some(socket), path) => socket.send_to(&datagram, path).is_ok(),
                Way::Udp(Some((socket, address))) => socket.send_to(&datagram, address).is_ok(),
                Way::Unix(None, _) | Way::Udp(None) => false,
            };
        }
        sent
    }
}

fn priority(facility: u8) -> u8 {
    facility * 8 + INFORMATIONAL
}

fn way_to(address: &str) -> Way {
    if address.contains('/') {
        return unix(address);
    }
    let found = address.to_socket_addrs().ok().and_then(|mut all| all.next());
    let open = |address: SocketAddr| {
        let socket = UdpSocket::bind(if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" }).ok()?;
        socket.set_nonblocking(true).ok()?;
        Some((socket, address))
    };
    Way::Udp(found.and_then(open))
}

fn unix(path: &str) -> Way {
    let socket = UnixDatagram::unbound().ok();
    let socket = socket.filter(|socket| socket.set_nonblocking(true).is_ok());
    Way::Unix(socket, PathBuf::from(path))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_line_is_a_datagram_with_its_head() {
        let server = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        server
            .set_read_timeout(Some(Duration::from_secs(30)))
            .expect("a timeout");
        let address = server.local_addr().expect("an address").to_string();
        assert!(Remote::syslog(&address, "app").send(b"one\ntwo\n"));
        assert!(Remote::plain(&address).send(&[b'x'; 9000]));
        let mut buffer = [0; 9000];
        for expected in [
            b"<30>app: one".to_vec(),
            b"<30>app: two".to_vec(),
            vec![b'x'; LONGEST],
        ] {
            let length = server.recv(&mut buffer).expect("a datagram");
            assert_eq!(buffer[..length], expected);
        }
    }
}
