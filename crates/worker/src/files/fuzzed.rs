//! The fuzz target of this folder, replayed: see `fuzz/checks/replay.rs`.

#[path = "../../../../fuzz/checks/conditions.rs"]
mod check;
#[path = "../../../../fuzz/checks/replay.rs"]
mod replay;

use super::conditions;

#[test]
fn conditions_keep_their_promise() {
    replay::replay(
        check::check,
        include_str!("../../../../fuzz/seeds/conditions.hex"),
    );
}
