//! Locks of whole files that whole processes hold.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

/// Locks a file for writing, against everybody who locks it by fcntl(2), for as long as it or a copy of it is open, in this
/// process and in those that it forks. Whether it is locked now: `false` where somebody else has it.
///
/// # Errors
/// When files cannot be locked there.
pub fn lock_file(file: &File) -> io::Result<bool> {
    // SAFETY: a record of plain numbers, for which all zeros are valid: from the beginning, to the end.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    (lock.l_type, lock.l_whence) = (libc::F_WRLCK as _, libc::SEEK_SET as _);
    // SAFETY: an open descriptor, and a record that outlives the call.
    match unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw const lock) } {
        0 => Ok(true),
        _ => match io::Error::last_os_error() {
            error if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => Ok(false),
            error => Err(error),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locked_file_is_free_again_when_its_last_copy_is_closed() {
        let path = std::env::temp_dir().join(format!("penstock-lock-{}", std::process::id()));
        std::fs::write(&path, "").expect("write");
        let open = || File::options().read(true).write(true).open(&path).expect("open");
        let (first, second) = (open(), open());
        assert!(lock_file(&first).expect("lock"));
        assert!(!lock_file(&second).expect("lock"));
        let copy = first.try_clone().expect("clone");
        drop(first);
        assert!(!lock_file(&second).expect("lock"));
        drop(copy);
        assert!(lock_file(&second).expect("lock"));
        std::fs::remove_file(&path).expect("remove");
    }
}
