//! Room `sys`: safe functions over what libc offers and the standard library, rustix and socket2 do not.
//!
//! The only room on floor 0 with `unsafe`; each block says why it is sound. No policy, no settings, no logging.

mod file_lock;
mod identity;
mod listening;
mod lock;
mod mapping;
mod memory;
mod process;
mod title;
mod transfer;
mod users;

pub use file_lock::lock_file;
pub use identity::{Confinement, Identity, become_user, own_capabilities, own_session, start_as};
pub use listening::{accept_queue, admit_nobody_new};
pub use lock::{Found, SharedLock, shared_locks};
pub use mapping::{file_words, shared_words, write_back};
pub use memory::{ProcessMemory, process_memory};
pub use process::{
    BlockedSignals, Fork, adopt_descriptor, block_signals, close_descriptor, default_signal, exit_now, fork,
    keep_on_exec, monotonic_ms, spawn_watcher,
};
pub use title::set_process_title;
pub use transfer::sendfile;
pub use users::{User, group_by_name, groups_of, user_by_id, user_by_name};
