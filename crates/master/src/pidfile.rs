//! The pidfile: the master's process id and a newline, for whoever wants to send it signals.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use config::Dialect;
use rustix::process::{Pid, test_kill_process};

use crate::start::StartError;

/// Writes our process id to `path` through a temporary file beside it, so that no reader sees half of it.
///
/// A file that names a living process is left alone and refused, except under uwsgi, which overwrites it (the caller
/// has its sockets by then, so the other process is no server on the same address). Anything else in the file is stale.
pub(crate) fn write(path: &Path, dialect: Dialect) -> Result<(), StartError> {
    let own = std::process::id();
    if dialect != Dialect::Uwsgi
        && let Some(pid) = read(path).map_err(|error| unusable(path, &error))?
        && pid != own
        && is_alive(pid)
    {
        let path = path.display();
        return Err(StartError::new(format!(
            "Already running on PID {pid} (or pid file '{path}' is stale)"
        )));
    }
    let temporary = temporary_name(path, own);
    let written = create(&temporary, own).and_then(|()| fs::rename(&temporary, path));
    written.map_err(|error| {
        let _ = fs::remove_file(&temporary);
        unusable(path, &error)
    })
}

/// Removes `path` if it still names us; tells whether it did.
pub(crate) fn remove(path: &Path) -> bool {
    matches!(read(path), Ok(Some(pid)) if pid == std::process::id()) && fs::remove_file(path).is_ok()
}

/// The process id in the file; `None` when there is no file or no number in it.
pub(crate) fn read(path: &Path) -> io::Result<Option<u32>> {
    match fs::read(path) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).trim().parse().ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_alive(pid: u32) -> bool {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
        return false;
    };
    // EPERM: somebody else's process, but a living one.
    !matches!(test_kill_process(pid), Err(rustix::io::Errno::SRCH))
}

fn create(path: &Path, pid: u32) -> io::Result<()> {
    // One that a former process of this number has left, or a link that somebody else has put there, is not written to.
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    let mut file: File = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o644)
        .open(path)?;
    file.set_permissions(fs::Permissions::from_mode(0o644))?; // whatever the umask says
    writeln!(file, "{pid}")
}

fn temporary_name(path: &Path, pid: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{pid}.new"));
    PathBuf::from(name)
}

fn unusable(path: &Path, error: &io::Error) -> StartError {
    StartError::new(format!("pidfile {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("penstock-pidfile-{name}-{}", std::process::id()))
    }

    #[test]
    fn it_is_written_and_removed_only_while_it_names_us() {
        let path = path("own");
        write(&path, Dialect::Gunicorn).expect("write");
        assert_eq!(
            fs::read_to_string(&path).expect("read"),
            format!("{}\n", std::process::id())
        );
        assert_eq!(
            fs::metadata(&path).expect("stat").permissions().mode() & 0o777,
            0o644
        );
        fs::write(&path, "1\n").expect("somebody else's");
        assert!(!remove(&path));
        write(&path, Dialect::Uwsgi).expect("uwsgi overwrites it");
        assert!(remove(&path));
        assert!(!path.exists());
    }

    #[test]
    fn a_living_process_in_it_is_refused_and_a_dead_one_is_not() {
        let path = path("others");
        for (content, refused) in [
            ("1\n", true),
            ("2147483646\n", false),
            ("not a number", false),
            ("", false),
        ] {
            fs::write(&path, content).expect("write");
            assert_eq!(write(&path, Dialect::Gunicorn).is_err(), refused, "{content:?}");
        }
        fs::remove_file(&path).expect("remove");
    }

    #[test]
    fn a_missing_directory_is_named() {
        let error = write(Path::new("/nonexistent/x.pid"), Dialect::Gunicorn).expect_err("no directory");
        assert!(error.message.contains("/nonexistent/x.pid"), "{}", error.message);
    }
}
