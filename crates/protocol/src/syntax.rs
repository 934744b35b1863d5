//! The character classes of RFC 9110 and RFC 3986 as tables, and the few lists built from them.
//!
//! Rules: bytes in, booleans or numbers out; nothing here knows about requests or answers.

/// Marks the bytes of `members` and of ASCII letters and digits.
const fn alphanumerics_and(members: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let mut index = 0;
    while index < members.len() {
        table[members[index] as usize] = true;
        index += 1;
    }
    table
}

/// `tchar`, RFC 9110 5.6.2.
static TOKEN: [bool; 256] = alphanumerics_and(b"!#$%&'*+-.^_`|~");

/// What a registered name may be made of, RFC 3986 3.2.2; '%' is taken without looking at its digits.
static REGISTERED_NAME: [bool; 256] = alphanumerics_and(b"-._~%!$&'()*+,;=");

pub(crate) fn is_token_byte(byte: u8) -> bool {
    TOKEN[usize::from(byte)]
}

pub(crate) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|&byte| is_token_byte(byte))
}

/// Free of control characters, HTAB excepted (RFC 9110 5.5); bytes above 127 are allowed.
///
/// Looks at every byte without leaving early, which lets the compiler check sixteen at once.
pub(crate) fn is_field_value(text: &[u8]) -> bool {
    !text.iter().fold(false, |bad, &byte| {
        bad | ((byte < 0x20) & (byte != b'\t')) | (byte == 0x7f)
    })
}

/// Removes the optional white space (SP and HTAB, RFC 9110 5.6.3) around `text`.
pub(crate) fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = text {
        text = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// The elements of a comma-separated list (RFC 9110 5.6.1), trimmed; empty ones are included.
pub(crate) fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(trim)
}

/// A number of digits only. Nothing above 2^63 - 1 is believed: two parties may disagree on what it wraps to.
pub(crate) fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    let mut number: u64 = 0;
    for &byte in text {
        if !byte.is_ascii_digit() {
            return None;
        }
        number = number.checked_mul(10)?.checked_add(u64::from(byte - b'0'))?;
    }
    (number <= i64::MAX as u64).then_some(number)
}

/// A chunk size: one to sixteen hexadecimal digits, nothing else, at most 2^63 - 1.
pub(crate) fn hexadecimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 16 {
        return None;
    }
    let mut number: u64 = 0;
    for &byte in text {
        number = number << 4 | u64::from(hex_digit(byte)?);
    }
    (number <= i64::MAX as u64).then_some(number)
}

pub(crate) fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// `host [ ":" port ]` (RFC 3986 3.2 without userinfo, RFC 9110 7.2). The host may not be empty.
pub(crate) fn is_authority(text: &[u8]) -> bool {
    let host_end = match text.first() {
        None => return false,
        Some(b'[') => match memchr::memchr(b']', text) {
            Some(end) if is_ipv6(&text[1..end]) => end + 1,
            _ => return false,
        },
        Some(_) => {
            let end = text
                .iter()
                .position(|&byte| !REGISTERED_NAME[usize::from(byte)])
                .unwrap_or(text.len());
            if end == 0 {
                return false;
            }
            end
        }
    };
    match &text[host_end..] {
        [] => true,
        [b':', port @ ..] => port.is_empty() || decimal(port).is_some_and(|port| port <= 65535),
        _ => false,
    }
}

/// The alphabet of an IPv6 address; whether it names a host is for those who would connect to it.
fn is_ipv6(text: &[u8]) -> bool {
    text.contains(&b':')
        && text
            .iter()
            .all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.'))
}
