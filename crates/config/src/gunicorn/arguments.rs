//! gunicorn's command line, with the manners of Python's argparse that its users see.
//!
//! Long options may be shortened while they stay unambiguous; `--option=value`, `-w4`, `-w=4` and bundled flags
//! (`-Dw4`) work; the application may stand anywhere, further positional arguments are ignored; what looks like an
//! option is never taken for a value. Refusals exit with 2 under a usage line.

use super::kind;
use super::table::{self, Argument, Entry};
use crate::option::suggestion;
use crate::{ConfigError, RawValue};

/// A setting as it stood on a command line.
#[derive(Debug)]
pub(super) struct Given {
    /// The setting.
    pub(super) entry: &'static Entry,
    /// Its value, converted but not checked. Options that may be repeated are a list.
    pub(super) value: RawValue,
}

/// A command line, taken apart.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// The settings, each once, in table order.
    pub(super) given: Vec<Given>,
    /// The application, if there was a positional argument.
    pub(super) application: Option<String>,
    /// `--help` or `--version` was met first.
    pub(super) information: Option<Information>,
}

/// An option that prints something and ends the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Information {
    /// `-h`, `--help`
    Help,
    /// `-v`, `--version`
    Version,
}

#[derive(Clone, Copy, Debug)]
enum Target {
    Setting(&'static Entry),
    Information(Information),
}

const INFORMATION: [(&str, Information); 4] = [
    ("-h", Information::Help),
    ("--help", Information::Help),
    ("-v", Information::Version),
    ("--version", Information::Version),
];

/// Takes a command line apart. `program` is what the usage line calls the command.
pub(super) fn parse(args: &[String], program: &str) -> Result<Line, ConfigError> {
    Parser {
        args,
        next: 0,
        line: Line::default(),
        unknown: Vec::new(),
    }
    .run()
    .map_err(|message| refuse(program, &message))
}

/// The usage line and an error under it.
pub(super) fn refuse(program: &str, message: &str) -> ConfigError {
    ConfigError {
        message: format!("usage: {program} [OPTIONS] [APP_MODULE]\n{program}: error: {message}"),
        exit_code: 2,
    }
}

/// Every option with what it stands for.
fn flags() -> impl Iterator<Item = (&'static str, Target)> {
    let information = INFORMATION
        .into_iter()
        .map(|(flag, what)| (flag, Target::Information(what)));
    let settings = table::entries().flat_map(|entry| {
        entry
            .flags
            .iter()
            .map(move |flag| (*flag, Target::Setting(entry)))
    });
    information.chain(settings)
}

fn exact(flag: &str) -> Option<Target> {
    flags()
        .find(|(known, _)| *known == flag)
        .map(|(_, target)| target)
}

/// What argparse makes of one argument.
enum Meaning {
    Positional,
    Option {
        flag: String,
        target: Target,
        value: Option<String>,
    },
    Unknown,
}

struct Parser<'a> {
    args: &'a [String],
    next: usize,
    line: Line,
    unknown: Vec<String>,
}

