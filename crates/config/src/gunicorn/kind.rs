//! What values a gunicorn setting takes, and how a value is checked when it is set.
//!
//! The checks follow gunicorn's, its traps included (a leading zero only means octal on the command line, a float is
//! no number of seconds, a list is no list of addresses), and so do the sentences. They look at nothing but the
//! value, except that a directory has to exist.

use std::path::Path;

use super::python;
use crate::RawValue;

/// What values a setting takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// True or false.
    Bool,
    /// An integer from 0 up.
    Number,
    /// As `Number`; on the command line a leading zero means octal.
    Mode,
    /// Text or None.
    Text,
    /// Text or a list of texts.
    TextList,
    /// Text with commas between its items.
    CommaList,
    /// Text with commas between addresses or networks, or `*`.
    Addresses,
    /// A class, or the name of one.
    Class,
    /// Something callable with this many positional parameters, or its dotted name.
    Hook(usize),
    /// A hook called with 2, 3 or 4 parameters, as many as it takes.
    PostRequest,
    /// A user or group: a name or a number.
    Owner,
    /// A directory that exists.
    Directory,
    /// A dictionary.
    Map,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// off, v1, v2, auto, or a boolean.
    ProxyProtocol,
    /// HOST:PORT or unix://PATH.
    StatsdAddress,
    /// An integer, or the name of one in Python's ssl module.
    SslVersion,
}

/// What argparse itself converts a command-line value to; the error is the name of the type it did not fit.
pub(super) fn from_command_line(kind: Kind, text: &str) -> Result<RawValue, &'static str> {
    match kind {
        Kind::Number => python::decimal(text).map(RawValue::Int).ok_or("int"),
        Kind::Mode => python::octal_by_leading_zero(text)
            .map(RawValue::Int)
            .ok_or("auto_int"),
        _ => Ok(RawValue::Text(text.to_owned())),
    }
}

/// Checks a value and brings it into the form the rest of the dialect expects. The error is a sentence.
pub(super) fn validate(kind: Kind, value: RawValue, directory: &Path) -> Result<RawValue, String> {
    match kind {
        Kind::Bool => boolean(value),
        Kind::Number | Kind::Mode => number(value),
        Kind::Text => text(value),
        Kind::TextList => text_list(value),
        Kind::CommaList => comma_list(value),
        Kind::Addresses => addresses(value),
        Kind::Class => class(value),
        Kind::Hook(arity) => hook(value, &[arity]),
        Kind::PostRequest => hook(value, &[4, 3, 2]),
        Kind::Owner => owner(value),
        Kind::Directory => existing_directory(value, directory),
        Kind::Map => match value {
            RawValue::Map(_) => Ok(value),
            other => Err(format!("Value is not a dictionary: {}", python::display(&other))),
        },
        Kind::Choice(words) => choice(value, words),
        Kind::ProxyProtocol => proxy_protocol(value),
        Kind::StatsdAddress => statsd_address(value),
        Kind::SslVersion => match value {
            RawValue::Int(_) | RawValue::Text(_) => Ok(value),
            other => Err(format!("Invalid ssl_version: {}", python::display(&other))),
        },
    }
}

fn boolean(value: RawValue) -> Result<RawValue, String> {
    match value {
        RawValue::None | RawValue::Bool(_) => Ok(value),
        RawValue::Text(text) => match text.trim().to_lowercase().as_str() {
            "true" => Ok(RawValue::Bool(true)),
            "false" => Ok(RawValue::Bool(false)),
            _ => Err(format!("Invalid boolean: {text}")),
        },
        other => Err(format!(
            "Invalid type: {}: a boolean is True or False",
            python::display(&other)
        )),
    }
}

fn number(value: RawValue) -> Result<RawValue, String> {
    let number = match &value {
        RawValue::Int(number) => *number,
        RawValue::Bool(on) => i64::from(*on),
        RawValue::Text(text) => python::literal(text)
            .ok_or_else(|| format!("invalid literal for int() with base 0: {}", python::repr(&value)))?,
        other => return Err(format!("{} is not a whole number", python::display(other))),
    };
    if number < 0 {
        return Err(format!("Value must be positive: {number}"));
    }
    Ok(RawValue::Int(number))
}

fn text(value: RawValue) -> Result<RawValue, String> {
    match value {
        RawValue::None => Ok(RawValue::None),
        RawValue::Text(text) => Ok(RawValue::Text(text.trim().to_owned())),
        other => Err(format!("Not a string: {}", python::display(&other))),
    }
}

fn text_list(value: RawValue) -> Result<RawValue, String> {
    match value {
        RawValue::None => Ok(RawValue::List(Vec::new())),
        RawValue::Text(text) if text.is_empty() => Ok(RawValue::List(Vec::new())),
        RawValue::Text(_) => Ok(RawValue::List(vec![text(value)?])),
        RawValue::List(items) => items
            .into_iter()
            .map(text)
            .collect::<Result<_, _>>()
            .map(RawValue::List),
        other => Err(format!("Not a string: {}", python::display(&other))),
    }
}

fn comma_list(value: RawValue) -> Result<RawValue, String> {
    match text(value)? {
        RawValue::Text(text) => Ok(RawValue::List(
            text.split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .map(|item| RawValue::Text(item.to_owned()))
                .collect(),
        )),
        _ => Ok(RawValue::List(Vec::new())),
    }
}

