//! Expansion of values: `$(VARIABLE)`, `@(file)` and `%(option)`.
//!
//! What cannot be expanded stays as it is written, so log formats keep their `%(method)`.

use std::collections::BTreeMap;
use std::path::Path;

use super::known::leading_number;
use super::reader::Given;
use super::source;

/// Replaces what stands between `opening` and its closing parenthesis by what `resolve` returns for it; `None`
/// leaves it.
fn replace<E>(
    text: &str,
    opening: &str,
    mut resolve: impl FnMut(&str) -> Result<Option<String>, E>,
) -> Result<String, E> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(opening) {
        let inner = &rest[start + opening.len()..];
        let Some(length) = closing(inner) else { break };
        out.push_str(&rest[..start]);
        match resolve(&inner[..length])? {
            Some(value) => out.push_str(&value),
            None => out.push_str(&rest[start..start + opening.len() + length + 1]),
        }
        rest = &inner[length + 1..];
    }
    out.push_str(rest);
    Ok(out)
}

/// Where the parenthesis that is open closes.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0;
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' if depth == 0 => return Some(index),
            b')' => depth -= 1,
            _ => {}
        }
    }
    None
}

fn infallible(result: Result<String, std::convert::Infallible>) -> String {
    match result {
        Ok(text) => text,
        Err(never) => match never {},
    }
}

/// Replaces `$(NAME)` by variables.
pub(super) fn variables(text: &str, variables: &BTreeMap<String, String>) -> String {
    infallible(replace(text, "$(", |name| Ok(variables.get(name).cloned())))
}

/// Replaces `@(FILE)`, or another source, by its text without one final line end; the error is a sentence.
pub(super) fn files(text: &str, directory: &Path) -> Result<String, String> {
    replace(text, "@(", |name| {
        let mut text = source::read(name, directory).map_err(|reason| format!("@({name}): {reason}"))?;
        if text.ends_with('\n') {
            text.pop();
        }
        Ok(Some(text))
    })
}

/// Replaces `%(NAME)` by the first value of that option or variable, and computes what has spaces inside.
pub(super) fn placeholders(text: &str, given: &[Given]) -> String {
    let look_up = |name: &str| {
        given
            .iter()
            .find(|given| given.name == name)
            .map(|given| given.value.clone())
    };
    infallible(replace(text, "%(", |inner| {
        Ok(if inner.contains(' ') && !inner.trim().is_empty() {
            Some(compute(inner, look_up))
        } else {
            look_up(inner)
        })
    }))
}

/// The names that the placeholders of a value mention.
pub(super) fn names(text: &str, into: &mut Vec<String>) {
    infallible(replace(text, "%(", |inner| {
        into.extend(inner.split(' ').map(str::to_owned));
        Ok(None)
    }));
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
