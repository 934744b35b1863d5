//! The part of YAML that uWSGI configurations are written in: `key: value` one level under a section, and lists of
//! values for one key.
//!
//! The original reads it with libyaml or, in builds without it, line by line. Where they differ, what a reader of YAML
//! expects is done: quotes go, a list repeats its key, keys may repeat. Plain values may begin with any character
//! (`%(base)`, `:8000`, `@(file)`), as builds without libyaml allow. Anchors, tags, block texts and deeper levels are errors.

use super::formats::{Misread, Pair};

/// The pairs of one section; `None` when the text has no such section.
pub(super) fn section(text: &str, wanted: &str) -> Result<Option<Vec<Pair>>, Misread> {
    let mut reading = Reading::default();
    for (index, raw) in text.lines().enumerate() {
        let number = index + 1;
        let line = raw.trim_end();
        let body = line.trim_start_matches([' ', '\t']);
        if body.is_empty() || body.starts_with('#') || body == "---" || body == "..." {
            continue;
        }
        let indent = line.len() - body.len();
        let item = body.strip_prefix('-');
        if indent == 0 && !body.starts_with("- ") {
            reading.begin_section(body, wanted, number)?;
        } else if !reading.inside {
            continue;
        } else if let Some(item) = item.filter(|rest| rest.is_empty() || rest.starts_with(' ')) {
            let key = reading.list.clone().ok_or_else(|| no_pair(number, body))?;
            reading.push(key, item, number)?;
        } else {
            reading.take_option(body, indent, text.lines().skip(number), number)?;
        }
    }
    Ok(reading.found.then_some(reading.pairs))
}

/// How far a text has been read.
#[derive(Default)]
struct Reading {
    pairs: Vec<Pair>,
    /// The section has been met.
    found: bool,
    /// The lines are its own.
    inside: bool,
    /// The key whose list may follow.
    list: Option<String>,
    /// The column that the section's keys stand in.
    column: Option<usize>,
}

impl Reading {
    fn push(&mut self, key: String, value: &str, line: usize) -> Result<(), Misread> {
        let value = scalar(value, line)?;
        self.pairs.push(Pair { key, value, line });
        Ok(())
    }

    /// `name:` at the left edge.
    fn begin_section(&mut self, body: &str, wanted: &str, line: usize) -> Result<(), Misread> {
        let (name, value) = key_and_value(body).ok_or_else(|| no_pair(line, body))?;
        self.inside = name == wanted;
        self.found |= self.inside;
        (self.list, self.column) = (None, None);
        if self.inside && !value.is_empty() {
            return Err(Misread::at(
                line,
                format!("the section {name} has to be a mapping: write its options below it, indented"),
            ));
        }
        Ok(())
    }

    /// `key: value`, `key: [value, value]`, or `key:` with its list in the `rest` of the text.
    fn take_option<'a>(
        &mut self,
        body: &str,
        indent: usize,
        rest: impl Iterator<Item = &'a str>,
        line: usize,
    ) -> Result<(), Misread> {
        if *self.column.get_or_insert(indent) != indent {
            return Err(Misread::at(
                line,
                format!("'{body}' is indented otherwise than the options above it"),
            ));
        }
        let (key, value) = key_and_value(body).ok_or_else(|| no_pair(line, body))?;
        self.list = value.is_empty().then(|| key.clone());
        match flow_list(&value) {
            Some(items) => items
                .into_iter()
                .try_for_each(|item| self.push(key.clone(), item, line)),
            None if value.is_empty() && is_list(rest) => Ok(()),
            None => self.push(key, &value, line),
        }
    }
}

fn no_pair(line: usize, body: &str) -> Misread {
    Misread::at(
        line,
        format!("'{body}' has to be 'key: value', or '- value' under a key"),
    )
}

