//! How the input of a codec is cut, and the stamp its answers get: what the transcripts of all wires have in common. The fuzz
//! targets include it with them.

use protocol::Stamp;

/// The time and the name that every test is answered with.
pub(crate) const STAMP: Stamp = Stamp {
    date: *b"Tue, 15 Nov 1994 08:12:31 GMT",
    server: "penstock",
    dated: true,
    added: "",
};

/// `input`, cut after each piece length in turn; the last one repeats.
pub(crate) fn cut<'a>(input: &'a [u8], pieces: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = input;
    let mut pieces = pieces.iter().copied();
    let mut piece = usize::MAX;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        piece = pieces.next().unwrap_or(piece).max(1);
        let (now, later) = rest.split_at(piece.min(rest.len()));
        rest = later;
        Some(now)
    })
}

/// The promise: never panics, and what happens does not depend on how the input is cut. `transcript` is what happens when it
/// comes in these pieces.
pub(crate) fn check_cuts_change_nothing(
    input: &[u8],
    pieces: &[usize],
    transcript: impl Fn(&[usize]) -> Vec<String>,
) {
    let whole = transcript(&[usize::MAX]);
    let shown = input.escape_ascii();
    assert_eq!(transcript(&[1]), whole, "byte by byte: {shown}");
    assert_eq!(transcript(pieces), whole, "cut as {pieces:?}: {shown}");
}
