//! How much memory a process uses, as the system tells it in `/proc`. Where there is none, nothing is known.

use config::Memory;

/// The memory of a process in bytes.
pub(crate) fn of(pid: u32) -> Option<Memory<u64>> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    let mut pages = text.split(' ').map_while(|word| word.parse::<u64>().ok());
    let mut bytes = || Some(pages.next()?.saturating_mul(rustix::param::page_size() as u64));
    Some(Memory {
        address_space: bytes()?,
        resident: bytes()?,
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn this_process_has_mapped_at_least_what_it_has_in_memory() {
        let memory = super::of(std::process::id()).expect("this process is there");
        assert!(
            memory.resident > 0 && memory.address_space >= memory.resident,
            "{memory:?}"
        );
    }
}
