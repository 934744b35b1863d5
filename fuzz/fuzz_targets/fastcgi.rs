//! Finds inputs that break the promise of `checks/fastcgi.rs`.

#![no_main]

#[path = "../checks/fastcgi.rs"]
mod fastcgi;

libfuzzer_sys::fuzz_target!(|input: &[u8]| fastcgi::check(input));
