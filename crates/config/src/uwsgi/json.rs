//! JSON configurations: an object of sections, each an object of options. A list repeats its option; `true` is
//! 1, `false` and `null` are 0. A comma before a closing bracket is forgiven.
//!
//! Own code rather than a library, because every value needs its line for the messages, and keys may repeat.

use super::formats::{Misread, Pair};

/// Values in values, at most: a configuration needs three levels.
const DEEPEST: usize = 16;

/// The pairs of one section; `None` when the text has no such section.
pub(super) fn section(text: &str, wanted: &str) -> Result<Option<Vec<Pair>>, Misread> {
    let mut reader = Reader { rest: text, line: 1 };
    let mut found = None;
    reader.object(|reader, name, line| {
        let mut pairs = Vec::new();
        if name != wanted {
            return reader.values(0, &mut |_, _| {});
        }
        if reader.peek() != Some('{') {
            return Err(Misread::at(
                line,
                format!("the section {name} has to be an object"),
            ));
        }
        reader.object(|reader, key, line| {
            if reader.peek() == Some('{') {
                return Err(Misread::at(
                    line,
                    format!("{key}: an option's value cannot be an object"),
                ));
            }
            reader.values(0, &mut |value, line| {
                pairs.push(Pair {
                    key: key.to_owned(),
                    value,
                    line,
                });
            })
        })?;
        found = Some(pairs);
        Ok(())
    })?;
    match reader.peek() {
        None => Ok(found),
        Some(other) => Err(reader.unexpected(other)),
    }
}

struct Reader<'a> {
    rest: &'a str,
    line: usize,
}

impl Reader<'_> {
    /// The next character that is no space.
    fn peek(&mut self) -> Option<char> {
        let trimmed = self.rest.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']);
        let skipped = &self.rest[..self.rest.len() - trimmed.len()];
        self.line += skipped.matches('\n').count();
        self.rest = trimmed;
        trimmed.chars().next()
    }

    fn unexpected(&self, found: char) -> Misread {
        Misread::at(self.line, format!("'{found}' cannot stand here in JSON"))
    }

    fn ended(&self) -> Misread {
        Misread::at(self.line, "the text ends in the middle")
    }

    fn expect(&mut self, wanted: char) -> Result<(), Misread> {
        match self.peek() {
            Some(found) if found == wanted => {
                self.rest = &self.rest[found.len_utf8()..];
                Ok(())
            }
            Some(found) => Err(Misread::at(
                self.line,
                format!("'{found}' stands where '{wanted}' is expected"),
            )),
            None => Err(self.ended()),
        }
    }

    /// Calls `entry` with each key, in front of its value.
    fn object(
        &mut self,
        mut entry: impl FnMut(&mut Self, &str, usize) -> Result<(), Misread>,
    ) -> Result<(), Misread> {
        self.expect('{')?;
        while self.peek() != Some('}') {
            let line = self.line;
            let key = self.string()?;
            self.expect(':')?;
            entry(self, &key, line)?;
            if self.peek() != Some('}') {
                self.expect(',')?;
            }
        }
        self.expect('}')
    }

    /// Reads a value, and calls `each` with every plain one in it.
    fn values(&mut self, depth: usize, each: &mut dyn FnMut(String, usize)) -> Result<(), Misread> {
        if depth == DEEPEST {
            return Err(Misread::at(self.line, "too many brackets in brackets"));
        }
        match self.peek().ok_or_else(|| self.ended())? {
            '{' => self.object(|reader, _, _| reader.values(depth + 1, each)),
            '[' => {
                self.expect('[')?;
                while self.peek() != Some(']') {
                    self.values(depth + 1, each)?;
                    if self.peek() != Some(']') {
                        self.expect(',')?;
                    }
                }
                self.expect(']')
            }
            '"' => {
                let line = self.line;
                let text = self.string()?;
                each(text, line);
                Ok(())
            }
            other => {
                let is_word = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
                let length = self.rest.find(|c| !is_word(c)).unwrap_or(self.rest.len());
                let (word, rest) = self.rest.split_at(length);
                let value = match word {
                    "true" => "1",
                    "false" | "null" => "0",
                    number if number.parse::<f64>().is_ok() => number,
                    _ => return Err(self.unexpected(other)),
                };
                each(value.to_owned(), self.line);
                self.rest = rest;
                Ok(())
            }
        }
    }

    fn string(&mut self) -> Result<String, Misread> {
        self.expect('"')?;
        let mut out = String::new();
        let mut characters = self.rest.char_indices();
        while let Some((index, character)) = characters.next() {
            match character {
                '"' => {
                    self.rest = &self.rest[index + 1..];
                    return Ok(out);
                }
                '\n' => break,
                '\\' => match characters.next().map(|(_, escaped)| escaped) {
                    Some('n') => out.push('\n'),
                    Some('t') => out.push('\t'),
                    Some('r') => out.push('\r'),
                    Some('u') => {
                        let digits: String = characters.by_ref().take(4).map(|(_, digit)| digit).collect();
                        let code = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
                        out.push(code.ok_or_else(|| {
                            Misread::at(
                                self.line,
                                format!("\\u{digits} is no character: write it as it is"),
                            )
                        })?);
                    }
                    Some(other) => out.push(other),
                    None => break,
                },
                other => out.push(other),
            }
        }
        Err(Misread::at(self.line, "the string is not closed"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_lists_and_plain_values_are_read() {
        let text = "{\"other\": {\"a\": [1, {\"b\": null}]},\n \"uwsgi\": {\n\t\"socket\": \":\\u0031\\\"\",\n \"processes\": 4,\n\
                    \"master\": true, \"env\": [\"A=1\",\n\"B=2\"],\n}}\n";
        let pairs = section(text, "uwsgi")
            .expect("it can be read")
            .expect("it has the section");
        let pairs: Vec<_> = pairs
            .iter()
            .map(|pair| (&*pair.key, &*pair.value, pair.line))
            .collect();
        assert_eq!(
            pairs,
            [
                ("socket", ":1\"", 3),
                ("processes", "4", 4),
                ("master", "1", 5),
                ("env", "A=1", 5),
                ("env", "B=2", 6)
            ]
        );
        assert!(matches!(section("{}", "uwsgi"), Ok(None)));
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_its_line() {
        let deep = format!("{{\"uwsgi\": {{\"a\": {}", "[".repeat(100));
        for (text, line) in [
            ("", 1),
            ("{\n\"uwsgi\": 3}", 2),
            ("{\"uwsgi\": {\n\"a\": {\"b\": 1}}}", 2),
            ("{\"uwsgi\": {\n\n\"a\" 1}}", 3),
            ("{\"uwsgi\": {\"a\": wrong}}", 1),
            ("{\"uwsgi\": {\"a\": \"open}}\n", 1),
            ("{\"uwsgi\": {\"a\": \"\\ud800\"}}", 1),
            ("{\"uwsgi\": {}} x", 1),
            (&deep, 1),
        ] {
            assert_eq!(section(text, "uwsgi").expect_err(text).line, line, "{text}");
        }
    }
}
