//! Where log lines go: standard error, standard output, or a file.
//!
//! Rules: text is handed to the kernel in one `write(2)` with `O_APPEND`, so that lines of several processes do
//! not mix; a target that fails or is full loses lines, which are counted, and never stops the caller. It leaves
//! out what the lines say.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::access::FormatError;
use config::{Dialect, LogRotation, LogTarget, Logs};

use crate::programs;
use crate::redis::RedisLogger;
use crate::remote::Remote;
use crate::standard;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, Gid, Mode, OFlags, Uid};

/// How long a line waits for a full pipe before it is dropped. Once one has waited in vain, the following ones do
/// not wait at all until the reader has come back.
const PATIENCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 200_000_000,
};
const NO_PATIENCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 0,
};

/// A log could not be opened.
#[derive(Debug)]
pub struct LogOpenError {
    /// What the user called the setting that is at fault.
    option: &'static str,
    fault: Fault,
}

#[derive(Debug)]
enum Fault {
    File { path: PathBuf, source: io::Error },
    Format(FormatError),
}

impl LogOpenError {
    pub(crate) fn pipe(source: io::Error) -> LogOpenError {
        LogOpenError {
            option: "logger",
            fault: Fault::File {
                path: PathBuf::from("pipe"),
                source,
            },
        }
    }

    pub(crate) fn format(option: &'static str, error: FormatError) -> LogOpenError {
        LogOpenError {
            option,
            fault: Fault::Format(error),
        }
    }
}

impl fmt::Display for LogOpenError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let option = self.option;
        let (path, source) = match &self.fault {
            Fault::Format(error) => return write!(formatter, "{option}: {error}"),
            Fault::File { path, source } => (path.display(), source),
        };
        write!(
            formatter,
            "{option}: '{path}' cannot be opened for writing: {source}"
        )?;
        match source.kind() {
            io::ErrorKind::NotFound => write!(formatter, ". Create its directory, or name another file."),
            io::ErrorKind::PermissionDenied => {
                write!(
                    formatter,
                    ". Give this user the right to write there, or name another file."
                )
            }
            io::ErrorKind::IsADirectory => write!(formatter, ". Name a file in it."),
            _ => Ok(()),
        }
    }
}

impl std::error::Error for LogOpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.fault {
            Fault::File { source, .. } => Some(source),
            Fault::Format(error) => Some(error),
        }
    }
}

/// An open target.
#[derive(Debug)]
pub(crate) struct Sink {
    place: Place,
    /// Lines that nobody will ever read, since the last time this was asked.
    lost: AtomicU64,
    /// The reader of a pipe did not come back in time.
    stalled: AtomicBool,
}

#[derive(Debug)]
enum Place {
    Stderr,
    Stdout,
    /// Somebody who takes one datagram for each line.
    Remote(Remote),
    /// A server that takes one command for each line.
    Redis(RedisLogger),
    /// What a program reads.
    Program(Arc<OwnedFd>),
    /// The lock is only ever taken for writing while the file is reopened.
    File {
        path: PathBuf,
        mode: Mode,
        file: RwLock<OwnedFd>,
    },
}

impl Sink {
    /// Opens `target`. `option` is what the user called it, for the error.
    pub(crate) fn open(
        target: &LogTarget,
        logs: &Logs,
        dialect: Dialect,
        option: &'static str,
    ) -> Result<Sink, LogOpenError> {
        let place = match target {
            LogTarget::Stderr => Place::Stderr,
            LogTarget::Stdout => Place::Stdout,
            LogTarget::File(path) => match standard_stream(path) {
                Some(place) => place,
                None => Place::open_file(path, logs, dialect).map_err(|source| LogOpenError {
                    option,
                    fault: Fault::File {
                        path: path.clone(),
                        source,
                    },
                })?,
            },
            // Without a system log, lines would be seen by nobody.
            LogTarget::Syslog { .. } if !Remote::has_system_log() => Place::Stderr,
            LogTarget::Syslog { name, facility } => Place::Remote(Remote::system_log(name, *facility)),
            LogTarget::RemoteSyslog { address, name } => Place::Remote(Remote::syslog(address, name)),
            LogTarget::Datagrams(address) => Place::Remote(Remote::plain(address)),
            LogTarget::Redis(settings) => Place::Redis(RedisLogger::new(settings)),
            LogTarget::Program(command) => {
                Place::Program(programs::pipe_to(command).map_err(|source| LogOpenError {
                    option,
                    fault: Fault::File {
                        path: PathBuf::from(command),
                        source,
                    },
                })?)
            }
        };
        Ok(Sink {
            place,
            lost: AtomicU64::new(0),
            stalled: AtomicBool::new(false),
        })
    }

