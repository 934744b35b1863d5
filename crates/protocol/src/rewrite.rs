//! What rules of the server's own change about a request: its variables, by their names in CGI (RFC 3875 4.1).
//!
//! A variable that stands for a part of the head changes that part, so that whoever reads the head sees the same. All of them
//! are kept in order of their names' first coming, for environments to be completed with. What frames the message cannot be
//! changed.

use std::borrow::Cow;

use crate::request::{FieldSpan, Fields, RequestHead, append, percent_decode, percent_encode, replace};
use crate::syntax;

impl RequestHead {
    /// Gives a variable a value. False, and nothing changed, when it cannot have that one.
    pub fn set_variable(&mut self, name: &[u8], value: &[u8]) -> bool {
        let known = match name {
            b"REQUEST_METHOD" => syntax::is_token(value) && value.len() <= 32,
            b"REQUEST_URI" | b"QUERY_STRING" => value.iter().all(u8::is_ascii_graphic),
            b"CONTENT_LENGTH" | b"HTTP_TRANSFER_ENCODING" | b"HTTP_CONTENT_LENGTH" | b"HTTP_PROXY" => false,
            b"HTTP_HOST" => return self.set_host(value) && self.note(name, value),
            _ if name.starts_with(b"HTTP_") || name == b"CONTENT_TYPE" => {
                syntax::is_token(name) && syntax::is_field_value(value)
            }
            _ => syntax::is_token(name) && !value.contains(&0),
        };
        if !known {
            return false;
        }
        let span = append(&mut self.text, value);
        match name {
            b"REQUEST_METHOD" => self.method = span,
            b"REQUEST_URI" => self.target = span,
            b"QUERY_STRING" => self.query = span,
            b"PATH_INFO" => {
                self.path_info = Some(span);
                let mut encoded = Vec::with_capacity(value.len());
                percent_encode(value, &mut encoded);
                self.path = append(&mut self.text, &encoded);
            }
            b"SCRIPT_NAME" => self.script_name = Some(span),
            b"REMOTE_ADDR" => self.client = Some(span),
            b"CONTENT_TYPE" => replace(&mut self.text, &mut self.fields, b"content-type", span),
            _ => {
                if let Some(field) = name.strip_prefix(b"HTTP_") {
                    let field: Vec<u8> = field
                        .iter()
                        .map(|byte| match byte {
                            b'_' => b'-',
                            other => other.to_ascii_lowercase(),
                        })
                        .collect();
                    replace(&mut self.text, &mut self.fields, &field, span);
                }
            }
        }
        self.note(name, value)
    }

    fn note(&mut self, name: &[u8], value: &[u8]) -> bool {
        let value = append(&mut self.text, value);
        let text = &self.text;
        match self.given.iter_mut().find(|given| given.name.of(text) == name) {
            Some(given) => given.value = value,
            None => {
                let name = append(&mut self.text, name);
                self.given.push(FieldSpan { name, value });
            }
        }
        true
    }

    /// The variables that [`set_variable`](RequestHead::set_variable) has given values: they count before all others.
    pub fn given_variables(&self) -> Fields<'_> {
        Fields::new(&self.text, &self.given)
    }

    /// The value that [`set_variable`](RequestHead::set_variable) has given a variable.
    pub fn given_variable(&self, name: &str) -> Option<&[u8]> {
        let mut given = self.given_variables();
        Some(given.find(|(other, _)| *other == name.as_bytes())?.1)
    }

    /// The path that is for the application, decoded: PATH_INFO where that is known, else the target's path.
    pub fn path_info(&self) -> Cow<'_, [u8]> {
        match self.path_info {
            Some(path) => Cow::Borrowed(path.of(&self.text)),
            None => {
                let mut decoded = Vec::new();
                percent_decode(self.path(), &mut decoded);
                Cow::Owned(decoded)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Limits;
    use crate::http1;

    fn request() -> RequestHead {
        let mut head = RequestHead::default();
        let mut codec = http1::Codec::new(Limits::default());
        codec.receive(
            b"GET /a%20b?q=1 HTTP/1.1\r\nHost: x\r\nAccept: y\r\n\r\n",
            &mut head,
        );
        head
    }

    #[test]
    fn a_variable_changes_the_part_of_the_head_that_it_stands_for() {
        let mut head = request();
        for (name, value) in [
            ("PATH_INFO", "/ü x"),
            ("QUERY_STRING", "z=2&q=1"),
            ("REQUEST_METHOD", "PUT"),
            ("SCRIPT_NAME", "/mine"),
            ("HTTP_HOST", "other"),
            ("HTTP_X_NEW", "1"),
            ("HTTP_ACCEPT", "z"),
            ("OWN", "first"),
            ("OWN", "second"),
        ] {
            assert!(head.set_variable(name.as_bytes(), value.as_bytes()), "{name}");
        }
        assert_eq!(head.path(), b"/%C3%BC%20x");
        assert_eq!(&*head.path_info(), "/ü x".as_bytes());
        let mut whole = Vec::new();
        head.decoded_path(&mut whole);
        assert_eq!(whole, "/mine/ü x".as_bytes());
        assert_eq!((head.query(), head.method()), (&b"z=2&q=1"[..], &b"PUT"[..]));
        assert_eq!(head.target(), b"/a%20b?q=1");
        assert_eq!(head.host(), Some(&b"other"[..]));
        assert_eq!(
            (head.field("x-new"), head.field("Accept")),
            (Some(&b"1"[..]), Some(&b"z"[..]))
        );
        assert_eq!(head.given_variable("OWN"), Some(&b"second"[..]));
        assert_eq!(head.given_variables().len(), 8);
        head.clear();
        assert_eq!(head.given_variables().len(), 0);
    }

    #[test]
    fn what_frames_the_message_or_breaks_a_line_cannot_be_set() {
        let mut head = request();
        for (name, value) in [
            ("CONTENT_LENGTH", "3"),
            ("HTTP_TRANSFER_ENCODING", "chunked"),
            ("HTTP_PROXY", "http://x"),
            ("HTTP_X", "a\r\nb: c"),
            ("HTTP_HOST", "a b"),
            ("REQUEST_METHOD", "G T"),
            ("REQUEST_URI", "/a b"),
            ("A=B", "1"),
            ("", "1"),
            ("X", "\0"),
        ] {
            assert!(
                !head.set_variable(name.as_bytes(), value.as_bytes()),
                "{name} {value:?}"
            );
        }
        assert_eq!(head.given_variables().len(), 0);
    }
}
