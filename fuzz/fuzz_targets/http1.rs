//! Finds inputs that break the promise of `checks/http1.rs`.

#![no_main]

#[path = "../../crates/protocol/tests/support/cuts.rs"]
mod cuts;
#[path = "../../crates/protocol/tests/support/repeated.rs"]
mod repeated;
#[path = "../checks/http1.rs"]
mod http1;

libfuzzer_sys::fuzz_target!(|input: &[u8]| http1::check(input));
