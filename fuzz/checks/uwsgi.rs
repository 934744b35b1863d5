//! Promise: the Uwsgi codec never panics, and what it sees does not depend on how the input is cut.
//!
//! The first byte of the input chooses the size of the pieces and the second the limits, the rest is the wire.
//! The check itself is the one the properties of `crates/protocol` use.
//!
//! Run by the fuzz target of this name, and with kept inputs by `crates/protocol/tests/fuzz`.

#[allow(dead_code)]
#[path = "../../crates/protocol/tests/gateway/transcript.rs"]
mod transcript;

use protocol::Limits;
use transcript::Wire;

/// Small enough for the fuzzer to reach every one of them.
const TIGHT: Limits = Limits {
    request_line: 40,
    fields: 3,
    field_size: 32,
    head: 90,
    block: 120,
    body: Some(40),
};

/// Panics where the promise is broken.
pub(crate) fn check(input: &[u8]) {
    let [piece, limits, wire @ ..] = input else {
        return;
    };
    let limits = if limits & 1 == 0 { Limits::default() } else { TIGHT };
    transcript::check_cuts_change_nothing(Wire::Uwsgi, wire, &[usize::from(*piece)], limits);
}
