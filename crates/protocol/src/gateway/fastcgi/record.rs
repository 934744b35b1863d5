//! FastCGI records: eight bytes of header, content, padding (FastCGI 1.0, 3.3 and 8).

use crate::refusal::Refusal;
use crate::request::{RequestHead, Span};

use super::super::variables;

/// Bytes of a record's header.
pub(super) const HEADER: usize = 8;

/// Body bytes of one record of ours: the largest content that needs no padding.
pub(super) const LARGEST: usize = 65528;

/// The role of one who answers requests (FastCGI 1.0, 6.2): the only one here.
pub(super) const RESPONDER: u8 = 1;

/// The kinds of records, by their number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    BeginRequest,
    AbortRequest,
    EndRequest,
    Params,
    Stdin,
    Stdout,
    Stderr,
    Data,
    GetValues,
    GetValuesResult,
    UnknownType,
    Other(u8),
}

impl Kind {
    fn of(number: u8) -> Kind {
        match number {
            1 => Kind::BeginRequest,
            2 => Kind::AbortRequest,
            3 => Kind::EndRequest,
            4 => Kind::Params,
            5 => Kind::Stdin,
            6 => Kind::Stdout,
            7 => Kind::Stderr,
            8 => Kind::Data,
            9 => Kind::GetValues,
            10 => Kind::GetValuesResult,
            11 => Kind::UnknownType,
            other => Kind::Other(other),
        }
    }

    pub(super) fn number(self) -> u8 {
        match self {
            Kind::BeginRequest => 1,
            Kind::AbortRequest => 2,
            Kind::EndRequest => 3,
            Kind::Params => 4,
            Kind::Stdin => 5,
            Kind::Stdout => 6,
            Kind::Stderr => 7,
            Kind::Data => 8,
            Kind::GetValues => 9,
            Kind::GetValuesResult => 10,
            Kind::UnknownType => 11,
            Kind::Other(number) => number,
        }
    }

    /// Whether its content is handed on as it arrives; all others are short and waited for.
    pub(super) fn is_stream(self) -> bool {
        matches!(self, Kind::Stdin | Kind::Data)
    }
}

/// A record's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) kind: Kind,
    pub(super) id: u16,
    pub(super) length: usize,
    pub(super) padding: usize,
}

impl Record {
    /// The header at the front of `input`; `None` while it is not there.
    pub(super) fn read(input: &[u8]) -> Result<Option<Record>, Refusal> {
        match input {
            [] | [1] => Ok(None),
            [version, ..] if *version != 1 => Err(if version.is_ascii_uppercase() {
                Refusal::HttpOnGatewaySocket
            } else {
                Refusal::RecordVersion
            }),
            [_, kind, id1, id0, length1, length0, padding, _, ..] => Ok(Some(Record {
                kind: Kind::of(*kind),
                id: u16::from_be_bytes([*id1, *id0]),
                length: usize::from(u16::from_be_bytes([*length1, *length0])),
                padding: usize::from(*padding),
            })),
            _ => Ok(None),
        }
    }

    /// Itself, while content or padding of it is still to come: a connection with none is between two records.
    pub(super) fn to_come(self) -> Option<Record> {
        (self.length > 0 || self.padding > 0).then_some(self)
    }
}

/// Writes a record's header, without padding.
pub(super) fn put_header(kind: Kind, id: u16, length: usize, out: &mut Vec<u8>) {
    let [id1, id0] = id.to_be_bytes();
    let [length1, length0] = u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes();
    out.extend_from_slice(&[1, kind.number(), id1, id0, length1, length0, 0, 0]);
}

/// Why a request ends (FastCGI 1.0, 5.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ProtocolStatus {
    RequestComplete = 0,
    Overloaded = 2,
    UnknownRole = 3,
}

/// Writes END_REQUEST.
pub(super) fn put_end(id: u16, application: u8, status: ProtocolStatus, out: &mut Vec<u8>) {
    put_header(Kind::EndRequest, id, 8, out);
    out.extend_from_slice(&[0, 0, 0, application, status as u8, 0, 0, 0]);
}

/// Reads name-value pairs into the head's variables (FastCGI 1.0, 3.4).
pub(super) fn read_pairs(block: &[u8], head: &mut RequestHead) -> Result<(), Refusal> {
    head.begin(block);
    let mut at = 0;
    while at < block.len() {
        let (name, value) = pair(block, &mut at)?;
        if name.length == 0 {
            return Err(Refusal::VariableNameEmpty);
        }
        variables::push(head, name, value)?;
    }
    Ok(())
}

/// The pair at `at`, which is moved behind it.
pub(super) fn pair(block: &[u8], at: &mut usize) -> Result<(Span, Span), Refusal> {
    let name = length(block, at)?;
    let value = length(block, at)?;
    let start = *at;
    let end = name
        .checked_add(value)
        .and_then(|both| both.checked_add(start))
        .filter(|end| *end <= block.len())
        .ok_or(Refusal::BlockTruncated)?;
    *at = end;
    Ok((Span::new(start, name), Span::new(start + name, value)))
}

/// One byte below 128, or four with the top bit set.
fn length(block: &[u8], at: &mut usize) -> Result<usize, Refusal> {
    let (length, used) = match block.get(*at..).unwrap_or_default() {
        [short @ 0..=127, ..] => (usize::from(*short), 1),
        [first, second, third, fourth, ..] => {
            let bytes = [first & 0x7f, *second, *third, *fourth];
            (u32::from_be_bytes(bytes) as usize, 4)
        }
        _ => return Err(Refusal::BlockTruncated),
    };
    *at += used;
    Ok(length)
}
