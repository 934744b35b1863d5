//! Texts of rules: `${NAME}` is a variable, `${FUNCTION[ARGUMENT]}` what is made of one, `$1` what a group matches.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::Subject;

/// The number a text begins with; 0 without any.
pub(super) fn leading_number(text: &str) -> i64 {
    let text = text.trim_start();
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let digits = digits.bytes().take_while(u8::is_ascii_digit);
    sign * digits.fold(0_i64, |number, digit| {
        number.saturating_mul(10).saturating_add(i64::from(digit - b'0'))
    })
}

/// The date so many seconds from now (RFC 9110 5.6.7), a hundred years at the most: HTTP has no year beyond 9999.
pub(super) fn http_date_in(seconds: u64) -> String {
    const CENTURY_SECONDS: u64 = 100 * 365 * 86_400;
    let later = SystemTime::now().checked_add(Duration::from_secs(seconds.min(CENTURY_SECONDS)));
    httpdate::fmt_http_date(later.unwrap_or_else(SystemTime::now))
}

/// Puts variables and groups into a text.
pub(super) fn expand(template: &str, groups: &[String], subject: &dyn Subject) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some(start) = rest.find('$') {
        out.push_str(&rest[..start]);
        rest = &rest[start + 1..];
        let named = rest.strip_prefix('{').and_then(|inner| inner.split_once('}'));
        let digit = rest.chars().next().and_then(|character| character.to_digit(10));
        match (named, digit) {
            (Some((name, after)), _) => {
                out.push_str(&value(name, subject));
                rest = after;
            }
            (None, Some(digit)) => {
                out.push_str(groups.get(digit as usize).map_or("", String::as_str));
                rest = &rest[1..];
            }
            (None, None) => out.push('$'),
        }
    }
    out.push_str(rest);
    out
}

fn value(name: &str, subject: &dyn Subject) -> String {
    let call = name.strip_suffix(']').and_then(|name| name.split_once('['));
    let Some((function, argument)) = call else {
        return subject.variable(name);
    };
    match function {
        "cookie" => cookie(&subject.variable("HTTP_COOKIE"), argument).to_owned(),
        "qs" => parameter(&subject.variable("QUERY_STRING"), argument).to_owned(),
        "mime" => subject.media_type(&subject.variable(argument)),
        "time" => time(argument),
        "httptime" => http_date_in(u64::try_from(leading_number(argument)).unwrap_or(0)),
        "base64" => STANDARD.encode(subject.variable(argument)),
        "hex" => {
            let bytes = subject.variable(argument).into_bytes();
            bytes.iter().map(|byte| format!("{byte:02x}")).collect()
        }
        "uwsgi" => subject.own(argument),
        "metric" => {
            let commons = subject.commons();
            commons.map_or(0, |commons| commons.metric(argument)).to_string()
        }
        _ => String::new(),
    }
}

fn time(unit: &str) -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    match unit {
        "unix" => since.as_secs().to_string(),
        "micros" => since.as_micros().to_string(),
        _ => String::new(),
    }
}

/// The value of a cookie (RFC 6265 4.2.1).
fn cookie<'a>(field: &'a str, name: &str) -> &'a str {
    let mut pairs = field.split(';').filter_map(|pair| pair.trim().split_once('='));
    pairs
        .find(|(known, _)| *known == name)
        .map_or("", |(_, value)| value)
}

/// The value of a parameter, as it was sent.
fn parameter<'a>(query: &'a str, name: &str) -> &'a str {
    let mut pairs = query
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs
        .find(|(known, _)| *known == name)
        .map_or("", |(_, value)| value)
}
