//! The process title: what `ps` shows.
//!
//! Linux shows the memory where the kernel put the command line, so the title is written over it, truncated to fit.
//! The C library hands `argc` and `argv` to the functions in `.init_array`, also in a library that is loaded later
//! (Python loads us so). Elsewhere setting the title does nothing.

/// Shows `title` in the process list. Text that does not fit over the original command line is cut off.
///
/// Call it with one thread, or always from the same one: the memory belongs to nobody else.
pub fn set_process_title(title: &str) {
    imp::set(title);
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod imp {
    use std::ffi::{CStr, CString, c_char, c_int};
    use std::sync::Mutex;

    /// The command line's memory: address and length, without the last NUL, which stays.
    static AREA: Mutex<Option<(usize, usize)>> = Mutex::new(None);

    #[cfg(not(miri))]
    #[used]
    // SAFETY: `.init_array` holds pointers to functions that glibc calls with (argc, argv, envp); this is one.
    #[unsafe(link_section = ".init_array")]
    static CAPTURE: extern "C" fn(c_int, *const *const c_char, *const *const c_char) = capture;

    #[cfg_attr(
        miri,
        expect(dead_code, reason = "Miri calls what is in `.init_array` without arguments")
    )]
    extern "C" fn capture(argc: c_int, argv: *const *const c_char, _envp: *const *const c_char) {
        if argc <= 0 || argv.is_null() {
            return;
        }
        // SAFETY: glibc passes `argc` pointers to NUL-terminated strings.
        let (start, length) = unsafe { extent(argc as usize, argv) };
        if let (Ok(mut area), true) = (AREA.lock(), length > 1) {
            *area = Some((start as usize, length - 1));
        }
    }

    /// Where the arguments begin, and how many bytes of them follow each other without a gap, as the kernel lays them out.
    ///
    /// # Safety
    /// `argv` points at `argc` pointers, at least one, to NUL-terminated strings.
    pub(super) unsafe fn extent(argc: usize, argv: *const *const c_char) -> (*const c_char, usize) {
        // SAFETY: as promised by the caller; the sum is at most one byte beyond the last string.
        unsafe {
            let start = *argv;
            let mut end = start;
            for index in 0..argc {
                let argument = *argv.add(index);
                if argument != end {
                    break;
                }
                end = end.add(CStr::from_ptr(end).count_bytes() + 1);
            }
            (start, end as usize - start as usize)
        }
    }

    pub(super) fn set(title: &str) {
        #[cfg(not(miri))]
        std::hint::black_box(&CAPTURE); // keeps the static in the link
        let Ok(area) = AREA.lock() else { return };
        if let Some((start, length)) = *area {
            // SAFETY: the area is the kernel's copy of the command line, writable and never freed; the lock makes us
            // the only writer. Whoever reads argv at the same time reads bytes that are always NUL-terminated, since
            // the area's last NUL is not part of `length`.
            unsafe { write_over(start as *mut u8, length, title.as_bytes()) };
        }
        let Ok(name) = CString::new(title.replace('\0', " ")) else {
            return;
        };
        // SAFETY: PR_SET_NAME reads at most 16 bytes of a NUL-terminated string.
        unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) };
    }

    /// Writes as much as there is room for, and NULs into what is left.
    ///
    /// # Safety
    /// `length` bytes from `area` on are valid for writes, and no part of `title`.
    pub(super) unsafe fn write_over(area: *mut u8, length: usize, title: &[u8]) {
        let shown = title.len().min(length);
        // SAFETY: as promised by the caller; `shown` is no more than either has.
        unsafe {
            std::ptr::copy_nonoverlapping(title.as_ptr(), area, shown);
            std::ptr::write_bytes(area.add(shown), 0, length - shown);
        }
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
mod imp {
    pub(super) fn set(_title: &str) {}
}

#[cfg(all(test, target_os = "linux", target_env = "gnu"))]
mod tests {
    use super::*;
    use crate::{Fork, exit_now, fork};

    #[test]
    fn only_arguments_that_follow_each_other_are_written_over() {
        let mut memory = *b"one\0two\0-\0four\0";
        let start = memory.as_mut_ptr();
        for (offsets, area) in [(&[0, 4, 8][..], 10), (&[0, 4, 10], 8), (&[0, 0], 4), (&[10], 5)] {
            let argv: Vec<_> = offsets
                .iter()
                .map(|offset| start.wrapping_add(*offset).cast_const().cast())
                .collect();
            // SAFETY: as many pointers to strings in `memory`, each of which ends in a NUL.
            let (first, length) = unsafe { imp::extent(argv.len(), argv.as_ptr()) };
            assert_eq!((first, length), (argv[0], area), "{offsets:?}");
        }
        for (title, shown) in [
            ("title", b"title\0\0\0-\0four\0"),
            ("a title", b"a title\0-\0four\0"),
            ("a long one", b"a long \0-\0four\0"),
            ("", b"\0\0\0\0\0\0\0\0-\0four\0"),
        ] {
            // SAFETY: the first seven bytes of `memory`, which is nobody else's.
            unsafe { imp::write_over(start, 7, title.as_bytes()) };
            assert_eq!(&memory, shown, "{title}");
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "forks")]
    fn the_process_list_shows_the_title() {
        // In a child, so that the test runner keeps its own name.
        match fork().expect("fork") {
            Fork::Child => {
                set_process_title("t: x");
                let shown = std::fs::read("/proc/self/cmdline").unwrap_or_default();
                exit_now(i32::from(!shown.starts_with(b"t: x\0")))
            }
            Fork::Parent(child) => {
                let pid = rustix::process::Pid::from_raw(child.cast_signed()).expect("a process id");
                let options = rustix::process::WaitOptions::empty();
                let (_, status) = rustix::process::waitpid(Some(pid), options)
                    .expect("wait")
                    .expect("it ended");
                assert_eq!(status.exit_status(), Some(0));
            }
        }
    }
}
