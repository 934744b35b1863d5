//! What is rendered from the table: the help text and the compatibility page.

use super::table::{Entry, Kind, entries};
#[cfg(test)]
use crate::option::Status;

/// The help text.
pub(super) fn help(program: &str) -> String {
    let mut out = format!("Usage: {program} [OPTIONS] APP\n\nOptions:\n");
    for entry in entries() {
        let flags = format!("{} {}", flags(entry), metavar(entry.kind));
        let default = match entry.default {
            "" => String::new(),
            default => format!("  [default: {default}]"),
        };
        out.push_str(&format!("  {:34} {}{default}\n", flags.trim_end(), entry.help));
    }
    out.push_str(&format!("  {:34} Display the version and exit.\n", "--version"));
    out.push_str(&format!("  {:34} Show this message and exit.\n", "--help"));
    out
}

/// The compatibility page.
#[cfg(test)]
pub(crate) fn page() -> String {
    let mut out = include_str!("preface.md").to_owned();
    for entry in entries() {
        let (status, reason) = match &entry.status {
            Status::Honoured(_) => ("honoured", ""),
            Status::NoEffect(reason) => ("accepted without effect", *reason),
            Status::NotYet => ("not there yet", ""),
            Status::Refused(reason) => ("refused", *reason),
        };
        let full_stop = if entry.help.ends_with('.') { "" } else { "." };
        let remarks = format!("{}{full_stop} {reason}", entry.help);
        out.push_str(&format!(
            "| `{}` | {status} | {} |\n",
            flags(entry),
            remarks.trim_end().replace('|', "\\|")
        ));
    }
    out
}

fn flags(entry: &Entry) -> String {
    match entry.kind {
        Kind::Switch => format!("--{0} / --no-{0}", entry.name),
        _ => format!("--{}", entry.name),
    }
}

fn metavar(kind: Kind) -> String {
    match kind {
        Kind::Text => "TEXT".to_owned(),
        Kind::Path => "PATH".to_owned(),
        Kind::Integer => "INTEGER".to_owned(),
        Kind::Float => "FLOAT".to_owned(),
        Kind::Boolean => "BOOLEAN".to_owned(),
        Kind::Flag | Kind::Switch => String::new(),
        Kind::Choice(choices) => format!("[{}]", choices.join("|")),
    }
}
