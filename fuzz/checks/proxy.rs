//! Promise: reading a PROXY header never panics, uses no more than there is, and what is a header stays one whatever
//! follows; what is refused at once stays refused.
//!
//! Run by the fuzz target of this name, and with kept inputs by `crates/protocol/tests/fuzz`.

use protocol::proxy::{Opening, Versions, read};

/// Panics where the promise is broken.
pub(crate) fn check(input: &[u8]) {
    let versions = Versions { v1: true, v2: true };
    let whole = read(input, versions);
    if let Ok(Opening::Header { used, .. }) = whole {
        assert!(used <= input.len());
    }
    for cut in 0..input.len() {
        match read(&input[..cut], versions) {
            Ok(Opening::NeedMore) => {}
            other => assert_eq!(other, whole, "cut at {cut}"),
        }
    }
}
