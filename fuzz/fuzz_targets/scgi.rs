//! Finds inputs that break the promise of `checks/gateway.rs` for SCGI.

#![no_main]

#[path = "../../crates/protocol/tests/support/cuts.rs"]
mod cuts;
#[allow(dead_code)]
#[path = "../checks/gateway.rs"]
mod gateway;

libfuzzer_sys::fuzz_target!(|input: &[u8]| gateway::scgi(input));
