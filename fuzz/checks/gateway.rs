//! Promise: no gateway codec ever panics, and what it sees does not depend on how the input is cut.
//!
//! The first byte of the input chooses the size of the pieces and the second the limits, the rest is the wire.
//! The check itself is the one the properties of `crates/protocol` use.
//!
//! Run by the fuzz target of each wire, which uses one function of these, and with kept inputs by `crates/protocol/tests/fuzz`.

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

/// Panics where the promise is broken for FastCGI.
pub(crate) fn fastcgi(input: &[u8]) {
    check(Wire::Fastcgi, input);
}

/// Panics where the promise is broken for SCGI.
pub(crate) fn scgi(input: &[u8]) {
    check(Wire::Scgi, input);
}

/// Panics where the promise is broken for uwsgi.
pub(crate) fn uwsgi(input: &[u8]) {
    check(Wire::Uwsgi, input);
}

fn check(wire: Wire, input: &[u8]) {
    let [piece, limits, message @ ..] = input else {
        return;
    };
    let limits = if limits & 1 == 0 { Limits::default() } else { TIGHT };
    transcript::check_cuts_change_nothing(wire, message, &[usize::from(*piece)], limits);
}
