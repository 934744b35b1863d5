//! Alarms on their way to the master, which tells whoever is to be told: any process of the server may raise one.
//!
//! Rules: nobody waits; what the master has not taken in time is dropped. It leaves out who is told and how.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;

use rustix::io::{read, retry_on_intr, write};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

/// The longest alarm, in bytes; more is cut off.
const LONGEST: usize = 1 << 16;

/// The end that is read and the end that is written, of the server that this process belongs to.
static CHANNEL: OnceLock<(OwnedFd, OwnedFd)> = OnceLock::new();

/// Opens the way, in the master, before it forks. Once is enough.
///
/// # Errors
/// What `socketpair` says.
pub fn open() -> io::Result<()> {
    if CHANNEL.get().is_none() {
        // One alarm is one packet.
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let ends = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        let _ = CHANNEL.set(ends); // another thread has opened it
    }
    Ok(())
}

/// Raises the alarm of this name; whether the master will hear of it.
pub fn raise(name: &str, text: &[u8]) -> bool {
    let Some((_, writing)) = CHANNEL.get() else {
        return false;
    };
    let mut packet = [name.as_bytes(), b"\0", text].concat();
    packet.truncate(LONGEST);
    retry_on_intr(|| write(writing, &packet)).is_ok()
}

/// What the master waits for.
pub fn descriptor() -> Option<BorrowedFd<'static>> {
    CHANNEL.get().map(|(reading, _)| reading.as_fd())
}

/// The alarms that have been raised: names and texts.
pub fn take() -> Vec<(String, Vec<u8>)> {
    let mut out = Vec::new();
    let Some(reading) = descriptor() else { return out };
    let mut packet = vec![0; LONGEST];
    while let Ok(length @ 1..) = retry_on_intr(|| read(reading, &mut packet)) {
        let mut parts = packet[..length].splitn(2, |&byte| byte == 0);
        let (name, text) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        out.push((String::from_utf8_lossy(name).into_owned(), text.to_vec()));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{open, raise, take};

    #[test]
    fn alarms_are_heard_in_their_order_and_nobody_waits_where_there_is_no_room() {
        assert!(!raise("early", b"nobody hears"));
        open().expect("there are descriptors");
        assert!(raise("first", b"of\0a line\n") && raise("second", b""));
        let heard = take();
        assert_eq!(heard[0], ("first".to_owned(), b"of\0a line\n".to_vec()));
        assert_eq!(heard[1], ("second".to_owned(), Vec::new()));
        let raised = (0..100_000).take_while(|_| raise("again", &[b'x'; 1000])).count();
        assert!(raised < 100_000 && take().len() == raised);
    }
}
