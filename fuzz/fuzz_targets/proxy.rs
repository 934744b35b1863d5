//! Promise: reading a PROXY header never panics, uses no more than there is, and what is a header stays one whatever
//! follows; what is refused at once stays refused.

#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::proxy::{Opening, Versions, read};

fuzz_target!(|input: &[u8]| {
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
});
