//! uWSGI's command line, with the manners of getopt_long: long options may be shortened while unambiguous, an
//! optional value needs `=`, letters may be bundled, other arguments may stand anywhere and are read last.

use super::known::{self, Argument, Known};
use crate::ConfigError;
use crate::option::suggestion;

/// A command line, taken apart.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// Options in their order, with their value; `true` for those without.
    pub(super) options: Vec<(&'static str, String)>,
    /// The other arguments, in their order.
    pub(super) others: Vec<String>,
    /// `--check`, an option of our own: explain the configuration and exit.
    pub(super) check: bool,
}

/// Takes a command line apart. `program` begins the error messages.
pub(super) fn parse(args: &[String], program: &str) -> Result<Line, ConfigError> {
    let mut line = Line::default();
    let mut rest = args.iter();
    let refuse = |message: String| ConfigError::new(format!("{program}: {message}"));
    while let Some(argument) = rest.next() {
        if argument == "--" {
            line.others.extend(rest.cloned());
            break;
        }
        if argument == "--check" {
            line.check = true;
        } else if let Some(long) = argument.strip_prefix("--") {
            let option = long_option(long, &mut rest).map_err(refuse)?;
            line.options.push(option);
        } else if argument.len() > 1 && argument.starts_with('-') {
            letters(&argument[1..], &mut rest, &mut line).map_err(refuse)?;
        } else {
            line.others.push(argument.clone());
        }
    }
    Ok(line)
}

fn long_option<'a>(
    text: &str,
    rest: &mut impl Iterator<Item = &'a String>,
) -> Result<(&'static str, String), String> {
    let (typed, value) = match text.split_once('=') {
        Some((name, value)) => (name, Some(value.to_owned())),
        None => (text, None),
    };
    let known = resolve(typed)?;
    let name = known.name;
    match (known.argument, value) {
        (Argument::None, Some(_)) => Err(format!("option '--{name}' doesn't allow an argument")),
        (Argument::None | Argument::Optional, None) => Ok((name, "true".to_owned())),
        (Argument::Optional | Argument::Required, Some(value)) => Ok((name, value)),
        (Argument::Required, None) => match rest.next() {
            Some(value) => Ok((name, value.clone())),
            None => Err(format!("option '--{name}' requires an argument")),
        },
    }
}

fn resolve(typed: &str) -> Result<&'static Known, String> {
    if let Some(known) = known::find(typed) {
        return Ok(known);
    }
    let candidates: Vec<_> = known::all()
        .iter()
        .filter(|known| known.name.starts_with(typed))
        .collect();
    match candidates.as_slice() {
        [known] => Ok(known),
        [] => {
            let near = suggestion(typed, known::all().iter().map(|known| known.name));
            Err(format!("unrecognized option '--{typed}'{near}"))
        }
        several => {
            let names: Vec<_> = several
                .iter()
                .map(|known| format!("'--{}'", known.name))
                .collect();
            Err(format!(
                "option '--{typed}' is ambiguous; possibilities: {}",
                names.join(" ")
            ))
        }
    }
}

fn letters<'a>(
    text: &str,
    rest: &mut impl Iterator<Item = &'a String>,
    line: &mut Line,
) -> Result<(), String> {
    let mut characters = text.chars();
    while let Some(letter) = characters.next() {
        let known = known::all()
            .iter()
            .find(|known| known.short == Some(letter))
            .ok_or_else(|| format!("invalid option -- '{letter}'"))?;
        let attached = characters.as_str();
        match known.argument {
            Argument::None => line.options.push((known.name, "true".to_owned())),
            Argument::Optional | Argument::Required if !attached.is_empty() => {
                line.options.push((known.name, attached.to_owned()));
                return Ok(());
            }
            Argument::Optional => line.options.push((known.name, "true".to_owned())),
            Argument::Required => {
                let value = rest
                    .next()
                    .ok_or_else(|| format!("option requires an argument -- '{letter}'"))?;
                line.options.push((known.name, value.clone()));
            }
        }
    }
    Ok(())
}
