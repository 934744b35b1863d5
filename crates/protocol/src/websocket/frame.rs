//! Frames: the header of RFC 6455 5.2, and the mask.
//!
//! ```text
//! | FIN RSV1 RSV2 RSV3 opcode:4 | MASK length:7 | 0, 2 or 8 bytes of length | mask:4 | payload
//! ```
//!
//! Rules: a header is judged as soon as the bytes that condemn it are there; payloads are not touched here
//! but by the mask.

use super::close::Failure;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Opcode {
    fn read(bits: u8) -> Result<Opcode, Failure> {
        match bits {
            0x0 => Ok(Opcode::Continuation),
            0x1 => Ok(Opcode::Text),
            0x2 => Ok(Opcode::Binary),
            0x8 => Ok(Opcode::Close),
            0x9 => Ok(Opcode::Ping),
            0xA => Ok(Opcode::Pong),
            _ => Err(Failure::ReservedOpcode),
        }
    }

    fn bits(self) -> u8 {
        match self {
            Opcode::Continuation => 0x0,
            Opcode::Text => 0x1,
            Opcode::Binary => 0x2,
            Opcode::Close => 0x8,
            Opcode::Ping => 0x9,
            Opcode::Pong => 0xA,
        }
    }

    pub(super) fn is_control(self) -> bool {
        matches!(self, Opcode::Close | Opcode::Ping | Opcode::Pong)
    }
}

/// The longest payload of a control frame (5.5).
pub(super) const LONGEST_CONTROL: usize = 125;

const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;
const RSV2_AND_3: u8 = 0x30;
const MASKED: u8 = 0x80;

/// A client's frame as its header announces it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub(super) is_final: bool,
    /// RSV1: the message is compressed (RFC 7692 6).
    pub(super) is_compressed: bool,
    pub(super) opcode: Opcode,
    pub(super) length: u64,
    pub(super) mask: [u8; 4],
}

impl Header {
    /// The header at the front of the input and its length in bytes, once it is there.
    pub(super) fn read(input: &[u8]) -> Result<Option<(Header, usize)>, Failure> {
        let [first, second, rest @ ..] = input else {
            return Ok(None);
        };
        if first & RSV2_AND_3 != 0 {
            return Err(Failure::ReservedBit);
        }
        let opcode = Opcode::read(first & 0x0F)?;
        if second & MASKED == 0 {
            return Err(Failure::Unmasked);
        }
        let is_final = first & FIN != 0;
        if opcode.is_control() && !is_final {
            return Err(Failure::ControlFragmented);
        }
        if opcode.is_control() && usize::from(second & 0x7F) > LONGEST_CONTROL {
            return Err(Failure::ControlTooLong);
        }
        let Some((length, bytes)) = read_length(second & 0x7F, rest)? else {
            return Ok(None);
        };
        let Some(&mask) = rest.get(bytes..).and_then(|rest| rest.first_chunk()) else {
            return Ok(None);
        };
        let header = Header {
            is_final,
            is_compressed: first & RSV1 != 0,
            opcode,
            length,
            mask,
        };
        Ok(Some((header, 2 + bytes + 4)))
    }
}

/// The payload's length, and how many bytes after the first two say so.
fn read_length(short: u8, rest: &[u8]) -> Result<Option<(u64, usize)>, Failure> {
    let (length, bytes, smallest) = match short {
        126 => match rest.first_chunk() {
            Some(bytes) => (u64::from(u16::from_be_bytes(*bytes)), 2, 126),
            None => return Ok(None),
        },
        127 => match rest.first_chunk() {
            Some(bytes) => (u64::from_be_bytes(*bytes), 8, 1 << 16),
            None => return Ok(None),
        },
        length => (u64::from(length), 0, 0),
    };
    if length > i64::MAX as u64 {
        return Err(Failure::LengthSyntax);
    }
    if length < smallest {
        return Err(Failure::LengthNotMinimal);
    }
    Ok(Some((length, bytes)))
}

/// Writes the header of a server's frame: unmasked, always whole.
pub(super) fn put_header(opcode: Opcode, is_compressed: bool, length: usize, out: &mut Vec<u8>) {
    let first = FIN | if is_compressed { RSV1 } else { 0 } | opcode.bits();
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(length @ 0..=125), _) => out.extend_from_slice(&[first, length]),
        (_, Ok(length)) => {
            let [high, low] = length.to_be_bytes();
            out.extend_from_slice(&[first, 126, high, low]);
        }
        _ => {
            out.extend_from_slice(&[first, 127]);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
}

/// Takes the mask off, or puts it on (5.3). Eight bytes at a time, which the compiler widens further.
pub(super) fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = payload.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
}

/// The mask for what follows `count` bytes further on.
pub(super) fn shifted(mut mask: [u8; 4], count: usize) -> [u8; 4] {
    mask.rotate_left(count % 4);
    mask
}

#[cfg(test)]
mod tests {
    use super::{Opcode, put_header, shifted, unmask};

    #[test]
    fn the_mask_is_the_same_however_the_payload_is_cut() {
        let mask = [1, 20, 77, 255];
        let plain: Vec<u8> = (0..100).collect();
        let expected: Vec<u8> = plain
            .iter()
            .zip(mask.iter().cycle())
            .map(|(a, b)| a ^ b)
            .collect();
        for cut in 0..plain.len() {
            let mut masked = plain.clone();
            let (front, back) = masked.split_at_mut(cut);
            unmask(front, mask);
            unmask(back, shifted(mask, cut));
            assert_eq!(masked, expected, "cut at {cut}");
        }
    }

    #[test]
    fn lengths_take_as_few_bytes_as_they_need() {
        let table: [(usize, &[u8]); 6] = [
            (0, &[0x82, 0]),
            (125, &[0x82, 125]),
            (126, &[0x82, 126, 0, 126]),
            (65535, &[0x82, 126, 255, 255]),
            (65536, &[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
            (1 << 24, &[0x82, 127, 0, 0, 0, 0, 1, 0, 0, 0]),
        ];
        for (length, expected) in table {
            let mut out = Vec::new();
            put_header(Opcode::Binary, false, length, &mut out);
            assert_eq!(out, expected, "{length}");
        }
    }
}
