//! Finds inputs that break the promise of `checks/control.rs`. What it checks is private to its room, so its file is taken.

#![no_main]

#[path = "../checks/control.rs"]
mod check;
#[allow(dead_code)]
#[path = "../../crates/master/src/control/command.rs"]
mod command;
#[allow(dead_code)]
#[path = "../../crates/master/src/control/message.rs"]
mod message;

libfuzzer_sys::fuzz_target!(|input: &[u8]| check::check(input));
