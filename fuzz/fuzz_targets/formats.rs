//! Finds inputs that break the promise of `checks/formats.rs`. What it checks is private to its room, so its file is taken.

#![no_main]

#[path = "../checks/formats.rs"]
mod check;
#[allow(dead_code)]
#[path = "../../crates/config/src/uwsgi/formats.rs"]
mod formats;
#[allow(dead_code)]
#[path = "../../crates/config/src/uwsgi/ini.rs"]
mod ini;
#[allow(dead_code)]
#[path = "../../crates/config/src/uwsgi/json.rs"]
mod json;
#[allow(dead_code)]
#[path = "../../crates/config/src/uwsgi/xml.rs"]
mod xml;
#[allow(dead_code)]
#[path = "../../crates/config/src/uwsgi/yaml.rs"]
mod yaml;
/// What `ini.rs` takes from its folder.
const VERSION: &str = "0";

libfuzzer_sys::fuzz_target!(|input: &[u8]| check::check(input));
