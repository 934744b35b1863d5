//! The fuzz target of this folder, replayed: see `fuzz/checks/replay.rs`.

#[path = "../../../../fuzz/checks/formats.rs"]
mod check;
#[path = "../../../../fuzz/checks/replay.rs"]
mod replay;

use super::formats;

#[test]
fn configuration_files_keep_their_promise() {
    replay::replay(check::check, include_str!("../../../../fuzz/seeds/formats.hex"));
}
