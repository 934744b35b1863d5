//! Standard output and error: as they were when the process began, and the pipe that stands in their place where what
//! programs print goes the way of all other lines (uWSGI's `log-master` with loggers, encoders, filters).
//!
//! Rules: what is in the pipe is read by one process, the master, which is never kept waiting; only whole lines go on, so that
//! two programs' lines do not mix. There is one such pipe in a process, as there is one descriptor 1.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rustix::io::{Errno, fcntl_dupfd_cloexec, fcntl_getfd, read, retry_on_intr};
use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};

/// Room in the pipe, in bytes, where the system grants it: whoever prints more before the master looks waits for it.
const ROOM: usize = 1 << 20;

/// What is read at once, in bytes, and how often: there is other work to do.
const PIECE: usize = 1 << 16;
const PIECES: usize = 16;

/// The longest line, in bytes; a longer one is cut in two.
const LONGEST_LINE: usize = 1 << 16;

/// Standard output and error as they were.
static ORIGINAL: OnceLock<(OwnedFd, OwnedFd)> = OnceLock::new();

/// Standard output as it was when the process began.
pub(crate) fn stdout() -> BorrowedFd<'static> {
    ORIGINAL
        .get()
        .map_or_else(rustix::stdio::stdout, |(stdout, _)| stdout.as_fd())
}

/// Standard error as it was when the process began.
pub(crate) fn stderr() -> BorrowedFd<'static> {
    ORIGINAL
        .get()
        .map_or_else(rustix::stdio::stderr, |(_, stderr)| stderr.as_fd())
}

/// The pipe, if there is one, and the beginning of the line that is not whole yet.
#[derive(Debug, Default)]
pub(crate) struct Intake {
    ends: Mutex<Option<Ends>>,
    begun: Mutex<Vec<u8>>,
}

#[derive(Clone, Debug)]
struct Ends {
    reader: Arc<OwnedFd>,
    writer: Arc<OwnedFd>,
}

impl Intake {
    fn ends(&self) -> Option<Ends> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The end that is read, to wait for.
    pub(crate) fn reader(&self) -> Option<Arc<OwnedFd>> {
        self.ends().map(|ends| ends.reader)
    }

    /// Puts the pipe in the place of standard output and error; again: back in their place.
    pub(crate) fn open(&self) -> io::Result<()> {
        let mut held = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        let ends = match held.take() {
            Some(ends) => ends,
            None => {
                let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
                rustix::fs::fcntl_setfl(&reader, rustix::fs::OFlags::NONBLOCK)?;
                // Less room is no fault: it is a limit for users without rights.
                let _ = fcntl_setpipe_size(&writer, ROOM);
                keep_original()?;
                Ends {
                    reader: Arc::new(reader),
                    writer: Arc::new(writer),
                }
            }
        };
        let writer = Arc::clone(&ends.writer);
        *held = Some(ends);
        rustix::stdio::dup2_stdout(&*writer)?;
        rustix::stdio::dup2_stderr(&*writer)?;
        Ok(())
    }

    /// The whole lines that have been printed.
    pub(crate) fn take(&self) -> Vec<u8> {
        let Some(ends) = self.ends() else {
            return Vec::new();
        };
        let mut text = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        let mut piece = vec![0; PIECE];
        for _ in 0..PIECES {
            match retry_on_intr(|| read(&*ends.reader, &mut piece)) {
                Ok(0) | Err(_) => break,
                Ok(length) => text.extend_from_slice(&piece[..length]),
            }
        }
        let whole = match text.iter().rposition(|&byte| byte == b'\n') {
            Some(end) => end + 1,
            None if text.len() > LONGEST_LINE => text.len(),
            None => 0,
        };
        text.drain(..whole).collect()
    }

    /// Puts standard output and error back where they were, and returns what is left, line or not.
    pub(crate) fn close(&self) -> Vec<u8> {
        let mut text = self.take();
        if self.ends().is_some()
            && let Some((stdout, stderr)) = ORIGINAL.get()
        {
            // Should that fail, what comes from here on is lost, as it would be without anybody who reads.
            let _ = rustix::stdio::dup2_stdout(stdout).and_then(|()| rustix::stdio::dup2_stderr(stderr));
        }
        self.leave();
        text.append(&mut self.begun.lock().unwrap_or_else(PoisonError::into_inner));
        text
    }

    /// In a child: it prints there, and does not read.
    pub(crate) fn leave(&self) {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// Notes what standard output and error are, the first time; one that is closed takes everything and keeps nothing.
fn keep_original() -> io::Result<()> {
    if ORIGINAL.get().is_some() {
        return Ok(());
    }
    let open = |stream: BorrowedFd<'static>| match fcntl_getfd(stream) {
        Err(Errno::BADF) => Ok(rustix::fs::open(
            "/dev/null",
            rustix::fs::OFlags::WRONLY | rustix::fs::OFlags::CLOEXEC,
            rustix::fs::Mode::empty(),
        )?),
        _ => fcntl_dupfd_cloexec(stream, 3),
    };
    let both = (open(rustix::stdio::stdout())?, open(rustix::stdio::stderr())?);
    let _ = ORIGINAL.set(both); // another thread has kept the same
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustix::io::write;
    use rustix::pipe::{PipeFlags, pipe_with};

    use super::{Ends, Intake, LONGEST_LINE};

    /// An intake whose pipe is nobody's standard output.
    fn aside() -> (Intake, Arc<std::os::fd::OwnedFd>) {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).expect("a pipe");
        let (reader, writer) = (Arc::new(reader), Arc::new(writer));
        let intake = Intake::default();
        *intake.ends.lock().expect("nobody else has it") = Some(Ends {
            reader,
            writer: Arc::clone(&writer),
        });
        (intake, writer)
    }

    #[test]
    fn only_whole_lines_go_on() {
        let (intake, writer) = aside();
        for (printed, taken) in [
            ("one\ntwo\nthr", "one\ntwo\n"),
            ("", ""),
            ("ee\n", "three\n"),
            ("four", ""),
        ] {
            write(&*writer, printed.as_bytes()).expect("there is room");
            assert_eq!(String::from_utf8_lossy(&intake.take()), taken, "{printed:?}");
        }
    }

    #[test]
    fn a_line_without_an_end_does_not_grow_for_ever() {
        let (intake, writer) = aside();
        let mut taken = 0;
        for _ in 0..LONGEST_LINE / 4096 + 1 {
            write(&*writer, &[b'x'; 4096]).expect("there is room");
            taken += intake.take().len();
        }
        assert!(taken > LONGEST_LINE);
    }

    #[test]
    fn what_a_child_has_left_is_not_read_by_it() {
        let (intake, writer) = aside();
        write(&*writer, b"line\n").expect("there is room");
        intake.leave();
        assert!(intake.take().is_empty() && intake.reader().is_none());
    }
}
