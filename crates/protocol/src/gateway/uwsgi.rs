//! The uwsgi packet: `modifier1, size (little endian), modifier2`, then `size` bytes of name-value pairs, each with its
//! length (little endian) in front.
//!
//! Rules: modifier 0 is a request for Python; 30 is the same (what it once did it has not done since Python 3); 100
//! asks whether somebody is there. All others would reach other parts of uWSGI and are refused.

use super::one_request::Block;
use super::variables;
use crate::refusal::Refusal;
use crate::request::{RequestHead, Span};

/// The answer to a ping.
pub(super) const PONG: &[u8] = &[100, 0, 0, 1];

const HEADER: usize = 4;

/// Reads the packet at the front of `input` once it is there entirely. `most` is the longest block taken.
pub(super) fn read(input: &[u8], most: usize, head: &mut RequestHead) -> Result<Block, Refusal> {
    // What is wrong at once is not waited for.
    match input[0] {
        0 | 30 | 100 => {}
        // Whoever sends "GET /" has mistaken the port, and is told so by name.
        modifier if modifier.is_ascii_uppercase() => return Err(Refusal::HttpOnGatewaySocket),
        modifier => return Err(Refusal::Modifier(modifier)),
    }
    let Some((&[modifier, low, high, _], rest)) = input.split_first_chunk::<HEADER>() else {
        return Ok(Block::NeedMore);
    };
    let size = usize::from(u16::from_le_bytes([low, high]));
    if modifier == 100 {
        return Ok(Block::Ping(HEADER));
    }
    if size > most {
        return Err(Refusal::BlockTooLarge { size, most });
    }
    if size == 0 {
        return Err(Refusal::BlockEmpty);
    }
    let Some(block) = rest.get(..size) else {
        return Ok(Block::NeedMore);
    };
    head.begin(block);
    let mut at = 0;
    while at < size {
        let name = string(block, &mut at)?;
        if name.length == 0 {
            return Err(Refusal::VariableNameEmpty);
        }
        let value = string(block, &mut at)?;
        variables::push(head, name, value)?;
    }
    Ok(Block::Request(HEADER + size))
}

/// Writes the packet of a block that came in one.
pub(super) fn write(block: &[u8], out: &mut Vec<u8>) {
    let [low, high] = (block.len() as u16).to_le_bytes();
    out.extend_from_slice(&[0, low, high, 0]);
    out.extend_from_slice(block);
}

/// The packet of a request to another server, before its body; `None` when its variables are longer than a packet can be.
pub fn packet<'a>(
    modifiers: (u8, u8),
    variables: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
) -> Option<Vec<u8>> {
    let mut out = vec![modifiers.0, 0, 0, modifiers.1];
    for text in variables.into_iter().flat_map(|(name, value)| [name, value]) {
        out.extend(u16::try_from(text.len()).ok()?.to_le_bytes());
        out.extend_from_slice(text);
    }
    let size = u16::try_from(out.len() - HEADER).ok()?;
    out[1..3].copy_from_slice(&size.to_le_bytes());
    Some(out)
}

fn string(block: &[u8], at: &mut usize) -> Result<Span, Refusal> {
    let length = block[*at..]
        .first_chunk::<2>()
        .map(|bytes| usize::from(u16::from_le_bytes(*bytes)))
        .ok_or(Refusal::BlockTruncated)?;
    let start = *at + 2;
    if block.len() - start < length {
        return Err(Refusal::BlockTruncated);
    }
    *at = start + length;
    Ok(Span::new(start, length))
}
