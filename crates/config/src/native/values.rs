//! Values of native options, from their text. An error is a sentence that ends the one about the option.

use std::path::PathBuf;
use std::time::Duration;

use crate::defaults::{count, size};
use crate::{Believed, CgiMount, Level, LogTarget, Settings, Wire, address};

pub(super) fn number(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| format!("'{text}' is not a whole number from 0 up"))
}

pub(super) fn at_least_one(text: &str) -> Result<u32, String> {
    match number(text)? {
        0 => Err("at least 1".to_owned()),
        number => Ok(count(number)),
    }
}

pub(super) fn at_least_one_byte(text: &str) -> Result<usize, String> {
    match number(text)? {
        0 => Err("at least 1".to_owned()),
        number => Ok(size(number)),
    }
}

/// A time that something cannot do without.
pub(super) fn some_time(text: &str) -> Result<Duration, String> {
    match seconds(text)? {
        Duration::ZERO => Err("more than 0: without a limit such clients would stay for ever".to_owned()),
        time => Ok(time),
    }
}

pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>().map(Duration::try_from_secs_f64) {
        Ok(Ok(duration)) => Ok(duration),
        _ => Err(format!("'{text}' is not a number of seconds")),
    }
}

pub(super) fn cgi_mount(text: &str) -> CgiMount {
    let (prefix, path) = match text.split_once('=') {
        Some((prefix, path)) if prefix.starts_with('/') => (prefix, path),
        _ => ("", text),
    };
    CgiMount {
        prefix: prefix.trim_end_matches('/').to_owned(),
        path: PathBuf::from(path),
    }
}

pub(super) fn bind(settings: &mut Settings, text: &str) -> Result<(), String> {
    if text.starts_with("https://") {
        return Err("TLS is not there yet: use http:// behind a proxy that speaks TLS".to_owned());
    }
    settings.binds.push(address::bind(text, Wire::Http1)?);
    Ok(())
}

pub(super) fn proxy_protocol(settings: &mut Settings, text: &str) -> Result<(), String> {
    let expected = &mut settings.proxy_protocol;
    (expected.v1, expected.v2) = match text {
        "off" => (false, false),
        "v1" => (true, false),
        "v2" => (false, true),
        "auto" => (true, true),
        _ => return Err(format!("'{text}' is none of off, v1, v2 and auto")),
    };
    Ok(())
}

pub(super) fn forwarded_headers(settings: &mut Settings, text: &str) -> Result<(), String> {
    let mut believed = Believed::NOTHING;
    for word in peers(text) {
        match word.as_str() {
            "for" => believed.client = true,
            "proto" => believed.scheme = true,
            "host" => believed.host = true,
            "forwarded" => believed.forwarded = true,
            "none" => {}
            _ => {
                return Err(format!(
                    "'{word}' is none of for, proto, host, forwarded and none"
                ));
            }
        }
    }
    settings.believed = believed;
    Ok(())
}

pub(super) fn peers(text: &str) -> Vec<String> {
    text.split(',')
        .map(|item| item.trim().to_owned())
        .filter(|item| !item.is_empty())
        .collect()
}

pub(super) fn target(text: &str, standard: LogTarget) -> LogTarget {
    if text == "-" {
        standard
    } else {
        LogTarget::File(PathBuf::from(text))
    }
}

pub(super) fn level(text: &str) -> Result<Level, String> {
    Ok(match text.to_lowercase().as_str() {
        "debug" => Level::Debug,
        "info" => Level::Info,
        "warning" => Level::Warning,
        "error" => Level::Error,
        "critical" => Level::Critical,
        _ => {
            return Err(format!(
                "'{text}' is no level: debug, info, warning, error or critical"
            ));
        }
    })
}

pub(super) fn variable(settings: &mut Settings, text: &str) -> Result<(), String> {
    match text.split_once('=').filter(|(name, _)| !name.is_empty()) {
        Some((name, value)) => {
            settings.env.push((name.to_owned(), value.to_owned()));
            Ok(())
        }
        None => Err(format!("'{text}' has to be NAME=VALUE")),
    }
}
