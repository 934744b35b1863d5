//! Finds inputs that break the promise of `checks/scgi.rs`.

#![no_main]

#[path = "../checks/scgi.rs"]
mod scgi;

libfuzzer_sys::fuzz_target!(|input: &[u8]| scgi::check(input));
