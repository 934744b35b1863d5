//! Users and groups: looking them up, and becoming one.

use std::ffi::{CStr, CString, c_char};
use std::io;
use std::mem::MaybeUninit;

/// A user as the system's database has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Login name.
    pub name: String,
    /// User id.
    pub uid: u32,
    /// Id of the primary group.
    pub gid: u32,
}

/// Who a process is to become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// User id; `None` keeps the present one.
    pub uid: Option<u32>,
    /// Group id; `None` keeps the present one.
    pub gid: Option<u32>,
    /// The supplementary groups that come with it.
    pub groups: Groups,
}

/// Supplementary groups of an [`Identity`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Groups {
    /// None but the group itself.
    OnlyPrimary,
    /// Those that the database lists for the user of this name.
    OfUser(String),
}

/// The user called `name`; `None` when there is none.
///
/// # Errors
/// When the database cannot be read.
pub fn user_by_name(name: &str) -> io::Result<Option<User>> {
    let Ok(name) = CString::new(name) else {
        return Ok(None);
    };
    lookup(
        // SAFETY: the name is NUL-terminated; `lookup` passes a valid record, a buffer with its length, and a place
        // for the answer.
        |record, buffer, found| unsafe {
            libc::getpwnam_r(name.as_ptr(), record, buffer.as_mut_ptr(), buffer.len(), found)
        },
        user_of,
    )
}

/// The user with this id; `None` when the database has none.
///
/// # Errors
/// When the database cannot be read.
pub fn user_by_id(uid: u32) -> io::Result<Option<User>> {
    lookup(
        // SAFETY: `lookup` passes a valid record, a buffer with its length, and a place for the answer.
        |record, buffer, found| unsafe {
            libc::getpwuid_r(uid, record, buffer.as_mut_ptr(), buffer.len(), found)
        },
        user_of,
    )
}

/// The id of the group called `name`; `None` when there is none.
///
/// # Errors
/// When the database cannot be read.
pub fn group_by_name(name: &str) -> io::Result<Option<u32>> {
    let Ok(name) = CString::new(name) else {
        return Ok(None);
    };
    lookup(
        // SAFETY: as for `user_by_name`.
        |record, buffer, found| unsafe {
            libc::getgrnam_r(name.as_ptr(), record, buffer.as_mut_ptr(), buffer.len(), found)
        },
        |group: &libc::group| group.gr_gid,
    )
}

/// Becomes `identity` for good: supplementary groups first, then the group, then the user, because each step takes
/// away the right to do the one before. A process that already is who it is to become changes nothing.
///
/// # Errors
/// `PermissionDenied` when this process may not, or when it could still go back to root afterwards.
pub fn become_user(identity: &Identity) -> io::Result<()> {
    let uid = rustix::process::geteuid().as_raw();
    let gid = rustix::process::getegid().as_raw();
    let target_uid = identity.uid.unwrap_or(uid);
    let target_gid = identity.gid.unwrap_or(gid);
    if uid != 0 && target_uid == uid && target_gid == gid {
        return Ok(());
    }
    if uid == 0 {
        set_groups(&identity.groups, target_gid)?;
    }
    // SAFETY: these take plain numbers and touch no memory of ours.
    unsafe {
        check(libc::setgid(target_gid))?;
        check(libc::setuid(target_uid))?;
        // Some systems keep a saved id that allows the way back.
        if target_uid != 0 && libc::setuid(0) == 0 {
            return Err(io::Error::from(io::ErrorKind::PermissionDenied));
        }
    }
    Ok(())
}

fn set_groups(groups: &Groups, gid: u32) -> io::Result<()> {
    match groups {
        // SAFETY: one group id, and a pointer to it.
        Groups::OnlyPrimary => check(unsafe { libc::setgroups(1, &raw const gid) }),
        Groups::OfUser(name) => {
            let name = CString::new(name.as_str())?;
            // SAFETY: a NUL-terminated name and a number.
            check(unsafe { libc::initgroups(name.as_ptr(), gid as _) })
        }
    }
}

fn check(result: i32) -> io::Result<()> {
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Calls a reentrant database function with a buffer that grows until the record fits.
fn lookup<Record, Answer>(
    call: impl Fn(*mut Record, &mut [c_char], *mut *mut Record) -> i32,
    convert: impl Fn(&Record) -> Answer,
) -> io::Result<Option<Answer>> {
    let mut buffer: Vec<c_char> = vec![0; 1024];
    loop {
        let mut record = MaybeUninit::<Record>::uninit();
        let mut found = std::ptr::null_mut();
        match call(record.as_mut_ptr(), &mut buffer, &raw mut found) {
            // SAFETY: a found record is initialised, and the strings in it live in `buffer`, which outlives it here.
            0 => return Ok(unsafe { found.as_ref() }.map(convert)),
            libc::ERANGE if buffer.len() < (1 << 20) => buffer.resize(buffer.len() * 4, 0),
            // Some systems report "there is none" as an error.
            libc::ENOENT | libc::ESRCH | libc::EBADF | libc::EPERM => return Ok(None),
            error => return Err(io::Error::from_raw_os_error(error)),
        }
    }
}

fn user_of(record: &libc::passwd) -> User {
    // SAFETY: a record from the database has a NUL-terminated name.
    let name = unsafe { CStr::from_ptr(record.pw_name) };
    User {
        name: name.to_string_lossy().into_owned(),
        uid: record.pw_uid,
        gid: record.pw_gid,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_known_by_name_and_by_number() {
        let root = user_by_name("root").expect("read").expect("root exists");
        assert_eq!((root.uid, root.gid), (0, 0));
        assert_eq!(user_by_id(0).expect("read"), Some(root));
    }

    #[test]
    fn unknown_names_are_not_found() {
        assert_eq!(user_by_name("no-such-user-here").expect("read"), None);
        assert_eq!(user_by_name("nul\0inside").expect("read"), None);
        assert_eq!(group_by_name("no-such-group-here").expect("read"), None);
    }
}
