//! Finds inputs that break the promise of `checks/forwarded.rs`.

#![no_main]

#[path = "../checks/forwarded.rs"]
mod forwarded;

libfuzzer_sys::fuzz_target!(|input: &[u8]| forwarded::check(input));
