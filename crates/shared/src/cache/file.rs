//! A cache in a file, which outlives the server.
//!
//! What is stored is in the file at once, so the death of any process loses nothing. What is there is looked through when
//! the file is opened; a file that is something else, or a cache of another size, is left alone and named.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::layout::{MAGIC, Memory, head};
use super::{Cache, Shape};

/// How long a server that is on its way out may still have the file.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why a cache cannot lie in a file.
#[derive(Debug)]
pub enum StoreError {
    /// The system's word.
    Io(io::Error),
    /// There is something else in it.
    Foreign,
    /// It is a cache with other sizes.
    Shape,
    /// Another server has it open.
    InUse,
}

impl std::fmt::Display for StoreError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            StoreError::Io(error) => return error.fmt(formatter),
            StoreError::Foreign => "it holds something that is no cache: name another file",
            StoreError::Shape => {
                "it holds a cache of other sizes: give items, blocks, blocksize, keysize and hashsize as \
                 before, or remove the file"
            }
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

impl Cache {
    /// The cache in the file at `path`, which is made if it is not there. Other servers are kept out of it for as long as
    /// this process or one of its later forks lives.
    ///
    /// # Errors
    /// Why that cannot be.
    pub fn open(shape: Shape, path: &Path) -> Result<Cache, StoreError> {
        let words = shape
            .words()
            .ok_or_else(|| io::Error::from(io::ErrorKind::OutOfMemory))?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        keep_out_others(&file)?;
        let length = file.metadata()?.len();
        let wanted = words as u64 * 8;
        if length != 0 && length < head::WORDS as u64 * 8 {
            return Err(StoreError::Foreign);
        }
        if length == 0 {
            file.set_len(wanted)?;
        }
        let begins = sys::file_words(&file, head::WORDS)?;
        let begins = Memory { words: begins, shape };
        // A file that was made and never got its first words is as good as none.
        let is_blank = (0..head::WORDS).all(|at| begins.read(at) == 0);
        if begins.read(head::MAGIC) != MAGIC && !(is_blank && (length == 0 || length == wanted)) {
            return Err(StoreError::Foreign);
        }
        let numbers = shape.numbers();
        let differs = |(offset, number): (usize, &u64)| begins.read(head::SHAPE + offset) != *number;
        if !is_blank && (length != wanted || numbers.iter().enumerate().any(differs)) {
            return Err(StoreError::Shape);
        }
        let memory = Memory {
            words: sys::file_words(&file, words)?,
            shape,
        };
        for (offset, number) in numbers.iter().enumerate() {
            memory.write(head::SHAPE + offset, *number);
        }
        memory.write(head::MAGIC, MAGIC);
        // Whatever it says of itself is not believed.
        memory.write(head::CHANGING, 1);
        let cache = Cache::over(memory, true)?;
        drop(cache.hold()?);
        // Open for as long as it is mapped: the lock goes with the last descriptor.
        std::mem::forget(file);
        Ok(cache)
    }

    /// Has the system write a cache that lies in a file to the disk, for the day that the machine fails.
    ///
    /// # Errors
    /// What the disk says.
    pub fn write_back(&self, wait: bool) -> io::Result<()> {
        if self.persistent {
            sys::write_back(self.memory.words, wait)?;
        }
        Ok(())
    }
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
