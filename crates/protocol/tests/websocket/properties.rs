//! Inputs no table thought of: messages in any fragments under any masks, and frames that are almost right.

use proptest::prelude::*;

use crate::compression::deflated;
use crate::transcript::{check_cuts_change_nothing, transcript};
use crate::wire::masked;

const OFFER: &str = "permessage-deflate; client_max_window_bits";

/// A message as frames: cut at these places, each frame with its mask.
fn fragmented(first: u8, payload: &[u8], cuts: &[usize], mask: [u8; 4]) -> Vec<u8> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut % (payload.len() + 1)).collect();
    places.extend([0, payload.len()]);
    places.sort_unstable();
    let last = places.len() - 2;
    let mut wire = Vec::new();
    for (index, ends) in places.windows(2).enumerate() {
        let opcode = if index == 0 { first } else { 0 };
        let fin = if index == last { 0x80 } else { 0 };
        let [a, b, c, d] = mask;
        wire.extend(masked(
            opcode | fin,
            &payload[ends[0]..ends[1]],
            [a, b, c, d ^ index as u8],
        ));
    }
    wire
}

/// Frames that are right but for what chance does to them.
fn almost_frames() -> impl Strategy<Value = Vec<u8>> {
    let first = prop_oneof![
        4 => prop::sample::select(vec![0x01u8, 0x81, 0x02, 0x82, 0x00, 0x80, 0x89, 0x8A, 0xC1, 0xC2, 0x41]),
        1 => prop::sample::select(vec![0x88u8, 0x83, 0x09, 0xA1]),
    ];
    let payload = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..20),
        prop::sample::select(vec![
            b"plain".to_vec(),
            "µ€𠜎".as_bytes().to_vec(),
            b"\xf0\xa0".to_vec(),
            b"\x9c\x8e".to_vec(),
            b"\x03\xe8".to_vec(),
            b"\xf2\x48\xcd\xc9\xc9\x07\x00".to_vec(),
            b"\xf2\x00\x11\x00\x00".to_vec(),
            b"\x00\x05\x00\xfa\xffHello\x00".to_vec(),
            vec![b'x'; 130],
        ]),
    ];
    let frames = prop::collection::vec((first, payload, any::<[u8; 4]>()), 0..12);
    frames.prop_map(|frames| {
        let frames = frames
            .into_iter()
            .map(|(first, payload, mask)| masked(first, &payload, mask));
        frames.collect::<Vec<_>>().concat()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_text_arrives_however_it_is_cut_and_masked(
        text in "\\PC{0,40}",
        cuts in prop::collection::vec(any::<usize>(), 0..6),
        mask in any::<[u8; 4]>(),
        pieces in prop::collection::vec(1usize..40, 1..20),
    ) {
        let wire = fragmented(0x01, text.as_bytes(), &cuts, mask);
        let expected = match text.len() {
            length @ 65.. => format!("text of {length}"),
            _ => format!("text {text:?}"),
        };
        prop_assert_eq!(transcript(&wire, &pieces, "", 1000), [expected]);
    }

    #[test]
    fn cuts_change_nothing_in_almost_frames(
        wire in almost_frames(),
        pieces in prop::collection::vec(1usize..40, 1..20),
        limit in 0usize..300,
    ) {
        check_cuts_change_nothing(&wire, &pieces, OFFER, limit);
        check_cuts_change_nothing(&wire, &pieces, "", limit);
    }

    #[test]
    fn cuts_change_nothing_in_any_bytes(wire in prop::collection::vec(any::<u8>(), 0..100), piece in 1usize..40) {
        check_cuts_change_nothing(&wire, &[piece], OFFER, 60);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn compressed_messages_arrive_however_they_are_cut(
        messages in prop::collection::vec(prop::collection::vec(0u8..8, 128..3000), 1..5),
        cuts in prop::collection::vec(any::<usize>(), 0..6),
        mask in any::<[u8; 4]>(),
        pieces in prop::collection::vec(1usize..400, 1..20),
    ) {
        let plain: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
        let wire: Vec<u8> = deflated(&plain)
            .iter()
            .flat_map(|data| fragmented(0x42, data, &cuts, mask))
            .collect();
        let expected: Vec<String> = messages.iter().map(|message| format!("binary of {}", message.len())).collect();
        prop_assert_eq!(transcript(&wire, &pieces, OFFER, 3000), expected);
    }
}
