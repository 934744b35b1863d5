//! How much memory a process uses, as the system tells it in `/proc`. Where there is none, nothing is known.

/// The memory of a process, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProcessMemory {
    /// What it has mapped (address space).
    pub address_space: u64,
    /// What it has in memory (resident set size).
    pub resident: u64,
}

/// The memory of the process with this id; `None` when there is no such process.
pub fn process_memory(pid: u32) -> Option<ProcessMemory> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    let mut pages = text.split(' ').map_while(|word| word.parse::<u64>().ok());
    let mut bytes = || Some(pages.next()?.saturating_mul(rustix::param::page_size() as u64));
    Some(ProcessMemory {
        address_space: bytes()?,
        resident: bytes()?,
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn this_process_has_mapped_at_least_what_it_has_in_memory() {
        let memory = super::process_memory(std::process::id()).expect("this process is there");
        assert!(
            memory.resident > 0 && memory.address_space >= memory.resident,
            "{memory:?}"
        );
    }
}
