//! The uwsgi dialect: variables, command line and ini files of uWSGI 2.0.31.
//!
//! Everything given becomes one list, which is applied from top to bottom: the last value of an option counts, lists
//! grow. So, low to high: variables < command line < files named as bare arguments, and `--ini` in its own place.

mod apply;
mod command_line;
mod doubles;
mod expand;
mod explain;
mod finish;
mod formats;
#[cfg(test)]
mod fuzzed;
mod ini;
mod json;
mod known;
mod logic;
#[cfg(test)]
mod page;
mod printed;
mod reader;
mod routes;
mod source;
mod table;
mod xml;
mod yaml;

use std::time::Duration;

use apply::plan;
use reader::{Command, Given, Reader};

use crate::{ConfigError, Environment, Outcome, UWSGI_VERSION};

#[cfg(test)]
pub(crate) use page::page;

/// uWSGI's line for a request, in the notation of `log-format`: what [`crate::Logs::access_format`] holds under this
/// dialect when no `log-format` is given. `app`, `req`, `total` and `via` are the only names in it that `log-format` lacks.
pub const UWSGI_DEFAULT_FORMAT: &str = "[pid: %(pid)|app: %(app)|req: %(req)/%(total)] %(addr) (%(user)) \
     {%(vars) vars in %(pktsize) bytes} [%(ctime)] %(method) %(uri) => generated %(rsize) bytes in %(msecs) msecs%(via)\
     (%(proto) %(status)) %(headers) headers in %(hsize) bytes (%(switches) switches on core %(core))";

/// Reads a uWSGI command line (without the program's name), the variables and the files it names.
///
/// # Errors
/// Exit code 1, always; the message names file and line, variable or command line, and the option.
pub fn uwsgi(args: &[String], environment: &Environment) -> Result<Outcome, ConfigError> {
    let mut reader = Reader::new(environment);
    reader.add_variables()?;
    reader.add_line(args)?;
    let text = match &reader.command {
        Some(Command::Signal(pidfile, request)) => {
            let (pidfile, request) = (pidfile.clone(), *request);
            return Ok(Outcome::SignalPidfile { pidfile, request });
        }
        Some(Command::ConnectAndRead(address)) => {
            let address = address.clone();
            return Ok(Outcome::ConnectAndRead { address });
        }
        Some(Command::Ping(address)) => {
            let (address, timeout) = (address.clone(), ping_timeout(&reader.given));
            return Ok(Outcome::Ping { address, timeout });
        }
        Some(Command::Help) => printed::help(&environment.program),
        Some(Command::Version) => format!("{UWSGI_VERSION}\n"),
        Some(Command::Plugins) => printed::PLUGINS.to_owned(),
        _ => return expanded(reader, environment),
    };
    Ok(Outcome::Print { text })
}

/// `ping-timeout`, 3 seconds if it is not given.
fn ping_timeout(given: &[Given]) -> Duration {
    let one = given.iter().rev().find(|one| one.name == "ping-timeout");
    let seconds = one.map_or(0, |one| known::leading_number(&one.value));
    Duration::from_secs(
        u64::try_from(seconds)
            .ok()
            .filter(|seconds| *seconds > 0)
            .unwrap_or(3),
    )
}

/// What remains once every value has been expanded.
fn expanded(mut reader: Reader<'_>, environment: &Environment) -> Result<Outcome, ConfigError> {
    reader.expand()?;
    reader.inherit()?;
    match reader.command.clone() {
        Some(Command::Get(name)) => {
            let first = reader.given.iter().find(|one| one.name == name);
            let text = first.map(|one| format!("{}\n", one.value)).unwrap_or_default();
            Ok(Outcome::Print { text })
        }
        Some(Command::Exit(0)) => Ok(Outcome::Print { text: String::new() }),
        Some(Command::Exit(code)) => Err(ConfigError {
            message: reader.notices.join("\n"),
            exit_code: i32::try_from(code & 0xff).unwrap_or(1),
        }),
        Some(Command::Check) => {
            let options = explain::options(&reader.given, &reader.referred);
            match plan(reader, environment) {
                Ok(plan) => Ok(Outcome::Print {
                    text: options + &explain::outcome(&plan),
                }),
                Err(error) => Err(ConfigError::new(format!(
                    "{options}\nthe server would not start:\n{error}"
                ))),
            }
        }
        _ => plan(reader, environment).map(Outcome::Serve),
    }
}

/// Whether an option that decides what others mean is on, wherever it stands.
fn is_switched_on(given: &[Given], name: &str) -> bool {
    let last = given.iter().rev().find(|one| one.name == name);
    last.is_some_and(|one| known::is_on(&one.value))
}

/// Every name in the table.
#[cfg(test)]
pub(crate) fn meant_names() -> impl Iterator<Item = &'static str> {
    table::all().flat_map(|entry| entry.names).copied()
}

/// Options of uWSGI that neither act while they are read nor stand in a table.
#[cfg(test)]
pub(crate) fn names_without_a_status() -> impl Iterator<Item = &'static str> {
    let names = known::all().iter().map(|known| known.name);
    names.filter(|name| !reads(name) && table::find(name).is_none())
}

/// What becomes of an option, in the compatibility page's words; `None` when uWSGI has none of this name.
#[cfg(test)]
pub(crate) fn becomes(name: &str) -> Option<&'static str> {
    known::find(name)?;
    Some(
        table::find(name).map_or("acts while the configuration is read", |entry| {
            page::words(entry.status).0
        }),
    )
}

/// Whether uWSGI has an option of this name.
#[cfg(test)]
pub(crate) fn is_known(name: &str) -> bool {
    known::find(name).is_some()
}

/// Whether an option acts while the configuration is read, without an entry in the table.
fn reads(name: &str) -> bool {
    let words = [
        "ini",
        "yaml",
        "yml",
        "json",
        "js",
        "xml",
        "xmlconfig",
        "include",
        "inherit",
        "config",
        "declare-option",
        "declare-option2",
        "get",
        "print",
        "exit",
        "plugins-list",
        "set",
        "set-placeholder",
        "set-ph",
        "help",
        "usage",
    ];
    logic::is_logic(name)
        || logic::is_end(name)
        || words.contains(&name)
        || ["version", "reload", "stop", "pause", "suspend", "resume"].contains(&name)
        || ["connect-and-read", "ping", "ping-timeout"].contains(&name)
}
