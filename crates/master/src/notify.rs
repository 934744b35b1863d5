//! Telling systemd how the server is: sd_notify(3), one datagram for each message.
//!
//! Nobody who listens is no fault, and a message that cannot be sent is not sent: the service does not depend on it.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use crate::inheritance::Inheritance;

/// The way to systemd.
#[derive(Debug, Default)]
pub(crate) struct Notifier {
    socket: Option<(UnixDatagram, SocketAddr)>,
    /// Half of the time after which systemd takes the server for dead.
    pub(crate) beat_ms: Option<u64>,
}

impl Notifier {
    pub(crate) fn new(inheritance: &Inheritance) -> Notifier {
        let opened = || {
            let path = inheritance.notify_socket.as_deref()?;
            let address = match path.strip_prefix('@') {
                Some(name) => SocketAddr::from_abstract_name(name).ok()?,
                None => SocketAddr::from_pathname(path).ok()?,
            };
            let socket = UnixDatagram::unbound().ok()?;
            socket.set_nonblocking(true).ok()?;
            Some((socket, address))
        };
        let socket = opened();
        Notifier {
            beat_ms: inheritance
                .watchdog_us
                .filter(|_| socket.is_some())
                .map(|period_us| (period_us / 2000).max(1)),
            socket,
        }
    }

    /// The workers serve.
    pub(crate) fn ready(&self, pid: u32, workers: u32) {
        self.send(&format!(
            "READY=1\nMAINPID={pid}\nSTATUS={workers} workers serve\n"
        ));
    }

    /// New workers are being started. The time is what systemd measures a reload by.
    pub(crate) fn reloading(&self, monotonic_ms: u64) {
        self.send(&format!(
            "RELOADING=1\nMONOTONIC_USEC={}\nSTATUS=reloading\n",
            monotonic_ms * 1000
        ));
    }

    /// The stop begins.
    pub(crate) fn stopping(&self) {
        self.send("STOPPING=1\nSTATUS=stopping\n");
    }

    /// The master is alive.
    pub(crate) fn alive(&self) {
        self.send("WATCHDOG=1\n");
    }

    fn send(&self, message: &str) {
        if let Some((socket, address)) = &self.socket {
            let _ = socket.send_to_addr(message.as_bytes(), address);
        }
    }
}
