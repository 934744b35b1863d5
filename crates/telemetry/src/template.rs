//! The texts of uWSGI's `format` and `json` encoders: `{"at": ${unix}, "message": "${msg}"}`.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::clock::LocalClock;

/// A text with places to fill in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template {
    pieces: Vec<Piece>,
    /// The message is to stand in a JSON string.
    json: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Message,
    /// With its line feed.
    MessageLine,
    Seconds,
    Microseconds,
    Time(String),
}

impl Template {
    /// Reads it. Names that nobody knows stand for nothing, as in uWSGI.
    pub(crate) fn new(text: &str, json: bool) -> Template {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            pieces.push(Piece::Text(before.to_owned()));
            let Some((name, after)) = after.split_once('}') else {
                pieces.push(Piece::Text(format!("${{{after}")));
                return Template { pieces, json };
            };
            pieces.extend(match name {
                "msg" => Some(Piece::Message),
                "msgnl" => Some(Piece::MessageLine),
                "unix" => Some(Piece::Seconds),
                "micros" => Some(Piece::Microseconds),
                _ => name
                    .strip_prefix("strftime:")
                    .map(|notation| Piece::Time(notation.replace("%%", "%"))),
            });
            rest = after;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        Template { pieces, json }
    }

    /// The text for a line without its line feed.
    pub(crate) fn fill(&self, line: &[u8], now: SystemTime, clock: &LocalClock) -> Vec<u8> {
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut out = Vec::with_capacity(line.len() + 64);
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text.as_bytes()),
                Piece::Message => self.push_message(&mut out, line),
                Piece::MessageLine => {
                    self.push_message(&mut out, line);
                    out.extend_from_slice(if self.json { b"\\n" } else { b"\n" });
                }
                Piece::Seconds => out.extend_from_slice(since.as_secs().to_string().as_bytes()),
                Piece::Microseconds => out.extend_from_slice(since.as_micros().to_string().as_bytes()),
                Piece::Time(notation) => {
                    out.extend_from_slice(clock.format(since.as_secs(), notation).as_bytes());
                }
            }
        }
        out
    }

    fn push_message(&self, out: &mut Vec<u8>, line: &[u8]) {
        if !self.json {
            return out.extend_from_slice(line);
        }
        // What is no UTF-8 cannot stand in JSON (RFC 8259, 8.1).
        for character in String::from_utf8_lossy(line).chars() {
            match character {
                '"' | '\\' => out.extend_from_slice(&[b'\\', character as u8]),
                control if control.is_control() => {
                    out.extend_from_slice(format!("\\u{:04x}", u32::from(control)).as_bytes());
                }
                other => out.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn texts_are_filled_in() {
        let now = UNIX_EPOCH + Duration::new(1_795_340_359, 5_000);
        for (text, json, line, expected) in [
            (
                r#"{"t":${unix},"m":"${msg}"}"#,
                true,
                "a \"b\"\\\u{1b}é",
                "{\"t\":1795340359,\"m\":\"a \\\"b\\\"\\\\\\u001bé\"}",
            ),
            ("${strftime:%%Y-%m} ${msgnl}", false, "x", "2026-11 x\n"),
            ("${micros}${nothing}|${msg}", false, "x", "1795340359000005|x"),
            ("${msg", false, "x", "${msg"),
        ] {
            let clock = LocalClock::utc();
            let filled = Template::new(text, json).fill(line.as_bytes(), now, &clock);
            assert_eq!(String::from_utf8_lossy(&filled), expected, "{text}");
        }
    }
}
