//! The master's FIFO: a named pipe in the file system that takes commands of one letter (uWSGI's `master-fifo`).
//!
//! Of several one is read at a time: a digit chooses. It is opened for writing too, so that it never is at its end.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use config::MasterCommand;
use rustix::fs::{FileType, Mode, OFlags};

/// What a letter in the pipe asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Letter {
    /// Something of the master.
    Command(MasterCommand),
    /// Another pipe, by its place.
    Choose(usize),
    /// Nothing: a line end, as `echo` writes it.
    Nothing,
    /// Something that is not done here, and why.
    Refused(char, &'static str),
}

/// The meaning of a letter.
pub(crate) fn meaning(letter: u8) -> Letter {
    use MasterCommand as C;
    Letter::Command(match letter {
        b'r' => C::Reload,
        b'R' => C::BrutalReload,
        b'w' => C::ReloadWorkers,
        b'W' => C::BrutalReloadWorkers,
        b'c' => C::ChainReload,
        b'q' => C::Stop,
        b'Q' => C::StopNow,
        b'p' => C::PauseOrResume,
        b'P' => C::RewritePidfile,
        b's' => C::LogStatistics,
        b'+' => C::MoreWorkers,
        b'-' => C::FewerWorkers,
        b'C' => C::GoCheap,
        b'l' => C::ReopenLogs,
        b'L' => C::RotateLogs,
        b'0'..=b'9' => return Letter::Choose(usize::from(letter - b'0')),
        b'\n' | b'\r' | b' ' => return Letter::Nothing,
        b'E' | b'B' => return Letter::Refused(letter.into(), "this is no emperor's command here"),
        b'S' => return Letter::Refused('S', "there are no subscriptions"),
        b'f' => return Letter::Refused('f', "the master is not forked again: use r"),
        _ => {
            let known = "known are r R w W c q Q p P s l L + - C and 0 to 9";
            return Letter::Refused(char::from(letter), known);
        }
    })
}

/// The pipes, and the one that is read.
#[derive(Debug, Default)]
pub(crate) struct Fifos {
    paths: Vec<PathBuf>,
    open: Option<(usize, OwnedFd)>,
}

impl Fifos {
    /// Makes the pipes that are not there, for their owner only, and opens the first.
    ///
    /// # Errors
    /// A sentence that names the path.
    pub(crate) fn open(paths: &[PathBuf]) -> Result<Fifos, String> {
        let mut fifos = Fifos {
            paths: paths.to_vec(),
            open: None,
        };
        for path in paths {
            make(path).map_err(|error| said(path, &error))?;
        }
        if !paths.is_empty() {
            fifos.choose(0)?;
        }
        Ok(fifos)
    }

    /// Reads another one from now on.
    pub(crate) fn choose(&mut self, slot: usize) -> Result<(), String> {
        let path = self
            .paths
            .get(slot)
            .ok_or_else(|| format!("there is no FIFO {slot}: {} are configured", self.paths.len()))?;
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let pipe = rustix::fs::open(path, flags, Mode::empty()).map_err(|error| said(path, &error.into()))?;
        self.open = Some((slot, pipe));
        Ok(())
    }

    /// Readable when there are commands.
    pub(crate) fn readable(&self) -> Option<BorrowedFd<'_>> {
        self.open.as_ref().map(|(_, pipe)| pipe.as_fd())
    }

    /// The letters that have come; a flood is taken in portions.
    pub(crate) fn take(&self) -> Vec<u8> {
        let mut letters = [0; 256];
        let Some((_, pipe)) = &self.open else {
            return Vec::new();
        };
        match rustix::io::read(pipe, &mut letters) {
            Ok(count) => letters[..count].to_vec(),
            Err(_) => Vec::new(), // nothing there
        }
    }

    /// Whether these are the same pipes.
    pub(crate) fn are(&self, paths: &[PathBuf]) -> bool {
        self.paths == paths
    }

    /// Removes the pipes.
    pub(crate) fn remove(&self) {
        for path in &self.paths {
            let _ = std::fs::remove_file(path); // whoever has removed it has done our work
        }
    }
}

fn make(path: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Ok(there) if std::os::unix::fs::FileTypeExt::is_fifo(&there.file_type()) => return Ok(()),
        Ok(_) => {
            return Err(io::Error::other(
                "it exists and is no named pipe: remove it, or name another",
            ));
        }
        Err(_) => {}
    }
    let mode = Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, path, FileType::Fifo, mode, 0)?;
    Ok(())
}

fn said(path: &Path, error: &io::Error) -> String {
    format!("the FIFO {} (option master-fifo): {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_that_come_are_taken_and_a_digit_chooses_another_pipe() {
        let name = |n: u32| std::env::temp_dir().join(format!("penstock-fifo-{}-{n}", std::process::id()));
        let paths = [name(0), name(1)];
        let mut fifos = Fifos::open(&paths).expect("open");
        std::fs::write(&paths[0], "rq\n").expect("write");
        assert_eq!(fifos.take(), b"rq\n");
        assert_eq!(fifos.take(), b"");
        fifos.choose(1).expect("it is there");
        std::fs::write(&paths[1], "p").expect("write");
        assert_eq!(fifos.take(), b"p");
        assert!(fifos.choose(2).is_err());
        fifos.remove();
        assert!(!paths[0].exists());
        std::fs::write(&paths[0], "no pipe").expect("write");
        assert!(Fifos::open(&paths).expect_err("a file").contains("named pipe"));
        std::fs::remove_file(&paths[0]).expect("remove");
    }
}
