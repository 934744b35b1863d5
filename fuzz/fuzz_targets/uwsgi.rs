//! Finds inputs that break the promise of `checks/uwsgi.rs`.

#![no_main]

#[path = "../checks/uwsgi.rs"]
mod uwsgi;

libfuzzer_sys::fuzz_target!(|input: &[u8]| uwsgi::check(input));
