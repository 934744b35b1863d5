//! The compatibility page, rendered from the table.

use super::table::{self, Entry};
use crate::option::Status;

/// The whole page: the hand-written preface and a table of all settings.
pub(crate) fn page() -> String {
    let mut out = include_str!("preface.md").to_owned();
    let mut section = "";
    for entry in table::entries() {
        if entry.section != section {
            section = entry.section;
            out.push_str(&format!(
                "\n### {section}\n\n| setting | options | here | remarks |\n|---|---|---|---|\n"
            ));
        }
        out.push_str(&row(entry));
    }
    out
}

fn row(entry: &Entry) -> String {
    let (status, reason) = match entry.status {
        Status::Honoured(_) => ("honoured", ""),
        Status::NoEffect(reason) => ("accepted without effect", reason),
        Status::NotYet => ("not there yet", ""),
        Status::Refused(reason) => ("refused", reason),
    };
    let options: Vec<_> = entry.flags.iter().map(|flag| format!("`{flag}`")).collect();
    let note = [entry.help, reason, entry.note]
        .into_iter()
        .filter(|part| !part.is_empty());
    let note = note.collect::<Vec<_>>().join(" ").replace('|', "\\|");
    format!(
        "| `{}` | {} | {status} | {note} |\n",
        entry.name,
        options.join(", ")
    )
}
