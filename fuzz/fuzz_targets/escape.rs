//! Finds inputs that break the promise of `checks/escape.rs`. What it checks is private to its room, so its file is taken.

#![no_main]

#[path = "../checks/escape.rs"]
mod check;
#[allow(dead_code)]
#[path = "../../crates/telemetry/src/escape.rs"]
mod escape;

libfuzzer_sys::fuzz_target!(|input: &[u8]| check::check(input));
