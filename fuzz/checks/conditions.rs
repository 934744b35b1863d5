//! Promise: whatever the fields of a request for a file say, nothing panics, and a part lies in the file, holds something, and
//! is only for those who GET it.
//!
//! The first byte of the input is the size of the file, the second chooses the method, the rest is the fields.
//!
//! Run by the fuzz target of this name, and with kept inputs by the tests of `crates/worker`.

use std::time::{Duration, UNIX_EPOCH};

use protocol::http1::Codec;
use protocol::{Event, Limits, RequestHead};

use super::conditions::{Choice, accepts, choose};

/// Panics where the promise is broken.
pub(crate) fn check(input: &[u8]) {
    let [size, method, fields @ ..] = input else {
        return;
    };
    let size = u64::from(*size);
    let method: &[u8] = if method % 2 == 0 { b"GET" } else { b"HEAD" };
    let wire = [method, b" / HTTP/1.1\r\nHost: a\r\n", fields, b"\r\n\r\n"].concat();
    let mut head = RequestHead::default();
    if Codec::new(Limits::default()).receive(&wire, &mut head).event != Event::Head {
        return;
    }
    let _ = accepts(head.field("accept-encoding").unwrap_or_default(), "gzip");
    // 2001-09-09 01:46:40, so that a date can be right.
    let modified = UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    if let Choice::Part(first, length) = choose(&head, size, "\"1.0-2\"", modified) {
        assert!(
            length > 0 && first + length <= size,
            "{length} from {first} of {size}"
        );
        assert_eq!(method, b"GET");
        assert!(head.field("range").is_some());
    }
}
