//! Finds inputs that break the promise of `checks/websocket.rs`.

#![no_main]

#[path = "../../crates/protocol/tests/support/cuts.rs"]
mod cuts;
#[path = "../checks/websocket.rs"]
mod websocket;

libfuzzer_sys::fuzz_target!(|input: &[u8]| websocket::check(input));
