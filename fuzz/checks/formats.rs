//! Promise: no text that is meant as a configuration of uWSGI panics its reader, whatever its format, and each pair is of a
//! line that there is.
//!
//! The first byte of the input chooses the format, the rest is the text.
//!
//! Run by the fuzz target of this name, and with kept inputs by the tests of `crates/config`.

use super::formats::Format;

/// Panics where the promise is broken.
pub(crate) fn check(input: &[u8]) {
    let [format, text @ ..] = input else {
        return;
    };
    let formats = [Format::Ini, Format::Yaml, Format::Json, Format::Xml];
    let text = String::from_utf8_lossy(text);
    let lines = text.matches('\n').count() + 1;
    match formats[usize::from(*format) % formats.len()].read(&text, "") {
        Ok(pairs) => {
            for pair in pairs.unwrap_or_default() {
                assert!((1..=lines).contains(&pair.line), "{pair:?} of {lines} lines");
            }
        }
        Err(misread) => assert!(
            (1..=lines).contains(&misread.line),
            "{misread:?} of {lines} lines"
        ),
    }
}
