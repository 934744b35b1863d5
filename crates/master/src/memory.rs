//! How much memory a worker uses, to be held against its limits.

use config::Memory;

/// The memory of a process in bytes, where the system tells.
pub(crate) fn of(pid: u32) -> Option<Memory<u64>> {
    let used = sys::process_memory(pid)?;
    Some(Memory {
        address_space: used.address_space,
        resident: used.resident,
    })
}
