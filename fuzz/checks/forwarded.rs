//! Promise: reading a Forwarded field never panics, and two lists that are each understood are one list when they are joined.
//!
//! Run by the fuzz target of this name, and with kept inputs by `crates/protocol/tests/fuzz`.

use protocol::forwarded::hops;

/// Panics where the promise is broken.
pub(crate) fn check(input: &[u8]) {
    let (front, back) = input.split_at(input.len() / 2);
    let _ = hops(input);
    if let (Ok(first), Ok(second)) = (hops(front), hops(back)) {
        let joined = [front, b",", back].concat();
        assert_eq!(hops(&joined), Ok([first, second].concat()));
    }
}
