//! Finds inputs that break the promise of `checks/gateway.rs` for uwsgi.

#![no_main]

#[path = "../../crates/protocol/tests/support/cuts.rs"]
mod cuts;
#[path = "../../crates/protocol/tests/support/repeated.rs"]
mod repeated;
#[allow(dead_code)]
#[path = "../checks/gateway.rs"]
mod gateway;

libfuzzer_sys::fuzz_target!(|input: &[u8]| gateway::uwsgi(input));
