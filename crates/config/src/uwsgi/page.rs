//! The compatibility page, rendered from the tables.

use super::{known, reads, table};
use crate::option::Status;

/// The whole page: the hand-written preface, what has a meaning, what acts while it is read, and the rest by name.
pub(crate) fn page() -> String {
    let mut out = include_str!("preface.md").to_owned();
    out.push_str("\n## Options\n\n| option | here | remarks |\n|---|---|---|\n");
    for entry in table::ENTRIES {
        let names: Vec<_> = entry.names.iter().map(|name| format!("`{name}`")).collect();
        let (status, reason) = match entry.status {
            Status::Honoured(_) => ("honoured", String::new()),
            Status::NoEffect(reason) => ("accepted without effect", format!(" {reason}")),
            Status::NotYet => ("not there yet", String::new()),
            Status::Refused(reason) => ("refused", format!(" {reason}")),
        };
        out.push_str(&format!(
            "| {} | {status} | {}{reason} |\n",
            names.join(", "),
            entry.help
        ));
    }
    out.push_str("\n## Acting while the configuration is read\n\n");
    out.push_str(&listed(reads));
    out.push_str("\n## Known by name, not there yet\n\n");
    out.push_str(&listed(|name| !reads(name) && table::find(name).is_none()));
    out
}

fn listed(wanted: impl Fn(&str) -> bool) -> String {
    let names: Vec<_> = known::all()
        .iter()
        .filter(|known| wanted(known.name))
        .map(|known| format!("`{}`", known.name))
        .collect();
    names
        .chunks(6)
        .map(|names| format!("{}\n", names.join(", ")))
        .collect()
}
