//! Receiving a body: counted, or in chunks (RFC 9112 6 and 7.1).
//!
//! Rules: pieces are handed out as ranges of the input, never copied; chunk lines, extensions and trailers
//! are bounded, read and dropped. A piece ends where the input ends, so a body of any size needs no more
//! buffer than its longest line.

use std::cmp::min;
use std::ops::Range;

use super::scan::Scan;
use crate::event::Limits;
use crate::refusal::Refusal;
use crate::request::BodyLength;
use crate::syntax;

/// A chunk-size line may be this long, CRLF not counted.
const LONGEST_CHUNK_LINE: usize = 4096;
/// What follows the chunk sizes of one body may add up to this.
const EXTENSIONS_PER_BODY: usize = 16 * 1024;

/// Where in a body the input stands.
///
/// ```text
/// Counted(n) -> Counted(0)
/// ChunkLine -> ChunkData(n) -> ChunkData(0) -> ChunkLine ... -> Trailers
/// ```
#[derive(Clone, Copy, Debug)]
enum Place {
    /// Bytes left of a Content-Length body.
    Counted(u64),
    /// At a chunk-size line, this many bytes of which hold no line end.
    ChunkLine { seen: usize },
    /// Bytes left of a chunk; at 0 its CRLF is next.
    ChunkData(u64),
    /// After the last chunk.
    Trailers(Scan),
}

/// One request's body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Body {
    place: Place,
    /// Chunk data announced so far.
    announced: u64,
    /// Extension bytes read so far.
    extensions: usize,
}

/// What the front of the input was.
pub(super) enum Piece {
    NeedMore,
    Data(Range<usize>),
    End,
}

impl Body {
    pub(super) fn new(length: BodyLength) -> Body {
        let place = match length {
            BodyLength::None => Place::Counted(0),
            BodyLength::Known(bytes) => Place::Counted(bytes),
            BodyLength::Chunked => Place::ChunkLine { seen: 0 },
        };
        Body {
            place,
            announced: 0,
            extensions: 0,
        }
    }

    /// Bytes still to come, when that is known.
    pub(super) fn remaining(&self) -> Option<u64> {
        match self.place {
            Place::Counted(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// How much of the input was used, and the piece found.
    pub(super) fn receive(&mut self, input: &[u8], limits: &Limits) -> Result<(usize, Piece), Refusal> {
        let mut used = 0;
        loop {
            let rest = &input[used..];
            match &mut self.place {
                Place::Counted(0) => return Ok((used, Piece::End)),
                Place::ChunkData(0) => match rest {
                    [b'\r', b'\n', ..] => {
                        used += 2;
                        self.place = Place::ChunkLine { seen: 0 };
                    }
                    [] | [b'\r'] => return Ok((used, Piece::NeedMore)),
                    _ => return Err(Refusal::ChunkEnd),
                },
                Place::Counted(left) | Place::ChunkData(left) => {
                    if rest.is_empty() {
                        return Ok((used, Piece::NeedMore));
                    }
                    let length = min(*left, rest.len() as u64);
                    *left -= length;
                    let end = used + length as usize;
                    return Ok((end, Piece::Data(used..end)));
                }
                Place::ChunkLine { seen } => match finished_line(rest, seen)? {
                    None => return Ok((used, Piece::NeedMore)),
                    Some(line) => {
                        used += line.len() + 2;
                        self.place = match self.chunk_size(line, limits)? {
                            0 => Place::Trailers(Scan::trailers()),
                            size => Place::ChunkData(size),
                        };
                    }
                },
                Place::Trailers(scan) => {
                    return match scan.advance(rest, limits)? {
                        None => Ok((used, Piece::NeedMore)),
                        Some(length) => {
                            self.place = Place::Counted(0);
                            Ok((used + length, Piece::End))
                        }
                    };
                }
            }
        }
    }

    /// `chunk-size [ chunk-ext ]`. Extensions are dropped (RFC 9112 7.1.1), but they are paid for.
    fn chunk_size(&mut self, line: &[u8], limits: &Limits) -> Result<u64, Refusal> {
        let digits = line
            .iter()
            .position(|byte| !byte.is_ascii_hexdigit())
            .unwrap_or(line.len());
        let (digits, extension) = line.split_at(digits);
        let size = syntax::hexadecimal(digits).ok_or(Refusal::ChunkSize)?;
        // White space is allowed before a semicolon only; after a lone size, not everybody reads it alike.
        if !extension.is_empty() && !syntax::trim(extension).starts_with(b";") {
            return Err(Refusal::ChunkSize);
        }
        if !syntax::is_field_value(extension) {
            return Err(Refusal::ChunkExtension);
        }
        self.extensions += extension.len();
        if self.extensions > EXTENSIONS_PER_BODY {
            return Err(Refusal::ChunkExtensionsTooLarge);
        }
        // Both are below 2^63, so the sum fits.
        self.announced += size;
        if self.announced > limits.body.unwrap_or(i64::MAX as u64) {
            return Err(Refusal::BodyTooLarge);
        }
        Ok(size)
    }
}

/// The line at the front of the input without its CRLF, once it has arrived. `seen` bytes of it were looked
/// at before.
fn finished_line<'a>(input: &'a [u8], seen: &mut usize) -> Result<Option<&'a [u8]>, Refusal> {
    let line_feed = memchr::memchr(b'\n', input.get(*seen..).unwrap_or_default()).map(|at| *seen + at);
    let line = &input[..line_feed.unwrap_or(input.len())];
    let content = line.strip_suffix(b"\r");
    if content.unwrap_or(line).len() > LONGEST_CHUNK_LINE {
        return Err(Refusal::ChunkLineTooLong);
    }
    if line_feed.is_none() {
        *seen = input.len();
        return Ok(None);
    }
    match content {
        Some(content) if content.contains(&b'\r') => Err(Refusal::BareCarriageReturn),
        Some(content) => Ok(Some(content)),
        None => Err(Refusal::BareLineFeed),
    }
}
