//! What gunicorn prints about its settings: `--help` and `--print-config`.

use super::kind::Kind;
use super::python;
use super::table::{self, Argument, Entry};
use crate::RawValue;

/// The help text.
pub(super) fn help(program: &str) -> String {
    let mut out = format!(
        "usage: {program} [OPTIONS] [APP_MODULE]\n\noptions:\n{}{}",
        line("-h, --help", "show this help message and exit"),
        line("-v, --version", "show program's version number and exit"),
    );
    for entry in table::entries().filter(|entry| entry.argument != Argument::Nowhere) {
        let default = match (entry.argument, entry.default) {
            (Argument::Flag(_), _) | (_, table::Default::None | table::Default::Computed(_)) => String::new(),
            _ => format!(" [{}]", python::display(&entry.default_value(&nowhere()))),
        };
        out.push_str(&line(&flags(entry), &format!("{}{default}", entry.help)));
    }
    out
}

fn nowhere() -> crate::Environment {
    crate::Environment {
        variables: std::collections::BTreeMap::new(),
        directory: std::path::PathBuf::new(),
        program: String::new(),
    }
}

fn flags(entry: &Entry) -> String {
    let value = match entry.argument {
        Argument::One | Argument::Many => format!(" {}", entry.metavar),
        Argument::Optional(_) => format!(" [{}]", entry.metavar),
        Argument::Flag(_) | Argument::Nowhere => String::new(),
    };
    entry
        .flags
        .iter()
        .map(|flag| format!("{flag}{value}"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// One option: its help stands on a line of its own when the option is long.
fn line(flags: &str, help: &str) -> String {
    if flags.len() > 21 {
        format!("  {flags}\n{:24}{help}\n", "")
    } else {
        format!("  {flags:21} {help}\n")
    }
}

/// All settings, one a line, as gunicorn prints them. `values` is in order of name.
pub(super) fn print_config(values: &[(String, RawValue)]) -> String {
    values
        .iter()
        .map(|(name, value)| format!("{name:34} = {}\n", shown(name, value)))
        .collect()
}

fn shown(name: &str, value: &RawValue) -> String {
    match (table::find(name).map(|entry| entry.kind), value) {
        // gunicorn keeps the host and port as a tuple.
        (Some(Kind::StatsdAddress), RawValue::List(items)) => format!("({})", python::joined(items)),
        _ => python::display(value),
    }
}
