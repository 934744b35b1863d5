//! Memory shared with the processes forked later.

use std::io;
use std::sync::atomic::AtomicU64;

use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};

/// Maps `count` zeroed words that this process and all its later forks see alike.
///
/// The mapping lives as long as the process: it is meant for what is made once. Untouched pages cost nothing.
///
/// # Errors
/// When the kernel refuses the mapping (`ENOMEM`).
pub fn shared_words(count: usize) -> io::Result<&'static [AtomicU64]> {
    let too_large = || io::Error::from(io::ErrorKind::OutOfMemory);
    let bytes = count
        .max(1)
        .checked_mul(size_of::<AtomicU64>())
        .ok_or_else(too_large)?;
    // SAFETY: a fresh anonymous mapping at an address of the kernel's choice overlaps nothing. It is page-aligned,
    // zeroed, `bytes` long and never unmapped, so a `'static` slice of atomics over it is valid; atomics tolerate
    // that other processes write to the same memory.
    unsafe {
        let start = mmap_anonymous(
            std::ptr::null_mut(),
            bytes,
            ProtFlags::READ | ProtFlags::WRITE,
            MapFlags::SHARED,
        )?;
        Ok(std::slice::from_raw_parts(start.cast::<AtomicU64>(), count))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;

    #[test]
    fn words_start_as_zero_and_keep_what_is_stored() {
        let words = shared_words(1000).expect("map");
        assert_eq!(words.len(), 1000);
        assert!(words.iter().all(|word| word.load(Ordering::Relaxed) == 0));
        words[999].store(7, Ordering::Relaxed);
        assert_eq!(words[999].load(Ordering::Relaxed), 7);
    }
}
