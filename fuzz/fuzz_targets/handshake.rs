//! Finds inputs that break the promise of `checks/handshake.rs`.

#![no_main]

#[path = "../checks/handshake.rs"]
mod handshake;

libfuzzer_sys::fuzz_target!(|input: &[u8]| handshake::check(input));
