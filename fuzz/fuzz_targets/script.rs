//! Finds inputs that break the promise of `checks/script.rs`.

#![no_main]

#[path = "../checks/script.rs"]
mod script;

libfuzzer_sys::fuzz_target!(|input: &[u8]| script::check(input));
