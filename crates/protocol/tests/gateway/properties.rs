//! Inputs no table thought of: requests with a stray piece, and any bytes, cut anywhere.

use proptest::prelude::*;
use protocol::Limits;

use crate::fastcgi::{record, request};
use crate::transcript::{Wire, check_cuts_change_nothing};
use crate::uwsgi::packet;

const LIMITS: Limits = Limits {
    request_line: 40,
    fields: 3,
    field_size: 32,
    head: 90,
    block: 120,
    body: Some(40),
};

const KEEP: &[u8] = &[0, 1, 1, 0, 0, 0, 0, 0];
const POST: [(&str, &str); 3] = [
    ("REQUEST_METHOD", "POST"),
    ("PATH_INFO", "/"),
    ("CONTENT_LENGTH", "5"),
];

fn wires() -> impl Strategy<Value = Wire> {
    prop::sample::select(vec![Wire::Uwsgi, Wire::Scgi, Wire::Fastcgi])
}

/// Records of several requests in any order, some of them nonsense.
fn records() -> impl Strategy<Value = Vec<u8>> {
    let some = |id| {
        vec![
            record(1, id, KEEP, 0),
            record(1, id, &[0, 1, 0, 0, 0, 0, 0, 0], 0),
            record(1, id, &[0, 3, 1, 0, 0, 0, 0, 0], 1),
            record(2, id, b"", 0),
            record(4, id, &crate::fastcgi::pairs(&POST), 2),
            record(4, id, b"", 0),
            record(5, id, b"hello", 3),
            record(5, id, b"h", 0),
            record(5, id, b"", 0),
            record(9, id, b"\x0f\0FCGI_MPXS_CONNS", 0),
            record(11, id, b"x", 7),
            request(id, KEEP, &POST, b"hello"),
        ]
    };
    let records: Vec<Vec<u8>> = (0..4).flat_map(some).collect();
    prop::collection::vec(prop::sample::select(records), 0..24).prop_map(|records| records.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn cuts_change_nothing_in_any_bytes(
        wire in wires(),
        input in prop::collection::vec(any::<u8>(), 0..200),
        piece in 1usize..40,
    ) {
        check_cuts_change_nothing(wire, &input, &[piece], LIMITS);
    }

    #[test]
    fn cuts_change_nothing_in_damaged_packets(
        place in any::<prop::sample::Index>(),
        removed in 0usize..3,
        stray in prop::collection::vec(any::<u8>(), 0..4),
        piece in 1usize..40,
    ) {
        let scgi = b"70:CONTENT_LENGTH\x005\0SCGI\x001\0REQUEST_METHOD\0POST\0REQUEST_URI\0/a?bcdefghijk\0,hello".to_vec();
        for (wire, mut input) in [(Wire::Uwsgi, [packet(0, &POST), b"hello".to_vec()].concat()), (Wire::Scgi, scgi)] {
            let start = place.index(input.len());
            let end = (start + removed).min(input.len());
            input.splice(start..end, stray.iter().copied());
            check_cuts_change_nothing(wire, &input, &[piece], LIMITS);
            check_cuts_change_nothing(wire, &input, &[piece], Limits::default());
        }
    }

    #[test]
    fn cuts_change_nothing_in_records_of_any_order(input in records(), piece in 1usize..40) {
        check_cuts_change_nothing(Wire::Fastcgi, &input, &[piece], LIMITS);
        check_cuts_change_nothing(Wire::Fastcgi, &input, &[piece], Limits::default());
    }
}
