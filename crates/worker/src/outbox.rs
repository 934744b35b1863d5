//! What waits to be written to one client: bytes in order, some of them borrowed from the application, some of
//! them still in a file.
//!
//! Small pieces are copied into one growing buffer, so that a whole answer, and a whole row of pipelined answers,
//! leaves in one system call; large ones are queued as they are and never copied.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use bytes::Bytes;

use crate::stream::Stream;

/// Up to this many bytes a piece is copied rather than queued: a copy is cheaper than an entry of its own.
pub(crate) const COPY_LIMIT: usize = 16 << 10;

/// How much of a file is sent before other connections get their turn.
const FILE_TURN: u64 = 2 << 20;

/// Most pieces handed to one writev; far below any system's IOV_MAX.
const SLICES: usize = 64;

#[derive(Debug)]
enum Segment {
    Bytes(Bytes),
    File {
        file: Arc<OwnedFd>,
        offset: u64,
        length: u64,
    },
}

/// Output in the order it has to leave: `segments`, then `tail`.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    segments: VecDeque<Segment>,
    /// Bytes that may still be appended to. Belongs after all segments.
    tail: Vec<u8>,
    /// How much of `tail` has been written.
    written: usize,
    /// Bytes queued in `segments`, those still in files included.
    queued: u64,
}

/// Whether everything has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flushed {
    /// Nothing is left.
    All,
    /// The socket is full: wait until it is writable.
    Blocked,
    /// There is more and the socket would take it, but others are waiting: come back next turn.
    Turn,
}

impl Outbox {
    pub(crate) fn is_empty(&self) -> bool {
        self.segments.is_empty() && self.tail.is_empty()
    }

    /// Bytes not written yet.
    pub(crate) fn pending(&self) -> u64 {
        self.queued + (self.tail.len() - self.written) as u64
    }

    /// Where small pieces are appended.
    pub(crate) fn tail(&mut self) -> &mut Vec<u8> {
        &mut self.tail
    }

    /// The bytes queued, if all of them may still be appended to and none has been written.
    pub(crate) fn whole_tail(&mut self) -> Option<&mut Vec<u8>> {
        (self.segments.is_empty() && self.written == 0).then_some(&mut self.tail)
    }

    /// Queues `bytes` before everything else. Nothing of that may have been written.
    pub(crate) fn push_front(&mut self, bytes: Vec<u8>) {
        self.queued += bytes.len() as u64;
        self.segments.push_front(Segment::Bytes(Bytes::from(bytes)));
    }

    /// Queues a large piece without copying it.
    pub(crate) fn push_bytes(&mut self, bytes: Bytes) {
        self.seal_tail();
        self.queued += bytes.len() as u64;
        self.segments.push_back(Segment::Bytes(bytes));
    }

    /// Queues a part of a file, sent by the kernel without passing through this process.
    pub(crate) fn push_file(&mut self, file: Arc<OwnedFd>, offset: u64, length: u64) {
        self.seal_tail();
        self.queued += length;
        self.segments.push_back(Segment::File { file, offset, length });
    }

    /// Turns the tail into a segment, so that something can come after it.
    fn seal_tail(&mut self) {
        if self.tail.is_empty() {
            return;
        }
        let tail = Bytes::from(std::mem::take(&mut self.tail)).split_off(self.written);
        self.written = 0;
        self.queued += tail.len() as u64;
        self.segments.push_back(Segment::Bytes(tail));
    }

