//! Promise: the HTTP/1 codec never panics, and what it sees does not depend on how the input is cut.
//!
//! The first byte of the input chooses the size of the pieces and the second the limits, the rest is the wire.
//! The check itself is the one the properties of `crates/protocol` use.
//!
//! Run by the fuzz target of this name, and with kept inputs by `crates/protocol/tests/fuzz`.

#[allow(dead_code)]
#[path = "../../crates/protocol/tests/http1/transcript.rs"]
mod transcript;

use protocol::Limits;

/// Small enough for the fuzzer to reach every one of them.
const TIGHT: Limits = Limits {
    request_line: 40,
    fields: 3,
    field_size: 32,
    head: 90,
    block: 90,
    body: Some(40),
};

/// Panics where the promise is broken.
pub(crate) fn check(input: &[u8]) {
    let [piece, limits, wire @ ..] = input else {
        return;
    };
    let limits = if limits % 2 == 0 { TIGHT } else { Limits::default() };
    transcript::check_cuts_change_nothing(wire, &[usize::from(*piece).max(1)], limits);
}