    /// Writes `text`, which holds `lines` lines. Says whether all of it arrived.
    pub(crate) fn write(&self, text: &[u8], lines: u64) -> bool {
        let arrived = match &self.place {
            Place::Stderr => self.write_stream(standard::stderr(), text),
            Place::Stdout => self.write_stream(standard::stdout(), text),
            Place::Remote(remote) => remote.send(text),
            Place::Redis(logger) => logger.send(text),
            Place::Program(pipe) => self.write_stream(pipe.as_fd(), text),
            Place::File { file, .. } => {
                let file = file.read().unwrap_or_else(PoisonError::into_inner);
                write_all(file.as_fd(), text).is_ok()
            }
        };
        if !arrived {
            self.lost.fetch_add(lines, Ordering::Relaxed);
        }
        arrived
    }

    /// The descriptor it writes to; it stays the same when the file is opened anew.
    pub(crate) fn descriptor(&self) -> RawFd {
        match &self.place {
            Place::Stderr | Place::Remote(_) | Place::Redis(_) | Place::Program(_) => {
                rustix::stdio::stderr().as_raw_fd()
            }
            Place::Stdout => rustix::stdio::stdout().as_raw_fd(),
            Place::File { file, .. } => file.read().unwrap_or_else(PoisonError::into_inner).as_raw_fd(),
        }
    }

    /// How many lines were lost since this was last asked.
    pub(crate) fn take_lost(&self) -> u64 {
        if self.lost.load(Ordering::Relaxed) == 0 {
            return 0;
        }
        self.lost.swap(0, Ordering::Relaxed)
    }

    /// Opens the file anew under its name. The old one stays in use when that fails.
    pub(crate) fn reopen(&self) -> io::Result<()> {
        let Place::File { path, mode, file } = &self.place else {
            return Ok(());
        };
        let new = open_for_append(path, *mode)?;
        let mut file = file.write().unwrap_or_else(PoisonError::into_inner);
        keep_owner(file.as_fd(), new.as_fd());
        // Under the same number: it has been given to others, see `descriptor`.
        rustix::io::dup3(&new, &mut file, rustix::io::DupFlags::CLOEXEC)?;
        Ok(())
    }

    /// Empties the file.
    pub(crate) fn truncate(&self) -> io::Result<()> {
        let Place::File { file, .. } = &self.place else {
            return Ok(());
        };
        let file = file.read().unwrap_or_else(PoisonError::into_inner);
        if is_regular(file.as_fd()) {
            rustix::fs::ftruncate(file.as_fd(), 0)?;
        }
        Ok(())
    }

    /// Sets the file aside if it is too large, and begins a new one; says whether it did.
    pub(crate) fn rotate(&self, rotation: &LogRotation, epoch: u64) -> io::Result<bool> {
        let Place::File { path, file, .. } = &self.place else {
            return Ok(false);
        };
        let status = rustix::fs::fstat(file.read().unwrap_or_else(PoisonError::into_inner).as_fd())?;
        let regular = FileType::from_raw_mode(status.st_mode) == FileType::RegularFile;
        if !regular || u64::try_from(status.st_size).unwrap_or(0) <= rotation.size {
            return Ok(false);
        }
        let backup = rotation.backup.clone().unwrap_or_else(|| {
            let mut name = path.clone().into_os_string();
            name.push(format!(".{epoch}"));
            name.into()
        });
        std::fs::rename(path, backup)?;
        self.reopen()?;
        Ok(true)
    }

    /// Gives the file to the user and group that workers run as, so that they can reopen it.
    pub(crate) fn give_to(&self, user: Option<u32>, group: Option<u32>) -> io::Result<()> {
        let Place::File { file, .. } = &self.place else {
            return Ok(());
        };
        let file = file.read().unwrap_or_else(PoisonError::into_inner);
        if !is_regular(file.as_fd()) {
            return Ok(());
        }
        rustix::fs::fchown(file.as_fd(), user.map(Uid::from_raw), group.map(Gid::from_raw))?;
        Ok(())
    }

    /// Whether it takes lines rather than bytes.
    pub(crate) fn is_remote(&self) -> bool {
        matches!(self.place, Place::Remote(_))
    }

    /// Makes standard output and error the same open file as this one, if it is a file.
    pub(crate) fn become_standard_streams(&self) -> io::Result<()> {
        let Place::File { file, .. } = &self.place else {
            return Ok(());
        };
        let file = file.read().unwrap_or_else(PoisonError::into_inner);
        rustix::stdio::dup2_stdout(file.as_fd())?;
        rustix::stdio::dup2_stderr(file.as_fd())?;
        Ok(())
    }

    /// A terminal or pipe may be blocking and its reader may have stopped: look first, and write no more at a time
    /// than is sure to fit.
    fn write_stream(&self, stream: BorrowedFd<'_>, mut text: &[u8]) -> bool {
        while !text.is_empty() {
            let (piece, rest) = text.split_at(piece_length(text));
            if !self.wait_for_room(stream) || write_all(stream, piece).is_err() {
                return false;
            }
            text = rest;
        }
        true
    }

    fn wait_for_room(&self, stream: BorrowedFd<'_>) -> bool {
        let patience = if self.stalled.load(Ordering::Relaxed) {
            NO_PATIENCE
        } else {
            PATIENCE
        };
        let mut entry = [PollFd::new(&stream, PollFlags::OUT)];
        let ready = rustix::io::retry_on_intr(|| poll(&mut entry, Some(&patience))).unwrap_or(0) > 0;
        self.stalled.store(!ready, Ordering::Relaxed);
        ready
    }
}

