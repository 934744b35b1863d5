//! What becomes of the log's files while they are written to: opened anew, set aside, given to another user.

use std::io;
use std::os::fd::RawFd;
use std::time::SystemTime;

use config::LogRotation;

use super::ErrorLog;
use crate::clock::unix_seconds;

impl ErrorLog {
    /// The descriptor it writes to, for those who cannot call it: a crash handler. It stays the same when the file is
    /// opened anew.
    pub fn descriptor(&self) -> RawFd {
        self.manner().sink.descriptor()
    }

    /// Opens the file anew under its name, after a log rotation (USR1). Standard streams are left alone.
    ///
    /// # Errors
    /// The file cannot be opened; the old one stays in use.
    pub fn reopen(&self) -> io::Result<()> {
        if let Some(relay) = self.relay() {
            relay.reopen();
        }
        self.manner().sink.reopen()?;
        self.capture_output()
    }

    /// Whether files are set aside once they are large.
    pub fn rotates(&self) -> bool {
        self.manner().logs.rotation.is_some()
    }

    /// Sets aside what has become too large; says whether anything has, and others have to [reopen](ErrorLog::reopen).
    ///
    /// # Errors
    /// The file cannot be renamed or opened anew; the old one stays in use.
    pub fn rotate(&self) -> io::Result<bool> {
        let manner = self.manner();
        let Some(rotation) = &manner.logs.rotation else {
            return Ok(false);
        };
        let epoch = unix_seconds(SystemTime::now());
        let mut rotated = manner.sink.rotate(rotation, epoch)?;
        for other in &manner.others {
            rotated |= other.rotate(&rotation.unnamed(), epoch)?;
        }
        if rotated {
            self.capture_output()?;
        }
        Ok(rotated)
    }

    /// Sets the log file aside whatever its size, and begins a new one; says whether there was anything to set aside.
    ///
    /// # Errors
    /// As [`ErrorLog::rotate`].
    pub fn rotate_now(&self) -> io::Result<bool> {
        let manner = self.manner();
        let backup = manner
            .logs
            .rotation
            .as_ref()
            .and_then(|rotation| rotation.backup.clone());
        let rotation = LogRotation { size: 0, backup };
        let rotated = manner.sink.rotate(&rotation, unix_seconds(SystemTime::now()))?;
        if rotated {
            self.capture_output()?;
        }
        Ok(rotated)
    }

    /// Gives the file to the user and group that workers will run as, so that they can reopen it; reopened files
    /// keep their owner.
    ///
    /// # Errors
    /// What `fchown` says; a worker may then be unable to reopen the log.
    pub fn give_to(&self, user: Option<u32>, group: Option<u32>) -> io::Result<()> {
        let manner = self.manner();
        let others = manner.others.iter();
        others
            .map(|other| other.give_to(user, group))
            .fold(manner.sink.give_to(user, group), io::Result::and)
    }
}
