//! The fuzz target of this folder, replayed: see `fuzz/checks/replay.rs`.

#[path = "../../../fuzz/checks/escape.rs"]
mod check;
#[path = "../../../fuzz/checks/replay.rs"]
mod replay;

use super::escape;

#[test]
fn what_clients_send_keeps_its_promise_in_logs() {
    replay::replay(check::check, include_str!("../../../fuzz/seeds/escape.hex"));
}