impl Place {
    fn open_file(path: &Path, logs: &Logs, dialect: Dialect) -> io::Result<Place> {
        let mode = match dialect {
            Dialect::Uwsgi => 0o640,
            Dialect::Gunicorn | Dialect::Native | Dialect::Uvicorn => 0o644,
        };
        let mode = Mode::from_raw_mode(logs.file_mode.unwrap_or(mode));
        let file = open_for_append(path, mode)?;
        Ok(Place::File {
            path: absolute(path),
            mode,
            file: RwLock::new(file),
        })
    }
}

/// Containers are configured with these names, and opening them fails when the stream is a socket or belongs to
/// another user.
fn standard_stream(path: &Path) -> Option<Place> {
    match path.to_str()? {
        "/dev/stderr" | "/proc/self/fd/2" | "/dev/fd/2" => Some(Place::Stderr),
        "/dev/stdout" | "/proc/self/fd/1" | "/dev/fd/1" => Some(Place::Stdout),
        _ => None,
    }
}

/// Whole lines of at most `PIPE_BUF` bytes: those do not mix with other processes' lines, and a pipe that polls as
/// writable takes them without blocking (pipe(7)). A longer line is cut.
fn piece_length(text: &[u8]) -> usize {
    const PIPE_BUF: usize = 4096;
    if text.len() <= PIPE_BUF {
        return text.len();
    }
    text[..PIPE_BUF]
        .iter()
        .rposition(|&byte| byte == b'\n')
        .map_or(PIPE_BUF, |end| end + 1)
}

fn open_for_append(path: &Path, mode: Mode) -> io::Result<OwnedFd> {
    // A FIFO without a reader opens at once with O_NONBLOCK (as an error) instead of hanging the start.
    let flags = OFlags::WRONLY
        | OFlags::APPEND
        | OFlags::CREATE
        | OFlags::CLOEXEC
        | OFlags::NOCTTY
        | OFlags::NONBLOCK;
    Ok(rustix::io::retry_on_intr(|| rustix::fs::open(path, flags, mode))?)
}

/// The working directory may change before the file is reopened.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn keep_owner(old: BorrowedFd<'_>, new: BorrowedFd<'_>) {
    let (Ok(before), Ok(after)) = (rustix::fs::fstat(old), rustix::fs::fstat(new)) else {
        return;
    };
    if (before.st_uid, before.st_gid) == (after.st_uid, after.st_gid) || !is_regular(new) {
        return;
    }
    // Only root may; for others the file has the right owner anyway.
    let _ = rustix::fs::fchown(
        new,
        Some(Uid::from_raw(before.st_uid)),
        Some(Gid::from_raw(before.st_gid)),
    );
}

fn is_regular(file: BorrowedFd<'_>) -> bool {
    rustix::fs::fstat(file).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile)
}

/// One `write(2)`, except when the kernel takes a part only (a nearly full disk or pipe): the rest follows.
fn write_all(file: BorrowedFd<'_>, mut text: &[u8]) -> rustix::io::Result<()> {
    while !text.is_empty() {
        let written = rustix::io::retry_on_intr(|| rustix::io::write(file, text))?;
        if written == 0 {
            return Err(rustix::io::Errno::IO);
        }
        text = &text[written..];
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd as _;

    use std::sync::atomic::{AtomicBool, AtomicU64};

    use super::{Place, Sink, piece_length};

    #[test]
    fn a_pipe_gets_whole_lines_of_no_more_than_it_takes_at_once() {
        let line = |length: usize| [vec![b'x'; length - 1], vec![b'\n']].concat();
        let table = [
            (line(4096), 4096),
            ([line(3000), line(3000)].concat(), 3000),
            ([line(1000), line(3096), line(1)].concat(), 4096),
            (line(5000), 4096),
        ];
        for (text, expected) in table {
            assert_eq!(piece_length(&text), expected, "{}", text.len());
        }
    }

    #[test]
    fn a_pipe_that_nobody_reads_or_that_is_broken_stops_nobody() {
        let sink = Sink {
            place: Place::Stderr,
            lost: AtomicU64::new(0),
            stalled: AtomicBool::new(false),
        };
        let (reader, writer) = rustix::pipe::pipe().expect("a pipe");
        let line = [vec![b'x'; 99], vec![b'\n']].concat();
        let fills = (0..10_000)
            .take_while(|_| sink.write_stream(writer.as_fd(), &line))
            .count();
        assert!(
            fills > 0 && fills < 10_000,
            "a pipe holds some lines, not all: {fills}"
        );
        assert!(!sink.write_stream(writer.as_fd(), &line), "still full");
        let mut room = [0; 8192];
        rustix::io::read(&reader, &mut room).expect("the reader comes back");
        assert!(sink.write_stream(writer.as_fd(), &line), "it is written again");
        drop(reader);
        assert!(!sink.write_stream(writer.as_fd(), &line), "broken");
    }
}
