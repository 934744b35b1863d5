//! What a listening socket tells, and its last moment.

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

/// How many connections wait to be accepted, and how many may; nothing where the system does not tell (unix sockets).
///
/// # Errors
/// As for getsockopt (TCP_INFO, tcp(7)).
#[cfg(target_os = "linux")]
pub fn accept_queue(socket: BorrowedFd<'_>) -> io::Result<(u32, u32)> {
    use std::os::fd::AsRawFd as _;
    // SAFETY: tcp_info is plain integers, for which zero is a value.
    let mut info: libc::tcp_info = unsafe { std::mem::zeroed() };
    let mut length = size_of::<libc::tcp_info>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes, which is the size of `info`; the descriptor is borrowed.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            (&raw mut info).cast(),
            &raw mut length,
        )
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    // Of a listening socket these two are its queue's length and limit.
    Ok((info.tcpi_unacked, info.tcpi_sacked))
}

/// There is no way here to ask.
///
/// # Errors
/// None.
#[cfg(not(target_os = "linux"))]
pub fn accept_queue(_socket: BorrowedFd<'_>) -> io::Result<(u32, u32)> {
    Ok((0, 0))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::{ErrorKind, Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd;
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_queue_of_a_socket_is_known() -> io::Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let before = accept_queue(listener.as_fd())?;
        assert_eq!(before.0, 0);
        assert!(before.1 > 0);
        let _waiting = TcpStream::connect(listener.local_addr()?)?;
        assert_eq!(accept_queue(listener.as_fd())?, (1, before.1));
        Ok(())
    }

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
