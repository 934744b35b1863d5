//! gunicorn's settings: one entry each. The command line, the checks, `--print-config`, `--help`, the notices at start
//! and the compatibility page are all made from these entries; a new ability is a changed entry.

mod hooks;
mod logging;
mod mechanics;
mod processes;
mod protocols;

use super::kind::Kind;
use crate::option::Status;
use crate::{Environment, RawValue, Settings, Wire};

/// What the settings are being turned into.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    /// The settings so far.
    pub(super) settings: Settings,
    /// What sockets speak whose address does not say.
    pub(super) wire: Wire,
    /// Notices so far.
    pub(super) notices: Vec<String>,
    /// What `paste` names.
    pub(super) paste: Option<String>,
    /// `raw_paste_global_conf`.
    pub(super) paste_globals: RawValue,
    /// A daemon keeps its standard output and error.
    pub(super) keep_output: bool,
    /// The surroundings.
    pub(super) environment: &'a Environment,
}

/// Acts on a value that was set somewhere; the error is a sentence.
pub(super) type Apply = fn(&mut Draft<'_>, &RawValue) -> Result<(), String>;

/// How a setting is written on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Argument {
    /// Only in a configuration file.
    Nowhere,
    /// With one value; the last one counts.
    One,
    /// With one value, as often as wanted.
    Many,
    /// Without a value: it means this.
    Flag(bool),
    /// With a value or without; without, it means this.
    Optional(&'static str),
}

/// The value of a setting that nobody set.
#[derive(Clone, Copy, Debug)]
pub(super) enum Default {
    /// None
    None,
    /// False or True
    Bool(bool),
    /// A number
    Int(i64),
    /// A text
    Text(&'static str),
    /// A list of texts
    List(&'static [&'static str]),
    /// A dictionary
    Map(&'static [(&'static str, &'static str)]),
    /// A function of this name that does nothing
    Function(&'static str),
    /// Depends on the surroundings
    Computed(fn(&Environment) -> RawValue),
}

/// One setting.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    /// Its name in configuration files.
    pub(super) name: &'static str,
    /// The heading it stands under.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "only the compatibility page has headings")
    )]
    pub(super) section: &'static str,
    /// Its options on the command line.
    pub(super) flags: &'static [&'static str],
    /// How they are written.
    pub(super) argument: Argument,
    /// What the help text calls the value.
    pub(super) metavar: &'static str,
    /// What values it takes.
    pub(super) kind: Kind,
    /// Its value when nobody sets it.
    pub(super) default: Default,
    /// One sentence for the help text.
    pub(super) help: &'static str,
    /// What it does here.
    pub(super) status: Status<Apply>,
    /// What a reader of the compatibility page should know beyond the status; empty: nothing.
    pub(super) note: &'static str,
}

/// A setting under a heading, which nothing acts on yet; the methods of [`Entry`] say more.
const fn under(
    section: &'static str,
    name: &'static str,
    flags: &'static [&'static str],
    kind: Kind,
    default: Default,
    help: &'static str,
) -> Entry {
    let argument = match (flags.is_empty(), kind) {
        (true, _) => Argument::Nowhere,
        (false, Kind::Bool) => Argument::Flag(true),
        (false, Kind::TextList) => Argument::Many,
        _ => Argument::One,
    };
    let metavar = match kind {
        Kind::Number | Kind::Mode => "INT",
        _ => "STRING",
    };
    Entry {
        name,
        section,
        flags,
        argument,
        metavar,
        kind,
        default,
        help,
        status: Status::NotYet,
        note: "",
    }
}

impl Entry {
    /// Acted upon by `apply`.
    pub(super) const fn honoured(mut self, apply: Apply) -> Entry {
        self.status = Status::Honoured(apply);
        self
    }

    /// Accepted; there is nothing to do, because.
    pub(super) const fn no_effect(mut self, reason: &'static str) -> Entry {
        self.status = Status::NoEffect(reason);
        self
    }

    /// The server does not start with it.
    pub(super) const fn refused(mut self, reason: &'static str) -> Entry {
        self.status = Status::Refused(reason);
        self
    }

    /// What the help text calls the value.
    pub(super) const fn metavar(mut self, metavar: &'static str) -> Entry {
        self.metavar = metavar;
        self
    }

    /// How it is written on the command line, where its kind does not say.
    pub(super) const fn argument(mut self, argument: Argument) -> Entry {
        self.argument = argument;
        self
    }

    /// What a reader of the compatibility page should know.
    pub(super) const fn note(mut self, note: &'static str) -> Entry {
        self.note = note;
        self
    }

    /// Its value when nobody sets it.
    pub(super) fn default_value(&self, environment: &Environment) -> RawValue {
        let text = |text: &&str| RawValue::Text((*text).to_owned());
        match self.default {
            Default::None => RawValue::None,
            Default::Bool(on) => RawValue::Bool(on),
            Default::Int(number) => RawValue::Int(number),
            Default::Text(word) => text(&word),
            Default::List(items) => RawValue::List(items.iter().map(text).collect()),
            Default::Map(items) => RawValue::Map(
                items
                    .iter()
                    .map(|(key, value)| ((*key).to_owned(), text(value)))
                    .collect(),
            ),
            Default::Function(name) => RawValue::Callable {
                name: name.to_owned(),
                positional: match self.kind {
                    Kind::Hook(arity) => Some(arity),
                    _ => None,
                },
            },
            Default::Computed(compute) => compute(environment),
        }
    }

    /// Whether it is a hook.
    pub(super) fn is_hook(&self) -> bool {
        matches!(self.kind, Kind::Hook(_) | Kind::PostRequest)
    }
}

/// All settings, in the order of the help text.
pub(super) fn entries() -> impl Iterator<Item = &'static Entry> + Clone {
    [
        processes::ENTRIES,
        mechanics::ENTRIES,
        logging::ENTRIES,
        hooks::ENTRIES,
        protocols::ENTRIES,
    ]
    .into_iter()
    .flatten()
}

/// All settings, in the order of `--print-config`: by name.
pub(super) fn by_name() -> Vec<&'static Entry> {
    let mut sorted: Vec<_> = entries().collect();
    sorted.sort_by_key(|entry| entry.name);
    sorted
}

/// The setting of this name.
pub(super) fn find(name: &str) -> Option<&'static Entry> {
    entries().find(|entry| entry.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gunicorn::report::print_config;

    /// gunicorn's own table, as seen on a run of it.
    const SETTINGS: &str = include_str!("settings.tsv");

    #[test]
    fn the_table_is_gunicorns_name_by_name() {
        let environment = Environment {
            variables: std::collections::BTreeMap::new(),
            directory: std::path::PathBuf::from("/"),
            program: String::new(),
        };
        let theirs = SETTINGS.lines().filter(|line| !line.starts_with('#'));
        let ours = by_name();
        assert_eq!(theirs.clone().count(), ours.len());
        for (line, entry) in theirs.zip(ours) {
            let columns: Vec<&str> = line.split('\t').collect();
            let [name, flags, default] = columns.as_slice() else {
                panic!("three columns: {line}");
            };
            assert_eq!(entry.name, *name);
            let own = if entry.flags.is_empty() {
                "-".to_owned()
            } else {
                entry.flags.join(" ")
            };
            assert_eq!(own, *flags, "{name}");
            assert!(
                !matches!(entry.status, Status::NotYet),
                "{name}: honoured, refused or without effect"
            );
            if *default != "*" {
                let printed = print_config(&[(entry.name.to_owned(), entry.default_value(&environment))]);
                assert_eq!(printed, format!("{name:34} = {default}\n"));
            }
        }
    }
}