    /// Writes as much as the socket takes.
    pub(crate) fn flush(&mut self, stream: &mut Stream) -> io::Result<Flushed> {
        let mut file_turn = FILE_TURN;
        loop {
            let done = match self.segments.front() {
                None if self.tail.is_empty() => return Ok(Flushed::All),
                None => self.flush_tail(stream),
                Some(Segment::Bytes(_)) => self.flush_slices(stream),
                Some(Segment::File { .. }) if file_turn == 0 => return Ok(Flushed::Turn),
                Some(Segment::File { .. }) => self.flush_file(stream, &mut file_turn),
            };
            match done {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Flushed::Blocked),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn flush_tail(&mut self, stream: &mut Stream) -> io::Result<()> {
        let rest = &self.tail[self.written..];
        let written = accepted(stream.write(rest))?;
        self.wrote_tail(written);
        Ok(())
    }

    fn flush_slices(&mut self, stream: &mut Stream) -> io::Result<()> {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let mut used = 0;
        let pieces = self.segments.iter().map_while(|segment| match segment {
            Segment::Bytes(bytes) => Some(&bytes[..]),
            Segment::File { .. } => None,
        });
        let all_bytes = self
            .segments
            .iter()
            .all(|segment| matches!(segment, Segment::Bytes(_)));
        let tail = (all_bytes && !self.tail.is_empty()).then_some(&self.tail[self.written..]);
        for piece in pieces.chain(tail).take(SLICES) {
            slices[used] = IoSlice::new(piece);
            used += 1;
        }
        let mut written = accepted(stream.write_vectored(&slices[..used]))?;
        while let Some(Segment::Bytes(front)) = self.segments.front_mut() {
            let step = written.min(front.len());
            written -= step;
            self.queued -= step as u64;
            if step < front.len() {
                let _ = front.split_to(step);
                return Ok(());
            }
            self.segments.pop_front();
        }
        self.wrote_tail(written);
        Ok(())
    }

    /// Forgets what has left, once it is more than what has not: an application may write as fast as its client
    /// reads, for days, without the tail ever being empty.
    fn wrote_tail(&mut self, count: usize) {
        self.written += count;
        if self.written > self.tail.len() / 2 {
            self.tail.drain(..self.written);
            self.written = 0;
        }
    }

    fn flush_file(&mut self, stream: &mut Stream, turn: &mut u64) -> io::Result<()> {
        let Some(Segment::File { file, offset, length }) = self.segments.front_mut() else {
            return Ok(());
        };
        let step = (*length).min(*turn);
        let step = usize::try_from(step).unwrap_or(usize::MAX);
        let sent = sys::sendfile(stream.as_fd(), file.as_fd(), *offset, step)? as u64;
        if sent == 0 && *length > 0 {
            // The file has shrunk under us: the announced length can no longer be kept.
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        *offset += sent;
        *length -= sent;
        self.queued -= sent;
        *turn -= sent;
        if *length == 0 {
            self.segments.pop_front();
        }
        Ok(())
    }
}

/// A write that accepts nothing is an error: it would be tried for ever.
fn accepted(result: io::Result<usize>) -> io::Result<usize> {
    match result {
        Ok(0) => Err(io::ErrorKind::WriteZero.into()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn a_stream_that_is_never_quite_written_takes_no_more_and_more_memory() {
        let (ours, mut theirs) = std::os::unix::net::UnixStream::pair().expect("pair");
        ours.set_nonblocking(true).expect("non-blocking");
        let mut stream = Stream::Unix(mio::net::UnixStream::from_std(ours));
        let mut outbox = Outbox::default();
        let (mut sent, mut received) = (Vec::new(), Vec::new());
        let mut buffer = [0; 16 << 10];
        for round in 0..4096_u32 {
            let piece = [round as u8; 4 << 10];
            outbox.tail().extend_from_slice(&piece);
            sent.extend_from_slice(&piece);
            outbox.flush(&mut stream).expect("the peer is there");
            if outbox.pending() > 64 << 10 {
                let count = theirs.read(&mut buffer).expect("something was sent");
                received.extend_from_slice(&buffer[..count]);
            }
        }
        assert!(
            outbox.pending() > 0,
            "the peer must lag behind for this to mean anything"
        );
        assert!(
            outbox.tail().capacity() < 1 << 20,
            "{} bytes",
            outbox.tail().capacity()
        );
        while received.len() < sent.len() {
            let count = theirs.read(&mut buffer).expect("something was sent");
            received.extend_from_slice(&buffer[..count]);
            outbox.flush(&mut stream).expect("the peer is there");
        }
        assert!(received == sent, "the bytes arrive in order");
    }
}
