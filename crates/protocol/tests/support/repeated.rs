//! A request that is repeated means the same to another codec: part of the transcripts of the wires that carry requests. The fuzz
//! targets include it with them.

use protocol::{Codec, Event, RequestHead};

/// Goes on with a fresh codec, which is given the request again: nobody may notice. Returns how much of `buffer`, which then has
/// both the request and what it had, that codec has used.
pub(crate) fn move_on(
    codec: &mut Codec,
    mut fresh: Codec,
    head: &RequestHead,
    body: &[u8],
    buffer: &mut Vec<u8>,
) -> usize {
    assert!(codec.is_repeatable(), "after its end a request is whole");
    let mut again = Vec::new();
    codec.repeat(head, body, &mut again);
    buffer.splice(..0, again);
    let (mut used, mut has_ended) = (0, false);
    let (mut head_again, mut body_again) = (RequestHead::default(), Vec::new());
    while !has_ended {
        let received = fresh.receive(&buffer[used..], &mut head_again);
        match received.event {
            Event::Head => {}
            Event::Body(range) => body_again.extend_from_slice(&buffer[used..][range]),
            Event::End => has_ended = true,
            event => panic!("a repeated request is whole: {event:?}"),
        }
        used += received.used;
    }
    let meaning = |head: &RequestHead| {
        let pairs = head.fields().chain(head.variables());
        let pairs: Vec<_> = pairs
            .map(|(name, value)| (name.to_vec(), value.to_vec()))
            .collect();
        let parts = [head.method(), head.target(), head.path(), head.query()].map(<[u8]>::to_vec);
        let host = head.host().map(<[u8]>::to_vec);
        (
            parts,
            host,
            pairs,
            head.version(),
            head.body_length(),
            head.keep_alive(),
        )
    };
    assert_eq!(meaning(&head_again), meaning(head), "of a repeated request");
    assert_eq!(body_again, body, "of a repeated request");
    *codec = fresh;
    used
}
