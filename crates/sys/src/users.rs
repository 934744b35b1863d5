//! Users and groups in the system's database. Becoming one is in `identity`.

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

/// Every group that the database lists for the user of this name, `primary` first.
///
/// # Errors
/// When there is no such list, or more than 65536 groups.
pub fn groups_of(name: &str, primary: u32) -> io::Result<Vec<u32>> {
    let name = CString::new(name)?;
    let mut groups: Vec<libc::gid_t> = vec![0; 64];
    loop {
        let mut count = i32::try_from(groups.len()).unwrap_or(i32::MAX);
        // SAFETY: a NUL-terminated name, and a buffer with its length, in which as many are written as fit.
        let found = unsafe {
            libc::getgrouplist(
                name.as_ptr(),
                primary as _,
                groups.as_mut_ptr().cast(),
                &raw mut count,
            )
        };
        if found >= 0 {
            groups.truncate(usize::try_from(count).unwrap_or_default());
            return Ok(groups);
        }
        if groups.len() >= 1 << 16 {
            return Err(io::Error::other("there are too many groups"));
        }
        groups.resize(groups.len() * 4, 0);
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

    #[test]
    fn the_buffer_grows_until_the_record_fits() {
        let call = |record: *mut libc::passwd, buffer: &mut [c_char], found: *mut *mut libc::passwd| {
            if buffer.len() < 3000 {
                return libc::ERANGE;
            }
            for (place, byte) in buffer.iter_mut().zip(b"ann\0") {
                *place = *byte as c_char;
            }
            // SAFETY: `lookup` passes places for a record and for what was found; zeroes are a record of numbers and
            // null pointers.
            unsafe {
                record.write(std::mem::zeroed());
                (*record).pw_name = buffer.as_mut_ptr();
                (*record).pw_uid = 7;
                (*record).pw_gid = 8;
                *found = record;
            }
            0
        };
        let ann = User {
            name: "ann".to_owned(),
            uid: 7,
            gid: 8,
        };
        assert_eq!(lookup(call, user_of).expect("read"), Some(ann));
    }

    #[test]
    fn a_user_is_in_its_primary_group() {
        assert_eq!(groups_of("root", 0).expect("read").first(), Some(&0));
        assert_eq!(groups_of("no-such-user-here", 7).expect("read"), [7]);
    }
}
