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

// Miri calls what is in `.init_array` without arguments.
#[cfg(all(target_os = "linux", target_env = "gnu", not(miri)))]
mod imp {
    use std::ffi::{CString, c_char, c_int};
    use std::sync::Mutex;

    /// The command line's memory: address and length, without the last NUL, which stays.
    static AREA: Mutex<Option<(usize, usize)>> = Mutex::new(None);

    #[used]
    // SAFETY: `.init_array` holds pointers to functions that glibc calls with (argc, argv, envp); this is one.
    #[unsafe(link_section = ".init_array")]
    static CAPTURE: extern "C" fn(c_int, *const *const c_char, *const *const c_char) = capture;

    extern "C" fn capture(argc: c_int, argv: *const *const c_char, _envp: *const *const c_char) {
        if argc <= 0 || argv.is_null() {
            return;
        }
        // SAFETY: glibc passes `argc` pointers to NUL-terminated strings. Only those that follow each other without a
        // gap, as the kernel lays them out, are taken as one area.
        let (start, length) = unsafe {
            let start = *argv;
            let mut end = start;
            for index in 0..argc as usize {
                let argument = *argv.add(index);
                if argument != end {
                    break;
                }
                end = argument.add(libc::strlen(argument) + 1);
            }
            (start as usize, (end as usize).saturating_sub(start as usize))
        };
        if let (Ok(mut area), true) = (AREA.lock(), length > 1) {
            *area = Some((start, length - 1));
        }
    }

    pub(super) fn set(title: &str) {
        std::hint::black_box(&CAPTURE); // keeps the static in the link
        let Ok(area) = AREA.lock() else { return };
        if let Some((start, length)) = *area {
            let shown = title.len().min(length);
            // SAFETY: the area is the kernel's copy of the command line, writable and never freed; the lock makes us
            // the only writer. Whoever reads argv at the same time reads bytes that are always NUL-terminated, since
            // the area's last NUL is not part of `length`.
            unsafe {
                let area = start as *mut u8;
                std::ptr::copy_nonoverlapping(title.as_ptr(), area, shown);
                std::ptr::write_bytes(area.add(shown), 0, length - shown);
            }
        }
        let Ok(name) = CString::new(title.replace('\0', " ")) else {
            return;
        };
        // SAFETY: PR_SET_NAME reads at most 16 bytes of a NUL-terminated string.
        unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) };
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu", not(miri))))]
mod imp {
    pub(super) fn set(_title: &str) {}
}

#[cfg(all(test, target_os = "linux", target_env = "gnu", not(miri)))]
mod tests {
    use super::*;
    use crate::{Fork, exit_now, fork};

    #[test]
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
