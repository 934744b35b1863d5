//! Finds inputs that break the promise of `checks/gateway.rs` for FastCGI.

#![no_main]

#[allow(dead_code)]
#[path = "../checks/gateway.rs"]
mod gateway;

libfuzzer_sys::fuzz_target!(|input: &[u8]| gateway::fastcgi(input));
