//! What workers may do beside what their user may, and where. Plain data, of which uWSGI's dialect alone makes any.

use std::path::PathBuf;

/// By default it is the whole system, with the rights of the user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// Root directory of the workers and of all that is done as their user (chroot(2)). Every path that they open is seen from
    /// there, [`crate::Settings::chdir`] too; the master stays outside.
    pub root: Option<PathBuf>,
    /// Linux capabilities that they keep, and no others: bit N is number N. 0: those that their user has.
    pub capabilities: u64,
    /// Groups that they have beside those of their user: names or numbers.
    pub groups: Vec<String>,
}

/// Names of Linux capabilities by their number (capabilities(7)), without the prefix `CAP_`.
pub const CAPABILITIES: [&str; 41] = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];

impl Rights {
    /// Names of the capabilities in a set, as users write them.
    pub fn names_of(capabilities: u64) -> String {
        let numbers = (0..u64::BITS as usize).filter(|number| capabilities >> number & 1 == 1);
        let names = numbers.map(|number| match CAPABILITIES.get(number) {
            Some(name) => (*name).to_owned(),
            None => number.to_string(),
        });
        names.collect::<Vec<_>>().join(",")
    }
}
