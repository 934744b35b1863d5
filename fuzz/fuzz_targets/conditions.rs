//! Finds inputs that break the promise of `checks/conditions.rs`. What it checks is private to its room, so its file is taken.

#![no_main]

#[path = "../checks/conditions.rs"]
mod check;
#[allow(dead_code)]
#[path = "../../crates/worker/src/files/conditions.rs"]
mod conditions;

libfuzzer_sys::fuzz_target!(|input: &[u8]| check::check(input));