impl Parser<'_> {
    fn run(mut self) -> Result<Line, String> {
        while let Some(argument) = self.args.get(self.next) {
            self.next += 1;
            if argument == "--" {
                let rest = self.args.get(self.next..).unwrap_or_default();
                self.line.application = self.line.application.or_else(|| rest.first().cloned());
                break;
            }
            match classify(argument)? {
                Meaning::Positional => {
                    self.line.application.get_or_insert_with(|| argument.clone());
                }
                Meaning::Unknown => self.unknown.push(argument.clone()),
                Meaning::Option { flag, target, value } => self.take(&flag, target, value)?,
            }
            if self.line.information.is_some() {
                return Ok(self.line);
            }
        }
        if let Some(first) = self.unknown.first() {
            let name = first.split('=').next().unwrap_or(first);
            let near = suggestion(
                name,
                flags()
                    .map(|(flag, _)| flag)
                    .filter(|flag| flag.starts_with("--")),
            );
            return Err(format!(
                "unrecognized arguments: {}{near}",
                self.unknown.join(" ")
            ));
        }
        Ok(self.line)
    }

    fn take(&mut self, flag: &str, target: Target, value: Option<String>) -> Result<(), String> {
        let entry = match target {
            Target::Information(what) => {
                self.line.information = Some(what);
                return Ok(());
            }
            Target::Setting(entry) => entry,
        };
        match entry.argument {
            Argument::Nowhere => Ok(()),
            Argument::Flag(on) => {
                self.set(entry, RawValue::Bool(on));
                match value {
                    None => Ok(()),
                    // `-Dw4`: the rest of a bundle of short letters.
                    Some(rest) if is_short(flag) => self.bundle(entry, &rest),
                    Some(rest) => Err(format!(
                        "argument {}: ignored explicit argument '{rest}'",
                        label(entry)
                    )),
                }
            }
            Argument::Optional(default) => {
                let value = match value {
                    Some(value) => value,
                    None => self.following()?.unwrap_or_else(|| default.to_owned()),
                };
                self.set(entry, RawValue::Text(value));
                Ok(())
            }
            Argument::One | Argument::Many => {
                let value = match value {
                    Some(value) => value,
                    None => self
                        .following()?
                        .ok_or_else(|| format!("argument {}: expected one argument", label(entry)))?,
                };
                let value = kind::from_command_line(entry.kind, &value)
                    .map_err(|kind| format!("argument {}: invalid {kind} value: '{value}'", label(entry)))?;
                self.set(entry, value);
                Ok(())
            }
        }
    }

    fn bundle(&mut self, entry: &Entry, rest: &str) -> Result<(), String> {
        let mut characters = rest.chars();
        let flag = characters
            .next()
            .map(|letter| format!("-{letter}"))
            .unwrap_or_default();
        let Some(target) = exact(&flag) else {
            return Err(format!(
                "argument {}: ignored explicit argument '{rest}'",
                label(entry)
            ));
        };
        let rest = characters.as_str();
        self.take(&flag, target, (!rest.is_empty()).then(|| rest.to_owned()))
    }

    /// The next argument, if it can be a value.
    fn following(&mut self) -> Result<Option<String>, String> {
        let Some(argument) = self.args.get(self.next) else {
            return Ok(None);
        };
        if argument == "--" || !matches!(classify(argument)?, Meaning::Positional) {
            return Ok(None);
        }
        self.next += 1;
        Ok(Some(argument.clone()))
    }

    fn set(&mut self, entry: &'static Entry, value: RawValue) {
        let earlier = self
            .line
            .given
            .iter_mut()
            .find(|given| given.entry.name == entry.name);
        match (entry.argument, earlier) {
            (
                Argument::Many,
                Some(Given {
                    value: RawValue::List(items),
                    ..
                }),
            ) => items.push(value),
            (Argument::Many, _) => self.line.given.push(Given {
                entry,
                value: RawValue::List(vec![value]),
            }),
            (_, Some(given)) => given.value = value,
            (_, None) => self.line.given.push(Given { entry, value }),
        }
    }
}

fn classify(argument: &str) -> Result<Meaning, String> {
    if !argument.starts_with('-') || argument == "-" {
        return Ok(Meaning::Positional);
    }
    if let Some(target) = exact(argument) {
        return Ok(Meaning::Option {
            flag: argument.to_owned(),
            target,
            value: None,
        });
    }
    let (name, value) = match argument.split_once('=') {
        Some((name, value)) => (name, Some(value.to_owned())),
        None => (argument, None),
    };
    if let (Some(target), Some(_)) = (exact(name), &value) {
        return Ok(Meaning::Option {
            flag: name.to_owned(),
            target,
            value,
        });
    }
    if name.starts_with("--") {
        let candidates: Vec<_> = flags().filter(|(flag, _)| flag.starts_with(name)).collect();
        return match candidates.as_slice() {
            [] if is_value(argument) => Ok(Meaning::Positional),
            [] => Ok(Meaning::Unknown),
            [(flag, target)] => Ok(Meaning::Option {
                flag: (*flag).to_owned(),
                target: *target,
                value,
            }),
            several => {
                let names: Vec<_> = several.iter().map(|(flag, _)| *flag).collect();
                Err(format!(
                    "ambiguous option: {argument} could match {}",
                    names.join(", ")
                ))
            }
        };
    }
    let letter: String = argument.chars().take(2).collect();
    match exact(&letter) {
        Some(target) => {
            let rest = argument[letter.len()..].to_owned();
            Ok(Meaning::Option {
                flag: letter,
                target,
                value: Some(rest),
            })
        }
        None if is_value(argument) => Ok(Meaning::Positional),
        None => Ok(Meaning::Unknown),
    }
}

/// Negative numbers, and texts with spaces, are values although they begin with a dash.
fn is_value(argument: &str) -> bool {
    argument.parse::<f64>().is_ok() || argument.contains(' ')
}

fn is_short(flag: &str) -> bool {
    !flag.starts_with("--")
}

fn label(entry: &Entry) -> String {
    entry.flags.join("/")
}
