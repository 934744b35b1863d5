//! Expansion of values: `$(VARIABLE)`, `@(file)` and `%(option)`.
//!
//! What cannot be expanded stays as it is written, so log formats keep their `%(method)`.

use std::collections::BTreeMap;
use std::path::Path;

use super::known::leading_number;
use super::reader::Given;
use super::source;

/// Replacements in one value, at most: values that refer to each other have no end.
const MOST: usize = 1000;

/// Why a value cannot be expanded.
const ENDLESS: &str = "what it refers to leads back to it without end";

/// Replaces what stands in parentheses behind `symbol` by what `resolve` returns for it; `None` leaves it.
///
/// The manners are uWSGI's: the innermost symbol counts; other parentheses inside have to be in pairs; nothing between them is
/// left as it is. What has been put in is looked at again, from the value's second character on.
fn replace(
    text: &str,
    symbol: u8,
    mut resolve: impl FnMut(&str) -> Result<Option<String>, String>,
) -> Result<String, String> {
    let mut out = text.to_owned();
    let mut from = 0;
    let mut replaced = 0;
    while let Some((start, end)) = innermost(out.as_bytes(), symbol, from) {
        match resolve(&out[start + 2..end])? {
            None => from = end + 1,
            Some(value) => {
                out.replace_range(start..=end, &value);
                from = 1;
                replaced += 1;
            }
        }
        if replaced > MOST {
            return Err(ENDLESS.to_owned());
        }
    }
    Ok(out)
}

/// Where the first `symbol(...)` at or after `from` begins, and where its closing parenthesis is.
fn innermost(text: &[u8], symbol: u8, from: usize) -> Option<(usize, usize)> {
    let mut start = None;
    let mut depth = 0;
    for index in from..text.len() {
        match (text[index], start) {
            (byte, _) if byte == symbol && text.get(index + 1) == Some(&b'(') => {
                (start, depth) = (Some(index), 0);
            }
            (byte, _) if byte == symbol => start = None,
            (b'(', Some(begun)) if index > begun + 1 => depth += 1,
            (b')', Some(begun)) if depth == 0 && index > begun + 2 => return Some((begun, index)),
            (b')', Some(_)) if depth == 0 => start = None,
            (b')', Some(_)) => depth -= 1,
            _ => {}
        }
    }
    None
}

/// Replaces `$(NAME)` by variables; the error is a sentence.
pub(super) fn variables(text: &str, variables: &BTreeMap<String, String>) -> Result<String, String> {
    replace(text, b'$', |name| Ok(variables.get(name).cloned()))
}

/// Replaces `@(FILE)`, or another source, by its text without one final line end; the error is a sentence.
pub(super) fn files(text: &str, directory: &Path) -> Result<String, String> {
    replace(text, b'@', |name| {
        let mut text = source::read(name, directory).map_err(|reason| format!("@({name}): {reason}"))?;
        if text.ends_with('\n') {
            text.pop();
        }
        Ok(Some(text))
    })
}

/// Replaces `%(NAME)` by the first value of that option or variable, and computes what has spaces inside; the error is a
/// sentence.
pub(super) fn placeholders(text: &str, given: &[Given]) -> Result<String, String> {
    let look_up = |name: &str| {
        given
            .iter()
            .find(|given| given.name == name)
            .map(|given| given.value.clone())
    };
    replace(text, b'%', |inner| {
        Ok(if inner.contains(' ') && !inner.trim().is_empty() {
            Some(compute(inner, look_up))
        } else {
            look_up(inner)
        })
    })
}

/// The names that the placeholders of a value mention.
pub(super) fn names(text: &str, into: &mut Vec<String>) {
    // Nothing is replaced, so there is an end.
    let _ = replace(text, b'%', |inner| {
        into.extend(inner.split(' ').map(str::to_owned));
        Ok(None)
    });
}

/// Left to right, without precedence: numbers, names, `+ - * /`, `++` and `--`; neighbours are joined. Only digits are a
/// number, and what is neither that nor a name that was given counts for nothing: `-1`, `1.5`.
fn compute(text: &str, look_up: impl Fn(&str) -> Option<String>) -> String {
    let mut result = String::new();
    let mut operator: Option<&str> = None;
    for token in text.split(' ').filter(|token| !token.is_empty()) {
        match token {
            "+" | "-" | "*" | "/" => operator = Some(token),
            "++" => result = leading_number(&result).saturating_add(1).to_string(),
            "--" => result = leading_number(&result).saturating_sub(1).to_string(),
            _ => {
                let value = look_up(token).unwrap_or_else(|| digits(token).to_owned());
                let (left, right) = (leading_number(&result), leading_number(&value));
                result = match operator.take() {
                    Some("+") => left.saturating_add(right).to_string(),
                    Some("-") => left.saturating_sub(right).to_string(),
                    Some("*") => left.saturating_mul(right).to_string(),
                    Some(_) => left.checked_div(right).unwrap_or(0).to_string(),
                    None => result + &value,
                };
            }
        }
    }
    result
}

fn digits(token: &str) -> &str {
    if token.bytes().all(|byte| byte.is_ascii_digit()) {
        token
    } else {
        ""
    }
}
