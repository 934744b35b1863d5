//! Promise: nothing that a client sends ends a line of a log, leaves its quotes, or speaks to a terminal.
//!
//! Run by the fuzz target of this name, and with kept inputs by the tests of `crates/telemetry`.

use super::escape::{push_text, push_value};

/// Panics where the promise is broken.
pub(crate) fn check(input: &[u8]) {
    let mut value = Vec::new();
    push_value(&mut value, input);
    let value = String::from_utf8(value).expect("what is no UTF-8 is escaped");
    assert!(!value.chars().any(char::is_control), "{value:?}");
    let mut escaped = false;
    for character in value.chars() {
        assert!(escaped || character != '"', "{value:?} leaves its quotes");
        escaped = character == '\\' && !escaped;
    }
    assert!(!escaped, "{value:?} escapes the quote that ends it");
    let mut text = Vec::new();
    push_text(&mut text, &String::from_utf8_lossy(input));
    let text = String::from_utf8(text).expect("text stays text");
    assert!(!text.chars().any(char::is_control), "{text:?}");
}
