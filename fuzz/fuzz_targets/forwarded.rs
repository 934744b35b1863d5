//! Promise: reading a Forwarded field never panics, and two lists that are each understood are one list when they are joined.

#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::forwarded::hops;

fuzz_target!(|input: &[u8]| {
    let middle = input.len() / 2;
    let (front, back) = input.split_at(middle);
    let _ = hops(input);
    if let (Ok(first), Ok(second)) = (hops(front), hops(back)) {
        let joined = [front, b",", back].concat();
        assert_eq!(hops(&joined), Ok([first, second].concat()));
    }
});
