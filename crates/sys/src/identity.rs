//! Becoming somebody else for good: another root directory, other groups, another user, and the capabilities that are kept.
//!
//! Everything is looked up before, so that it can be done between fork and exec too. Leaves out where the names come from.

use std::ffi::CString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use rustix::process::Signal;
use rustix::thread::{CapabilitySet, CapabilitySets};

/// Who a process is to become.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Where it is confined to, before it gives up the right to be.
    pub confinement: Option<Confinement>,
    /// User id; `None` keeps the present one.
    pub uid: Option<u32>,
    /// Group id; `None` keeps the present one.
    pub gid: Option<u32>,
    /// The supplementary groups that come with it; `None`: the group alone.
    pub groups: Option<Vec<u32>>,
    /// The capabilities that it keeps, and no others: bit N is capability N. 0: those that its user has.
    pub capabilities: u64,
}

/// A root directory of its own (chroot(2)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confinement {
    /// The root directory.
    pub root: CString,
    /// The directory to work in, seen from there.
    pub directory: CString,
}

impl Confinement {
    /// `directory` is seen from `root`.
    ///
    /// # Errors
    /// A path with a NUL in it.
    pub fn new(root: &Path, directory: &Path) -> io::Result<Confinement> {
        Ok(Confinement {
            root: text(root)?,
            directory: text(directory)?,
        })
    }

    /// Works in another directory, seen from the root.
    ///
    /// # Errors
    /// A path with a NUL in it.
    pub fn enter_at(&mut self, directory: &Path) -> io::Result<()> {
        self.directory = text(directory)?;
        Ok(())
    }

    fn enter(&self) -> io::Result<()> {
        let said = |call: &str, path: &CString, error: rustix::io::Errno| {
            let error = io::Error::from(error);
            io::Error::new(
                error.kind(),
                format!("{call}() to {}: {error}", path.to_string_lossy()),
            )
        };
        rustix::process::chroot(&self.root).map_err(|error| said("chroot", &self.root, error))?;
        rustix::process::chdir(&self.directory).map_err(|error| said("chdir", &self.directory, error))
    }
}

/// Becomes `identity` for good: the root directory first, then supplementary groups, the group and the user, because each step
/// takes away the right to do the one before. A process that already is who it is to become changes nothing.
///
/// Root alone can keep capabilities: of anybody else they are not asked.
///
/// # Errors
/// `PermissionDenied` when this process may not, or when it could still go back to root afterwards.
pub fn become_user(identity: &Identity) -> io::Result<()> {
    let uid = rustix::process::geteuid().as_raw();
    let gid = rustix::process::getegid().as_raw();
    let target_uid = identity.uid.unwrap_or(uid);
    let target_gid = identity.gid.unwrap_or(gid);
    if let Some(confinement) = &identity.confinement {
        confinement.enter()?;
    }
    if uid != 0 && target_uid == uid && target_gid == gid {
        return Ok(());
    }
    let keeps = uid == 0 && identity.capabilities != 0;
    if uid == 0 {
        let groups = identity
            .groups
            .as_deref()
            .unwrap_or(std::slice::from_ref(&target_gid));
        // SAFETY: a list of numbers, and its length.
        check(unsafe { libc::setgroups(groups.len() as _, groups.as_ptr().cast()) })?;
    }
    if keeps {
        rustix::thread::set_keep_capabilities(true)?;
    }
    // SAFETY: these take plain numbers and touch no memory of ours.
    unsafe {
        check(libc::setgid(target_gid as _))?;
        check(libc::setuid(target_uid as _))?;
        // Some systems keep a saved id that allows the way back.
        if target_uid != 0 && libc::setuid(0) == 0 {
            return Err(io::Error::from(io::ErrorKind::PermissionDenied));
        }
    }
    if keeps {
        let kept = CapabilitySet::from_bits_retain(identity.capabilities);
        let sets = CapabilitySets {
            effective: kept,
            permitted: kept,
            inheritable: kept,
        };
        rustix::thread::set_capabilities(None, sets)?;
    }
    Ok(())
}

/// The capabilities that this process could keep: bit N is capability N.
///
/// # Errors
/// When the kernel has none.
pub fn own_capabilities() -> io::Result<u64> {
    Ok(rustix::thread::capabilities(None)?.permitted.bits())
}

/// Has the program that `command` starts be `identity`.
pub fn start_as(command: &mut Command, identity: &Identity) {
    let identity = identity.clone();
    // SAFETY: between fork and exec only system calls are made; memory is allocated for the text of an error alone, by processes
    // that have one thread when they start programs, so that no other thread can hold the allocator's lock.
    unsafe { command.pre_exec(move || become_user(&identity)) };
}

/// Gives the program that `command` starts a session, and a process group, of its own. If it is to `end_with_parent`, it is killed
/// when this process, which has one thread, is gone. To be asked for last: becoming somebody else undoes that.
pub fn own_session(command: &mut Command, end_with_parent: bool) {
    let set = move || {
        rustix::process::setsid()?;
        if end_with_parent {
            rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
        }
        Ok(())
    };
    // SAFETY: system calls between fork and exec, and nothing else.
    unsafe { command.pre_exec(set) };
}

fn text(path: &Path) -> io::Result<CString> {
    Ok(CString::new(path.as_os_str().as_encoded_bytes())?)
}

fn check(result: i32) -> io::Result<()> {
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NET_BIND_SERVICE: u64 = 1 << 10;

    /// Runs a command of the shell as `identity`; what it writes. `None`: this process may not.
    fn output(identity: &Identity, command: &str) -> Option<String> {
        if !rustix::process::geteuid().is_root() {
            return None;
        }
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", command]);
        start_as(&mut shell, identity);
        let output = shell.output().expect("the shell runs");
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    #[test]
    fn a_user_keeps_the_capabilities_that_are_named_and_no_others() {
        let nobody = Identity {
            uid: Some(65534),
            gid: Some(65534),
            capabilities: NET_BIND_SERVICE,
            ..Identity::default()
        };
        // Inheritable alone survives the exec of a program that asks for nothing.
        let found = output(&nobody, "id -u; id -G; grep CapInh /proc/self/status");
        assert!(found.is_none_or(|text| text == "65534\n65534\nCapInh:\t0000000000000400"));
    }

    #[test]
    fn a_confined_process_sees_its_root_and_nothing_else() {
        // There is no shell in it: that it cannot be found shows it.
        let directory = std::env::temp_dir().join(format!("penstock-root-{}", std::process::id()));
        std::fs::create_dir_all(&directory).expect("create");
        let confined = Identity {
            confinement: Some(Confinement::new(&directory, Path::new("/")).expect("paths")),
            ..Identity::default()
        };
        if rustix::process::geteuid().is_root() {
            let mut shell = Command::new("/bin/sh");
            start_as(&mut shell, &confined);
            assert_eq!(
                shell.output().expect_err("no shell").kind(),
                io::ErrorKind::NotFound
            );
        }
        std::fs::remove_dir(&directory).expect("remove");
    }
}
