//! The last moment of a listening socket.

use std::io;
use std::os::fd::BorrowedFd;

/// Lets nobody begin a connection any more, while those that have begun may still be accepted.
///
/// Closing a listening socket resets whoever came after the last accept, although the client believes that it is
/// connected. Here its first packet (SYN) is dropped: the client tries again a second later, and once the socket is
/// closed it is refused, which tells it that nothing was received. Holds for every process that has the socket.
///
/// # Errors
/// As for setsockopt (SO_ATTACH_FILTER, socket(7)).
#[cfg(target_os = "linux")]
pub fn admit_nobody_new(socket: BorrowedFd<'_>) -> io::Result<()> {
    use socket2::{SockFilter, SockRef};
    /// Where a TCP header has its flags (RFC 9293, 3.1), and that which begins a connection.
    const FLAGS: u32 = 13;
    const SYN: u32 = 0x02;
    const LOAD_BYTE: u16 = (libc::BPF_LD | libc::BPF_B | libc::BPF_ABS) as u16;
    const JUMP_IF_ANY: u16 = (libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    SockRef::from(&socket).attach_filter(&[
        SockFilter::new(LOAD_BYTE, 0, 0, FLAGS),
        SockFilter::new(JUMP_IF_ANY, 0, 1, SYN),
        SockFilter::new(RETURN, 0, 0, 0),        // drop it
        SockFilter::new(RETURN, 0, 0, u32::MAX), // keep all of it
    ])
}

/// There is no way here to say so.
///
/// # Errors
/// None.
#[cfg(not(target_os = "linux"))]
pub fn admit_nobody_new(_socket: BorrowedFd<'_>) -> io::Result<()> {
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::{ErrorKind, Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd;
    use std::time::Duration;

    use super::*;

    #[test]
    fn those_who_came_are_served_and_nobody_else_comes() -> io::Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let mut early = TcpStream::connect(address)?;
        admit_nobody_new(listener.as_fd())?;
        let late = TcpStream::connect_timeout(&address, Duration::from_millis(200));
        assert_eq!(
            late.map_err(|error| error.kind()).err(),
            Some(ErrorKind::TimedOut)
        );
        let (mut accepted, _) = listener.accept()?;
        drop(listener);
        early.write_all(b"ping")?;
        let mut received = [0; 4];
        accepted.read_exact(&mut received)?;
        assert_eq!(&received, b"ping");
        Ok(())
    }
}
