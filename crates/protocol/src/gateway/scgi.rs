//! The SCGI head: a netstring, `length ":" block ","`, whose block is `name NUL value NUL` over and over.
//!
//! Rules: CONTENT_LENGTH comes first, and SCGI is 1, as its specification has it; the length is digits only.

use super::one_request::Block;
use super::variables;
use crate::refusal::Refusal;
use crate::request::{RequestHead, Span};

/// Digits of a length; nobody sends more than 65535.
const LONGEST_LENGTH: usize = 6;

/// Reads the head at the front of `input` once it is there entirely. `most` is the longest block taken.
pub(super) fn read(input: &[u8], most: usize, head: &mut RequestHead) -> Result<Block, Refusal> {
    if input[0].is_ascii_uppercase() {
        return Err(Refusal::HttpOnGatewaySocket);
    }
    let digits = input
        .iter()
        .take(LONGEST_LENGTH + 1)
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    if digits > LONGEST_LENGTH {
        return Err(Refusal::NetstringLength);
    }
    match input.get(digits) {
        None => return Ok(Block::NeedMore),
        Some(b':') if digits > 0 => {}
        Some(_) => return Err(Refusal::NetstringLength),
    }
    let size = input[..digits]
        .iter()
        .fold(0, |size, digit| size * 10 + usize::from(digit - b'0'));
    if size > most {
        return Err(Refusal::BlockTooLarge { size, most });
    }
    if size == 0 {
        return Err(Refusal::BlockEmpty);
    }
    let start = digits + 1;
    let Some(block) = input.get(start..start + size) else {
        return Ok(Block::NeedMore);
    };
    match input.get(start + size) {
        None => return Ok(Block::NeedMore),
        Some(b',') => {}
        Some(_) => return Err(Refusal::NetstringEnd),
    }
    read_block(block, head)?;
    Ok(Block::Request(start + size + 1))
}

/// Writes the netstring of a block.
pub(super) fn write(block: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(format!("{}:", block.len()).as_bytes());
    out.extend_from_slice(block);
    out.push(b',');
}

fn read_block(block: &[u8], head: &mut RequestHead) -> Result<(), Refusal> {
    head.begin(block);
    let mut is_scgi = false;
    let mut at = 0;
    while at < block.len() {
        let name = string(block, &mut at)?;
        if name.length == 0 {
            return Err(Refusal::VariableNameEmpty);
        }
        let value = string(block, &mut at)?;
        if head.variables.is_empty() && name.of(block) != b"CONTENT_LENGTH" {
            return Err(Refusal::ContentLengthNotFirst);
        }
        is_scgi |= name.of(block) == b"SCGI" && value.of(block) == b"1";
        variables::push(head, name, value)?;
    }
    if is_scgi { Ok(()) } else { Err(Refusal::NotScgi) }
}

fn string(block: &[u8], at: &mut usize) -> Result<Span, Refusal> {
    let start = *at;
    let length = memchr::memchr(0, &block[start..]).ok_or(Refusal::BlockTruncated)?;
    *at = start + length + 1;
    Ok(Span::new(start, length))
}
