//! Promise: the WebSocket codec never panics, holds no more than its limit, and what it sees does not depend on how
//! the input is cut.
//!
//! The first byte of the input chooses the size of the pieces, the second whether compression was agreed on and the
//! limit, the rest is the wire. The check itself is the one the properties of `crates/protocol` use.
//!
//! Run by the fuzz target of this name, and with kept inputs by `crates/protocol/tests/fuzz`.

#[allow(dead_code)]
#[path = "../../crates/protocol/tests/websocket/transcript.rs"]
mod transcript;

/// Panics where the promise is broken.
pub(crate) fn check(input: &[u8]) {
    let [piece, choice, wire @ ..] = input else {
        return;
    };
    let extensions = match choice % 3 {
        0 => "",
        1 => "permessage-deflate; client_max_window_bits",
        _ => "permessage-deflate; client_no_context_takeover",
    };
    let limit = if choice / 3 % 2 == 0 { 60 } else { 1 << 16 };
    transcript::check_cuts_change_nothing(wire, &[usize::from(*piece).max(1)], extensions, limit);
}
