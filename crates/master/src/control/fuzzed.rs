//! The fuzz target of this folder, replayed: see `fuzz/checks/replay.rs`.

#[path = "../../../../fuzz/checks/control.rs"]
mod check;
#[path = "../../../../fuzz/checks/replay.rs"]
mod replay;

use super::{command, message};

#[test]
fn the_control_socket_keeps_its_promise() {
    replay::replay(check::check, include_str!("../../../../fuzz/seeds/control.hex"));
}
