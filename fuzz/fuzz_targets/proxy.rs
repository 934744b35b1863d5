//! Finds inputs that break the promise of `checks/proxy.rs`.

#![no_main]

#[path = "../checks/proxy.rs"]
mod proxy;

libfuzzer_sys::fuzz_target!(|input: &[u8]| proxy::check(input));
