//! Memory shared with the processes forked later, with or without a file behind it.

use std::fs::File;
use std::io;
use std::sync::atomic::AtomicU64;

use rustix::mm::{MapFlags, MsyncFlags, ProtFlags, mmap, mmap_anonymous, msync};

/// Miri has one process, and no memory that others could share.
const SHARED: MapFlags = if cfg!(miri) {
    MapFlags::PRIVATE
} else {
    MapFlags::SHARED
};

/// Maps `count` zeroed words that this process and all its later forks see alike.
///
/// The mapping lives as long as the process: it is meant for what is made once. Untouched pages cost nothing.
///
/// # Errors
/// When the kernel refuses the mapping (`ENOMEM`).
pub fn shared_words(count: usize) -> io::Result<&'static [AtomicU64]> {
    let start: *mut AtomicU64 = zeroed(count)?;
    // SAFETY: `zeroed` gives that many, valid as long as the process, and nothing else refers to them; atomics tolerate that
    // other processes write to the same memory.
    Ok(unsafe { std::slice::from_raw_parts(start, count) })
}

/// Zeroed bytes for `count` values that this process and all its later forks see alike: page-aligned, and never unmapped.
///
/// # Errors
/// When the kernel refuses the mapping (`ENOMEM`).
pub(crate) fn zeroed<T>(count: usize) -> io::Result<*mut T> {
    let access = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: a fresh anonymous mapping at an address of the kernel's choice overlaps nothing.
    let start = unsafe { mmap_anonymous(std::ptr::null_mut(), bytes_of::<T>(count)?, access, SHARED)? };
    Ok(start.cast())
}

/// The size of a mapping for `count` values; none is empty.
fn bytes_of<T>(count: usize) -> io::Result<usize> {
    let bytes = count.max(1).checked_mul(size_of::<T>());
    bytes.ok_or_else(|| io::ErrorKind::OutOfMemory.into())
}

/// Maps the first `count` words of `file`, which must be at least that long: what is stored there is in the file as soon
/// as it is stored, whatever becomes of this process. Whether it outlasts the machine is up to [`write_back`].
///
/// The mapping lives as long as the process. Whoever shortens the file meanwhile ends the process (`SIGBUS`).
///
/// # Errors
/// When the file is too short (`UnexpectedEof`), or the kernel refuses the mapping.
pub fn file_words(file: &File, count: usize) -> io::Result<&'static [AtomicU64]> {
    let bytes = bytes_of::<AtomicU64>(count)?;
    if file.metadata()?.len() < bytes as u64 {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
    }
    // SAFETY: a new mapping at an address of the kernel's choice overlaps nothing. It is page-aligned, `bytes` long, all
    // of it inside the file, and never unmapped; any bytes are valid words, and atomics tolerate that others write.
    unsafe {
        let start = mmap(
            std::ptr::null_mut(),
            bytes,
            ProtFlags::READ | ProtFlags::WRITE,
            MapFlags::SHARED,
            file,
            0,
        )?;
        Ok(std::slice::from_raw_parts(start.cast::<AtomicU64>(), count))
    }
}

/// Has the kernel write words of [`file_words`] to the disk, now if `wait`, else soon. `words` must be the whole mapping.
///
/// # Errors
/// What the disk says.
pub fn write_back(words: &'static [AtomicU64], wait: bool) -> io::Result<()> {
    let flags = if wait { MsyncFlags::SYNC } else { MsyncFlags::ASYNC };
    // SAFETY: the address range is that of a live slice; the call changes none of it.
    unsafe {
        msync(
            words.as_ptr().cast_mut().cast(),
            std::mem::size_of_val(words),
            flags,
        )?;
    }
    Ok(())
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