fn addresses(value: RawValue) -> Result<RawValue, String> {
    let list = comma_list(value)?;
    for item in list.texts() {
        if item != "*" && !is_network(&item) {
            return Err(format!(
                "'{item}' does not appear to be an IPv4 or IPv6 address or network"
            ));
        }
    }
    Ok(list)
}

fn is_network(text: &str) -> bool {
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text, None),
    };
    let Ok(address) = address.parse::<std::net::IpAddr>() else {
        return false;
    };
    let longest = if address.is_ipv4() { 32 } else { 128 };
    prefix.is_none_or(|prefix| prefix.parse::<u8>().is_ok_and(|bits| bits <= longest))
}

fn class(value: RawValue) -> Result<RawValue, String> {
    match value {
        RawValue::Callable { .. } => Ok(value),
        RawValue::Text(_) | RawValue::None => text(value),
        other => Err(format!("Not a string: {}", python::display(&other))),
    }
}

fn hook(value: RawValue, arities: &[usize]) -> Result<RawValue, String> {
    match &value {
        // Imported by whoever runs the hooks.
        RawValue::Text(name) if name.contains('.') => Ok(value),
        RawValue::Text(name) => Err(format!(
            "Value '{name}' is not callable: give a function or a dotted name (module.function)"
        )),
        RawValue::Callable { positional: None, .. } => Ok(value),
        RawValue::Callable {
            positional: Some(count),
            ..
        } if arities.contains(count) => Ok(value),
        RawValue::Callable { .. } => match arities {
            [arity] => Err(format!("Value must have an arity of: {arity}")),
            _ => Err("Value must have an arity of: 4, 3 or 2".to_owned()),
        },
        other => Err(format!("Value is not callable: {}", python::display(other))),
    }
}

fn owner(value: RawValue) -> Result<RawValue, String> {
    match value {
        RawValue::None => Ok(value),
        RawValue::Int(number) if number >= 0 => Ok(value),
        RawValue::Text(name) if !name.is_empty() => {
            Ok(name.parse().map_or(RawValue::Text(name), RawValue::Int))
        }
        other => Err(format!("No such user or group: {}", python::repr(&other))),
    }
}

fn existing_directory(value: RawValue, start: &Path) -> Result<RawValue, String> {
    let RawValue::Text(given) = text(value)? else {
        return Err("Not a string: None".to_owned());
    };
    let path = start.join(&given);
    if !path.is_dir() {
        return Err(format!("can't chdir to '{}'", path.display()));
    }
    Ok(RawValue::Text(path.display().to_string()))
}

fn choice(value: RawValue, words: &[&str]) -> Result<RawValue, String> {
    let RawValue::Text(given) = text(value)? else {
        return Err(format!("Not a string: None: one of {}", words.join(", ")));
    };
    let lower = given.to_lowercase();
    if words.contains(&lower.as_str()) {
        return Ok(RawValue::Text(lower));
    }
    Err(format!("Invalid value '{given}': one of {}", words.join(", ")))
}

fn proxy_protocol(value: RawValue) -> Result<RawValue, String> {
    let word = match value {
        RawValue::Bool(true) => "auto".to_owned(),
        RawValue::None | RawValue::Bool(false) => "off".to_owned(),
        RawValue::Text(text) => match text.trim().to_lowercase().as_str() {
            "true" | "auto" | "" => "auto".to_owned(),
            "false" | "off" | "none" => "off".to_owned(),
            "v1" => "v1".to_owned(),
            "v2" => "v2".to_owned(),
            _ => {
                return Err(format!(
                    "Invalid proxy_protocol mode: {text}: one of off, v1, v2, auto"
                ));
            }
        },
        other => {
            return Err(format!(
                "Invalid proxy_protocol mode: {}",
                python::display(&other)
            ));
        }
    };
    Ok(RawValue::Text(word))
}

fn statsd_address(value: RawValue) -> Result<RawValue, String> {
    let RawValue::Text(address) = text(value)? else {
        return Ok(RawValue::None);
    };
    if let Some(path) = address.strip_prefix("unix://") {
        return Ok(RawValue::Text(path.to_owned()));
    }
    let (host, port) = address.rsplit_once(':').unwrap_or((&address, "8125"));
    match port.parse::<u16>() {
        Ok(port) => Ok(RawValue::List(vec![
            RawValue::Text(host.to_owned()),
            RawValue::Int(i64::from(port)),
        ])),
        Err(_) => Err("Value must be one of ('host:port', 'unix://PATH')".to_owned()),
    }
}

/// Reading values that have passed [`validate`]; what a kind does not hold reads as nothing.
impl RawValue {
    /// A number; 0 where there is none.
    pub(super) fn number(&self) -> u64 {
        match self {
            RawValue::Int(number) => u64::try_from(*number).unwrap_or(0),
            RawValue::Bool(on) => u64::from(*on),
            _ => 0,
        }
    }

    /// Whether it is true.
    pub(super) fn is_on(&self) -> bool {
        matches!(self, RawValue::Bool(true))
    }

    /// A text, or a number written out; `None` for None and for the empty text.
    pub(super) fn text(&self) -> Option<String> {
        match self {
            RawValue::Text(text) if !text.is_empty() => Some(text.clone()),
            RawValue::Int(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// The texts of a list.
    pub(super) fn texts(&self) -> Vec<String> {
        match self {
            RawValue::List(items) => items.iter().filter_map(RawValue::text).collect(),
            other => other.text().into_iter().collect(),
        }
    }
}
