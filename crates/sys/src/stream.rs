//! Sending through a TCP socket while saying that more comes.

use std::io;
use std::os::fd::{BorrowedFd, RawFd};

/// Sends `bytes` and says that more follows at once: the kernel may wait to fill a segment, at most 200 ms (MSG_MORE,
/// send(2)). [`push`] ends the waiting.
///
/// # Errors
/// As for write.
#[cfg(target_os = "linux")]
pub fn send_more(socket: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    use rustix::net::{SendFlags, send};
    Ok(send(socket, bytes, SendFlags::MORE | SendFlags::NOSIGNAL)?)
}

/// Sends `bytes`; there is no way here to say that more follows.
///
/// # Errors
/// As for write.
#[cfg(not(target_os = "linux"))]
pub fn send_more(socket: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    Ok(rustix::io::write(socket, bytes)?)
}

/// Has the kernel send what [`send_more`] made it keep, by setting TCP_NODELAY, which is set already (tcp(7)).
///
/// The number may be that of a socket closed meanwhile: then nothing happens, or some other socket of this process
/// stops delaying small segments.
pub fn push(socket: RawFd) {
    if socket < 0 {
        return;
    }
    // SAFETY: borrowed for one call that neither closes nor keeps it; were the number not open, the call would fail.
    let socket = unsafe { BorrowedFd::borrow_raw(socket) };
    // Not open, or no TCP socket: there is nothing to push.
    let _ = rustix::net::sockopt::set_tcp_nodelay(socket, true);
}
