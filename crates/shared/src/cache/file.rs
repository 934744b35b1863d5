//! A cache in a file, which outlives the server.
//!
//! What is stored is in the file at once, so the death of any process loses nothing. What is there is looked through when
//! the file is opened.

use std::io;
use std::path::Path;

use super::layout::{MAGIC, Memory, head};
use super::{Cache, Shape};
use crate::store::{self, StoreError};

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
        let memory = Memory {
            words: store::open(path, words, MAGIC, &shape.numbers())?,
            shape,
        };
        // Whatever it says of itself is not believed.
        memory.write(head::CHANGING, 1);
        let cache = Cache::over(memory, true)?;
        drop(cache.hold()?);
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
