//! Keeps a log line one line: control characters in text from users are written as `\xNN`.
//!
//! Rules: line feeds, terminal escapes and NUL never reach a log from outside; everything else stays as it is.
//! It leaves out quoting, which only the access log needs.

/// Appends `text`, control characters (C0, DEL and C1) as `\xNN`.
pub(crate) fn push_text(line: &mut Vec<u8>, text: &str) {
    if !text.chars().any(char::is_control) {
        line.extend_from_slice(text.as_bytes());
        return;
    }
    let mut utf8 = [0; 4];
    for character in text.chars() {
        if character.is_control() {
            // All control characters are below U+00A0, so two digits are enough.
            push_hex(line, character as u32 as u8);
        } else {
            line.extend_from_slice(character.encode_utf8(&mut utf8).as_bytes());
        }
    }
}

/// Appends `\xNN`.
fn push_hex(line: &mut Vec<u8>, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    line.extend_from_slice(&[
        b'\\',
        b'x',
        DIGITS[usize::from(byte >> 4)],
        DIGITS[usize::from(byte & 15)],
    ]);
}

/// Appends a value that a client sent: quotes and backslashes escaped, control characters and bytes that are not
/// UTF-8 as `\xNN`.
pub(crate) fn push_value(line: &mut Vec<u8>, value: &[u8]) {
    let plain = |&byte: &u8| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
    if value.iter().all(plain) {
        line.extend_from_slice(value);
        return;
    }
    let mut utf8 = [0; 4];
    for chunk in value.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '"' | '\\' => line.extend_from_slice(&[b'\\', character as u8]),
                _ if character.is_control() => push_hex(line, character as u32 as u8),
                _ => line.extend_from_slice(character.encode_utf8(&mut utf8).as_bytes()),
            }
        }
        for &byte in chunk.invalid() {
            push_hex(line, byte);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{push_text, push_value};

    #[test]
    fn a_text_from_users_stays_one_line() {
        let table = [
            ("plain é", "plain é"),
            ("a\nb\r\0", "a\\x0ab\\x0d\\x00"),
            ("\u{1b}[31m\u{9b}\u{7f}", "\\x1b[31m\\x9b\\x7f"),
            ("quote \" and \\", "quote \" and \\"),
        ];
        for (text, expected) in table {
            let mut line = Vec::new();
            push_text(&mut line, text);
            assert_eq!(String::from_utf8_lossy(&line), expected);
        }
    }

    #[test]
    fn a_value_from_clients_cannot_leave_its_quotes() {
        let table: [(&[u8], &str); 5] = [
            (b"Mozilla/5.0 (X11)", "Mozilla/5.0 (X11)"),
            (b"\" 200 \"", "\\\" 200 \\\""),
            (b"a\\\"", "a\\\\\\\""),
            (b"\t\n\x7f", "\\x09\\x0a\\x7f"),
            (b"\xc3\xa9\xff\xc2\x9b", "é\\xff\\x9b"),
        ];
        for (value, expected) in table {
            let mut line = Vec::new();
            push_value(&mut line, value);
            assert_eq!(String::from_utf8_lossy(&line), expected);
        }
    }
}
