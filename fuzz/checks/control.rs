//! Promise: what a client of the control socket sends never panics the master, and where it is cut changes nothing.
//!
//! Run by the fuzz target of this name, and with kept inputs by the tests of `crates/master`.

use super::command::parse;
use super::message::{Request, take};

/// Panics where the promise is broken.
pub(crate) fn check(input: &[u8]) {
    let whole = received(input, input.len());
    assert_eq!(received(input, 1), whole);
    assert_eq!(received(input, 7), whole);
    for request in &whole.0 {
        let _ = parse(&request.words);
    }
}

/// The requests in what has been sent, and whether they ended with something that is none.
fn received(input: &[u8], piece: usize) -> (Vec<Request>, bool) {
    let (mut inbox, mut requests) = (Vec::new(), Vec::new());
    for piece in input.chunks(piece.max(1)) {
        inbox.extend_from_slice(piece);
        loop {
            match take(&mut inbox) {
                Ok(Some(request)) => requests.push(request),
                Ok(None) => break,
                Err(()) => return (requests, true),
            }
        }
    }
    (requests, false)
}
