//! File contents to a socket without a copy through user space.

use std::io;
use std::os::fd::BorrowedFd;

/// Sends up to `count` bytes of `input`, from `offset` on, to `output`; returns how many were taken. The file's own
/// position stays as it is. Zero means that the file ends at `offset`.
///
/// # Errors
/// As for write: `WouldBlock` when the socket takes nothing now.
pub fn sendfile(
    output: BorrowedFd<'_>,
    input: BorrowedFd<'_>,
    offset: u64,
    count: usize,
) -> io::Result<usize> {
    #[cfg(target_os = "linux")]
    {
        let mut offset = offset;
        Ok(rustix::fs::sendfile(output, input, Some(&mut offset), count)?)
    }
    // The others' calls of this name differ, and copying is right everywhere.
    #[cfg(not(target_os = "linux"))]
    {
        let mut buffer = [0_u8; 64 << 10];
        let wanted = count.min(buffer.len());
        let read = rustix::io::pread(input, &mut buffer[..wanted], offset)?;
        Ok(rustix::io::write(output, &buffer[..read])?)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read, Write};
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_part_of_a_file_reaches_the_socket() {
        let path = std::env::temp_dir().join(format!("penstock-sendfile-{}", std::process::id()));
        File::create(&path)
            .and_then(|mut file| file.write_all(b"0123456789"))
            .expect("write");
        let file = File::open(&path).expect("open");
        std::fs::remove_file(&path).expect("remove");
        let (output, mut peer) = UnixStream::pair().expect("pair");
        assert_eq!(sendfile(output.as_fd(), file.as_fd(), 3, 4).expect("send"), 4);
        assert_eq!(sendfile(output.as_fd(), file.as_fd(), 10, 4).expect("send"), 0);
        let mut received = [0; 4];
        peer.read_exact(&mut received).expect("read");
        assert_eq!(&received, b"3456");
    }
}