/// Whether the next line with anything on it is an item of a list.
fn is_list<'a>(mut rest: impl Iterator<Item = &'a str>) -> bool {
    rest.find(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'))
        .is_some_and(|line| line.trim_start().starts_with("- "))
}

/// Splits at the first colon that ends a key: before a space or at the end of the line.
fn key_and_value(body: &str) -> Option<(String, String)> {
    let (key, value) = match body.split_once(": ") {
        Some(pair) => pair,
        None => (
            body.split_once(" #")
                .map_or(body, |(kept, _)| kept)
                .trim_end()
                .strip_suffix(':')?,
            "",
        ),
    };
    let key = key.trim().trim_matches(['"', '\'']);
    let value = value.trim();
    let value = if value.starts_with('#') { "" } else { value };
    (!key.is_empty()).then(|| (key.to_owned(), value.to_owned()))
}

/// The items of `[a, b]`.
fn flow_list(value: &str) -> Option<Vec<&str>> {
    let inner = value.strip_prefix('[')?.strip_suffix(']')?;
    Some(
        inner
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .collect(),
    )
}

/// A value: in quotes, or plain up to ` #`.
fn scalar(text: &str, line: usize) -> Result<String, Misread> {
    let text = text.trim();
    let Some(quote) = text.chars().next().filter(|first| matches!(first, '"' | '\'')) else {
        if matches!(text, "|" | ">" | "|-" | ">-") {
            return Err(Misread::at(
                line,
                "texts of several lines cannot be read: write the value on the key's line",
            ));
        }
        let kept = [" #", "\t#"].iter().filter_map(|mark| text.find(mark)).min();
        return Ok(text[..kept.unwrap_or(text.len())].trim_end().to_owned());
    };
    let mut out = String::new();
    let mut characters = text[1..].chars().peekable();
    while let Some(character) = characters.next() {
        match (character, quote) {
            ('\'', '\'') if characters.peek() == Some(&'\'') => {
                characters.next();
                out.push('\'');
            }
            (end, _) if end == quote => return Ok(out),
            ('\\', '"') => match characters.next() {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some(other) => out.push(other),
                None => break,
            },
            (other, _) => out.push(other),
        }
    }
    Err(Misread::at(line, format!("the quote {quote} is not closed")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<(String, String, usize)>, Misread> {
        let pairs = section(text, "uwsgi")?.unwrap_or_default();
        Ok(pairs
            .into_iter()
            .map(|pair| (pair.key, pair.value, pair.line))
            .collect())
    }

    #[test]
    fn pairs_lists_quotes_and_comments_are_read() {
        let text = "---\n# about\nother:\n  x: y\nuwsgi:\n\n  module: a.b:app\n  procname-prefix: \"sit e \" # c\n  \
                    http: :80 # all\n  die-on-term:\n  env:\n    - A=1\n    - 'B=it''s'\n  mount: [/a=a, /b=b]\n  chdir: %(x)\n  \
                    log-format: %(addr) - [%(ltime)] \"%(method)\"\nlast:\n  module: no\n";
        let expected = [
            ("module", "a.b:app", 7),
            ("procname-prefix", "sit e ", 8),
            ("http", ":80", 9),
            ("die-on-term", "", 10),
            ("env", "A=1", 12),
            ("env", "B=it's", 13),
            ("mount", "/a=a", 14),
            ("mount", "/b=b", 14),
            ("chdir", "%(x)", 15),
            ("log-format", "%(addr) - [%(ltime)] \"%(method)\"", 16),
        ];
        let expected: Vec<_> = expected
            .map(|(key, value, line)| (key.to_owned(), value.to_owned(), line))
            .into();
        assert_eq!(read(text).expect("it can be read"), expected);
        assert!(matches!(section(text, "none"), Ok(None)));
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_its_line() {
        for (text, line) in [
            ("uwsgi:\n  master: true\n  nonsense\n", 3),
            ("uwsgi:\n  - a\n", 2),
            ("uwsgi: 3\n", 1),
            ("uwsgi:\n  a: \"x\n", 2),
            ("uwsgi:\n  a: b\n    c: d\n", 3),
            ("uwsgi:\n  a: |\n    text\n", 2),
        ] {
            assert_eq!(read(text).expect_err(text).line, line, "{text}");
        }
    }
}
