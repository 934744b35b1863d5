//! Telling systemd how the server is: sd_notify(3), one datagram for each message.
//!
//! Nobody who listens is no fault: the service does not depend on it. What there is no room for now is told again, but for the sign
//! of life, since systemd waits for the others: a start that it has not heard of is no start.

use std::collections::VecDeque;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use crate::inheritance::Inheritance;

/// Messages kept for somebody who does not read; the oldest make room.
const MOST_UNSENT: usize = 8;

/// The way to systemd.
#[derive(Debug, Default)]
pub(crate) struct Notifier {
    socket: Option<(UnixDatagram, SocketAddr)>,
    /// What there was no room for, the oldest first.
    unsent: VecDeque<String>,
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
            unsent: VecDeque::new(),
        }
    }

    /// Whether there is something that could not be sent yet.
    pub(crate) fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Sends that, as far as there is room now.
    pub(crate) fn try_again(&mut self) {
        while let Some(message) = self.unsent.front() {
            if self.is_full_for(message) {
                return;
            }
            self.unsent.pop_front();
        }
    }

    /// The workers serve.
    pub(crate) fn ready(&mut self, pid: u32, workers: u32) {
        self.send(format!(
            "READY=1\nMAINPID={pid}\nSTATUS={workers} workers serve\n"
        ));
    }

    /// New workers are being started. The time is what systemd measures a reload by.
    pub(crate) fn reloading(&mut self, monotonic_ms: u64) {
        self.send(format!(
            "RELOADING=1\nMONOTONIC_USEC={}\nSTATUS=reloading\n",
            monotonic_ms * 1000
        ));
    }

    /// The stop begins.
    pub(crate) fn stopping(&mut self) {
        self.send("STOPPING=1\nSTATUS=stopping\n".to_owned());
    }

    /// The master is alive.
    pub(crate) fn alive(&self) {
        // The next one says so as well.
        let _ = self.is_full_for("WATCHDOG=1\n");
    }

    /// Messages arrive in their order.
    fn send(&mut self, message: String) {
        self.unsent.push_back(message);
        if self.unsent.len() > MOST_UNSENT {
            self.unsent.pop_front();
        }
        self.try_again();
    }

    /// Sends a message; whether there was no room for it. Whatever else may be wrong will not be better later.
    fn is_full_for(&self, message: &str) -> bool {
        let sent = self
            .socket
            .as_ref()
            .map(|(socket, address)| socket.send_to_addr(message.as_bytes(), address));
        matches!(sent, Some(Err(error)) if error.kind() == io::ErrorKind::WouldBlock)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(systemd: &UnixDatagram) -> Option<String> {
        let mut message = [0; 128];
        let length = systemd.recv(&mut message).ok()?;
        Some(String::from_utf8_lossy(&message[..length]).into_owned())
    }

    #[test]
    fn what_systemd_had_no_room_for_is_told_again() {
        let path = std::env::temp_dir().join(format!("penstock-notify-{}", std::process::id()));
        let systemd = UnixDatagram::bind(&path).expect("bind");
        systemd
            .set_nonblocking(true)
            .expect("a socket can be non-blocking");
        let mut notifier = Notifier::new(&Inheritance {
            notify_socket: Some(path.display().to_string()),
            ..Inheritance::default()
        });
        while !notifier.is_full_for("WATCHDOG=1\n") {}
        notifier.reloading(7);
        notifier.ready(1, 2);
        assert!(notifier.has_unsent());
        while next(&systemd).is_some_and(|message| message == "WATCHDOG=1\n") {}
        notifier.try_again();
        std::fs::remove_file(&path).expect("remove");
        assert!(!notifier.has_unsent());
        let found = [next(&systemd), next(&systemd), next(&systemd)].map(Option::unwrap_or_default);
        assert!(
            found[0].starts_with("RELOADING=1\nMONOTONIC_USEC=7000\n"),
            "{found:?}"
        );
        assert!(found[1].starts_with("READY=1\nMAINPID=1\n"), "{found:?}");
        assert_eq!(found[2], "");
    }
}
