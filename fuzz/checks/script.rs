//! Promise: reading what a CGI script writes never panics, where its head ends does not depend on what follows, and a head
//! that is understood puts nothing into the answer that ends a line or begins another.
//!
//! The first byte of the input chooses whether it is a head of fields or a whole HTTP answer, the rest is what is written.
//!
//! Run by the fuzz target of this name, and with kept inputs by `crates/protocol/tests/fuzz`.

use protocol::{ResponseHead, ScriptHead, nph_head, script_head, script_head_end};

/// Panics where the promise is broken.
pub(crate) fn check(input: &[u8]) {
    let [choice, output @ ..] = input else {
        return;
    };
    let end = script_head_end(output);
    for cut in 0..output.len().min(200) {
        let early = script_head_end(&output[..cut]);
        assert!(early.is_none() || early == end, "cut at {cut}");
    }
    let head = &output[..end.unwrap_or(output.len())];
    let mut response = ResponseHead::default();
    let read = if choice % 2 == 0 { script_head } else { nph_head };
    if read(head, &mut response) != Ok(ScriptHead::Document) {
        return;
    }
    assert!((200..1000).contains(&response.status()), "{}", response.status());
    let is_text = |bytes: &[u8]| !bytes.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0));
    assert!(is_text(response.status_line()));
    for (name, value) in response.fields() {
        assert!(!name.is_empty() && is_text(name) && is_text(value));
    }
}
