//! Words in a file that outlives the server: opened for one server at a time, and believed only as far as they fit.
//!
//! A file begins with a word that says whose it is, and numbers that say its sizes. What stands behind them is for whoever
//! opened it to check.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// How long a server that is on its way out may still have the file.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why something cannot lie in a file.
#[derive(Debug)]
pub enum StoreError {
    /// The system's word.
    Io(io::Error),
    /// There is something else in it.
    Foreign,
    /// It is of the same kind, with other sizes.
    Shape,
    /// Another server has it open.
    InUse,
}

impl std::fmt::Display for StoreError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            StoreError::Io(error) => return error.fmt(formatter),
            StoreError::Foreign => "it holds something else: name another file",
            StoreError::Shape => "it was made with other sizes: give all sizes as before, or remove the file",
            StoreError::InUse => "another server has it open: give each server a file of its own",
        })
    }
}

impl std::error::Error for StoreError {}

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> StoreError {
        StoreError::Io(error)
    }
}

/// The `count` words of the file at `path`, which is made if it is not there. It begins with `magic` and `numbers`. Other
/// servers are kept out of it for as long as this process or one of its later forks lives.
///
/// # Errors
/// Why that cannot be.
pub(crate) fn open(
    path: &Path,
    count: usize,
    magic: u64,
    numbers: &[u64],
) -> Result<&'static [AtomicU64], StoreError> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)?;
    keep_out_others(&file)?;
    let length = file.metadata()?.len();
    let wanted = count as u64 * 8;
    let head = 1 + numbers.len();
    if length != 0 && length < head as u64 * 8 {
        return Err(StoreError::Foreign);
    }
    if length == 0 {
        file.set_len(wanted)?;
    }
    let begins = sys::file_words(&file, head)?;
    let read = |at: usize| begins[at].load(Acquire);
    // A file that was made and never got its first words is as good as none.
    let is_blank = (0..head).all(|at| read(at) == 0);
    if read(0) != magic && !(is_blank && (length == 0 || length == wanted)) {
        return Err(StoreError::Foreign);
    }
    let differs = |(at, number): (usize, &u64)| read(1 + at) != *number;
    if !is_blank && (length != wanted || numbers.iter().enumerate().any(differs)) {
        return Err(StoreError::Shape);
    }
    let words = sys::file_words(&file, count)?;
    for (at, number) in numbers.iter().enumerate() {
        words[1 + at].store(*number, Release);
    }
    words[0].store(magic, Release);
    // Open for as long as it is mapped: the lock goes with the last descriptor.
    std::mem::forget(file);
    Ok(words)
}

fn keep_out_others(file: &File) -> Result<(), StoreError> {
    let until = Instant::now() + PATIENCE;
    loop {
        match flock(file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(()),
            Err(Errno::WOULDBLOCK) if Instant::now() >= until => return Err(StoreError::InUse),
            Err(Errno::WOULDBLOCK) => std::thread::sleep(Duration::from_millis(50)),
            Err(error) => return Err(StoreError::Io(error.into())),
        }
    }
}
