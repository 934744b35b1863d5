//! Python's own spellings: how values are printed and how numbers and words are read from text.

use crate::RawValue;

/// `str(value)`, as `--print-config` prints it; callables print as `<name()>`.
pub(super) fn display(value: &RawValue) -> String {
    match value {
        RawValue::Text(text) => text.clone(),
        other => repr(other),
    }
}

/// `repr(value)`.
pub(super) fn repr(value: &RawValue) -> String {
    match value {
        RawValue::None => "None".to_owned(),
        RawValue::Bool(true) => "True".to_owned(),
        RawValue::Bool(false) => "False".to_owned(),
        RawValue::Int(number) => number.to_string(),
        RawValue::Float(number) => format!("{number:?}"),
        RawValue::Text(text) => quoted(text),
        RawValue::List(items) => format!("[{}]", joined(items)),
        RawValue::Map(items) => {
            let items: Vec<_> = items
                .iter()
                .map(|(key, value)| format!("{}: {}", quoted(key), repr(value)))
                .collect();
            format!("{{{}}}", items.join(", "))
        }
        RawValue::Callable { name, .. } => format!("<{name}()>"),
        RawValue::Other(text) => text.clone(),
    }
}

/// The items of a list or tuple, without its brackets.
pub(super) fn joined(items: &[RawValue]) -> String {
    items.iter().map(repr).collect::<Vec<_>>().join(", ")
}

fn quoted(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    let mut out = String::with_capacity(text.len() + 2);
    out.push(quote);
    for character in text.chars() {
        match character {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\\' => out.push_str("\\\\"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push(quote);
    out
}

/// `int(text)`: decimal, with a sign, surrounding space and single underscores between digits.
pub(super) fn decimal(text: &str) -> Option<i64> {
    digits(text.trim(), 10, true)
}

/// `int(text, 0)`: the base comes from the prefix, and a decimal number may not begin with a zero.
pub(super) fn literal(text: &str) -> Option<i64> {
    let text = text.trim();
    let (sign, rest) = match text.as_bytes().first()? {
        b'-' => (-1, &text[1..]),
        b'+' => (1, &text[1..]),
        _ => (1, text),
    };
    let lower = rest.to_ascii_lowercase();
    for (prefix, base) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if let Some(rest) = lower.strip_prefix(prefix) {
            return digits(rest.strip_prefix('_').unwrap_or(rest), base, false).map(|number| sign * number);
        }
    }
    let number = digits(rest, 10, false)?;
    let leading_zero = rest.starts_with('0') && number != 0;
    (!leading_zero).then_some(sign * number)
}

/// What gunicorn's command line reads for a file mode: as [`literal`], but `0NN` is octal.
pub(super) fn octal_by_leading_zero(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    match bytes {
        [b'0', second, ..] if second.is_ascii_digit() => digits(&text[1..], 8, false),
        _ => literal(text),
    }
}

fn digits(text: &str, base: u32, signed: bool) -> Option<i64> {
    let unsigned = text.strip_prefix(['+', '-']).filter(|_| signed).unwrap_or(text);
    let well_placed = unsigned.starts_with(|c: char| c.is_digit(base))
        && unsigned.ends_with(|c: char| c.is_digit(base))
        && !unsigned.contains("__");
    if !well_placed {
        return None;
    }
    i64::from_str_radix(&text.replace('_', ""), base).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_print_as_python_prints_them() {
        let text = |text: &str| RawValue::Text(text.to_owned());
        for (value, expected) in [
            (text("it's"), "it's"),
            (
                RawValue::List(vec![text("a"), text("it's"), text("a\\\n")]),
                r#"['a', "it's", 'a\\\n']"#,
            ),
            (RawValue::Float(1.0), "1.0"),
            (RawValue::None, "None"),
            (RawValue::Bool(true), "True"),
            (RawValue::Map(vec![("A".to_owned(), text("b"))]), "{'A': 'b'}"),
            (
                RawValue::Callable {
                    name: "<lambda>".to_owned(),
                    positional: Some(1),
                },
                "<<lambda>()>",
            ),
        ] {
            assert_eq!(display(&value), expected);
        }
    }

    #[test]
    fn numbers_are_read_as_python_reads_them() {
        for (text, as_decimal, as_literal, as_mode) in [
            ("4", Some(4), Some(4), Some(4)),
            (" 4 ", Some(4), Some(4), Some(4)),
            ("-1", Some(-1), Some(-1), Some(-1)),
            ("1_000", Some(1000), Some(1000), Some(1000)),
            ("1__0", None, None, None),
            ("007", Some(7), None, Some(7)),
            ("022", Some(22), None, Some(18)),
            ("0o22", None, Some(18), Some(18)),
            ("0x1F", None, Some(31), Some(31)),
            ("0", Some(0), Some(0), Some(0)),
            ("--1", None, None, None),
            ("", None, None, None),
            ("30.5", None, None, None),
        ] {
            assert_eq!(decimal(text), as_decimal, "int({text:?})");
            assert_eq!(literal(text), as_literal, "int({text:?}, 0)");
            assert_eq!(octal_by_leading_zero(text), as_mode, "auto_int({text:?})");
        }
    }
}
