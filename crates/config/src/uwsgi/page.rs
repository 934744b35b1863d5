//! The compatibility page, rendered from the tables.

use super::table::families;
use super::{known, reads, table};
use crate::option::Status;

/// The whole page: the hand-written preface, each idea, the families, and what acts while the configuration is read.
pub(crate) fn page() -> String {
    let mut out = include_str!("preface.md").to_owned();
    out.push_str("\n## Options\n\n| option | here | remarks |\n|---|---|---|\n");
    for entry in table::all() {
        let names: Vec<_> = entry.names.iter().map(|name| format!("`{name}`")).collect();
        let (status, reason) = words(entry.status);
        out.push_str(&format!(
            "| {} | {status} | {}{reason} |\n",
            names.join(", "),
            entry.help
        ));
    }
    out.push_str("\n## Families\n");
    for family in families::FAMILIES {
        let (status, reason) = words(family.entry.status);
        out.push_str(&format!(
            "\n**{}** {status}{}{reason}\n\n",
            family.entry.help,
            if reason.is_empty() { "" } else { ":" }
        ));
        let belongs = |known: &known::Known| {
            table::find(known.name).is_some_and(|entry| std::ptr::eq(entry, &raw const family.entry))
        };
        out.push_str(&listed(belongs));
    }
    out.push_str("\n## Acting while the configuration is read\n\n");
    out.push_str(&listed(|known| reads(known.name)));
    out
}

/// A status, and its reason.
pub(super) fn words(status: Status<table::Apply>) -> (&'static str, String) {
    match status {
        Status::Honoured(_) => ("honoured", String::new()),
        Status::NoEffect(reason) => ("accepted without effect", format!(" {reason}")),
        Status::NotYet => ("not there yet", String::new()),
        Status::Refused(reason) => ("refused", format!(" {reason}")),
    }
}

fn listed(wanted: impl Fn(&known::Known) -> bool) -> String {
    let names: Vec<_> = known::all()
        .iter()
        .filter(|known| wanted(known))
        .map(|known| format!("`{}`", known.name))
        .collect();
    names
        .chunks(6)
        .map(|names| format!("{}\n", names.join(", ")))
        .collect()
}
