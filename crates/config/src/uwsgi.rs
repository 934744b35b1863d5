//! The uwsgi dialect: variables, command line and ini files of uWSGI 2.0.31.
//!
//! Everything given becomes one list, which is applied from top to bottom: the last value of an option counts, lists
//! grow. So, low to high: variables < command line < files named as bare arguments, and `--ini` in its own place.

mod command_line;
mod doubles;
mod expand;
mod explain;
mod formats;
#[cfg(test)]
mod fuzzed;
mod ini;
mod json;
mod known;
mod logic;
#[cfg(test)]
mod page;
mod reader;
mod routes;
mod source;
mod table;
mod xml;
mod yaml;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use reader::{Command, Given, Reader, fault};
use table::{Draft, Text};

use crate::option::{Origin, Status, suggestion};
use crate::{Application, Bind, ConfigError, Environment, Outcome, Plan, RawValue, Wire, address};

#[cfg(test)]
pub(crate) use page::page;

/// The version whose options these are: what `--version` and `%V` say.
const VERSION: &str = "2.0.31";

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
        Some(Command::Help) => help(&environment.program),
        Some(Command::Version) => format!("{VERSION}\n"),
        Some(Command::Plugins) => PLUGINS.to_owned(),
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

/// What `--plugins-list` says: which of uWSGI's plugins have their abilities built in here.
const PLUGINS: &str = "*** uWSGI loaded generic plugins ***\ncorerouter\n\n*** uWSGI loaded request plugins ***\n0: python\n\
                       --- end of plugins list ---\n\n";

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

fn plan(reader: Reader<'_>, environment: &Environment) -> Result<Plan, ConfigError> {
    let Reader {
        given,
        mut notices,
        referred,
        ..
    } = reader;
    let strict = given
        .iter()
        .any(|given| given.name == "strict" && known::is_on(&given.value));
    notices.extend(doubles::notices(&given));
    let mut draft = Draft::new(environment);
    draft.abstract_sockets = is_switched_on(&given, "abstract-socket");
    draft.roots = table::rights::Roots::of(&given, &environment.directory);
    let mut said = BTreeSet::new();
    // All of them, so that a file is put right in one go.
    let mut faults = Vec::new();
    for one in given.iter().filter(|given| !given.settled) {
        let Some(known) = known::find(&one.name) else {
            faults.extend(unknown(one, strict, &referred, &mut notices).err());
            continue;
        };
        let Some(entry) = table::find(&one.name) else {
            // It has acted while the configuration was read.
            continue;
        };
        if !matches!(entry.status, Status::Honoured(_))
            && (says_off(known.kind, &one.value) || !said.insert(known.name))
        {
            continue;
        }
        let value = without_comment(one, entry.text, known.kind, &mut notices);
        match entry.status {
            Status::Honoured(apply) => faults.extend(
                apply(&mut draft, value)
                    .map_err(|reason| fault(&one.origin, &one.name, &with_remedy(reason, value)))
                    .err(),
            ),
            Status::Refused(reason) => faults.push(fault(&one.origin, &one.name, reason)),
            Status::NoEffect(reason) => {
                notices.push(format!("{}: {} has no effect: {reason}", one.origin, one.name));
            }
            Status::NotYet => {
                notices.push(format!(
                    "{}: {} is not there yet and is ignored",
                    one.origin, one.name
                ));
            }
        }
        notices.extend(
            draft
                .notices
                .drain(..)
                .map(|notice| format!("{}: {}: {notice}", one.origin, one.name)),
        );
    }
    if faults.is_empty() {
        faults.extend(finish(&mut draft, &given).err());
        notices.append(&mut draft.notices);
    }
    if !faults.is_empty() {
        let shown = draft.show.then(|| show(&given));
        let messages: Vec<_> = shown
            .iter()
            .map(String::as_str)
            .chain(faults.iter().map(|fault| fault.message.as_str()))
            .collect();
        return Err(ConfigError::new(messages.join("\n")));
    }
    if draft.show {
        notices.push(show(&given));
    }
    Ok(Plan {
        settings: draft.settings,
        notices,
        remarks: Vec::new(),
        hooks: Vec::new(),
        values: values(&given),
    })
}

/// Whether an option that decides what others mean is on, wherever it stands.
fn is_switched_on(given: &[Given], name: &str) -> bool {
    let last = given.iter().rev().find(|one| one.name == name);
    last.is_some_and(|one| known::is_on(&one.value))
}

/// A value that still shows a variable or placeholder has its reason there.
fn with_remedy(reason: String, value: &str) -> String {
    match (value.contains("$("), value.contains("%(")) {
        (true, _) => format!("{reason} (the environment variable in '{value}' is not set)"),
        (_, true) => format!("{reason} (the placeholder in '{value}' is not defined)"),
        _ => reason,
    }
}

/// A key that is no option: the user's own variable if something refers to it, else most likely a misspelling.
fn unknown(
    one: &Given,
    strict: bool,
    referred: &[String],
    notices: &mut Vec<String>,
) -> Result<(), ConfigError> {
    let near = suggestion(&one.name, known::all().iter().map(|known| known.name));
    if strict {
        return Err(ConfigError::new(format!(
            "{}: [strict-mode] unknown config directive: {}{near}",
            one.origin, one.name
        )));
    }
    if !referred.contains(&one.name) {
        notices.push(format!(
            "{}: unknown option {} is ignored{near}",
            one.origin, one.name
        ));
    }
    Ok(())
}

/// Whether a value switches its option off, so that there is nothing to say about it.
fn says_off(kind: known::Kind, value: &str) -> bool {
    match kind {
        known::Kind::Flag => !known::is_on(value),
        known::Kind::Number => value.trim() == "0",
        known::Kind::Word | known::Kind::Text => false,
    }
}

/// Cuts ` # comment` or ` ; comment` off a value in a file. uWSGI has no such comments, but these values fail with
/// them; a boolean does not, and is read as uWSGI reads it.
fn without_comment<'a>(one: &'a Given, text: Text, kind: known::Kind, notices: &mut Vec<String>) -> &'a str {
    let value = one.value.as_str();
    let comment = [" #", " ;", "\t#", "\t;"]
        .iter()
        .filter_map(|mark| value.find(mark))
        .min();
    let (Text::Plain, Origin::File { .. }, Some(start)) = (text, &one.origin, comment) else {
        return value;
    };
    let kept = value[..start].trim_end();
    if kind == known::Kind::Flag {
        if !known::is_on(kept) {
            notices.push(format!(
                "{}: {}: '{value}' means on, because a comment cannot follow a value: put it on a line of its own",
                one.origin, one.name
            ));
        }
        return value;
    }
    notices.push(format!(
        "{}: {}: '{}' is taken for a comment: put it on a line of its own",
        one.origin,
        one.name,
        value[start..].trim()
    ));
    kept
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

/// What depends on several options.
fn finish(draft: &mut Draft<'_>, given: &[Given]) -> Result<(), ConfigError> {
    let wire = match draft.protocol.as_str() {
        "uwsgi" => Wire::Uwsgi,
        "http" | "http11" => Wire::Http1,
        "fastcgi" => Wire::Fastcgi,
        "scgi" => Wire::Scgi,
        other => {
            let one = given.iter().rev().find(|given| given.name.ends_with("protocol"));
            let origin = one.map_or(Origin::Default, |one| one.origin.clone());
            let text = format!("the protocol {other} is not there: uwsgi, http, fastcgi and scgi are");
            return Err(fault(&origin, one.map_or("protocol", |one| &one.name), &text));
        }
    };
    let is_emperor =
        table::emperor::finish(draft).map_err(|reason| ConfigError::new(format!("emperor: {reason}")))?;
    if draft.listeners.is_empty() && !is_emperor {
        return Err(ConfigError::new(
            "nothing to listen on: give socket, http-socket or http, for example --http-socket 127.0.0.1:8000",
        ));
    }
    table::web::finish(draft).map_err(|reason| ConfigError::new(format!("Error: {reason}")))?;
    draft.settings.binds = draft
        .listeners
        .drain(..)
        .map(|listener| Bind {
            address: listener.address,
            wire: listener.wire.unwrap_or(wire),
            allow_from: listener.allow_from,
            status_line: listener.status_line,
        })
        .collect();
    draft.settings.application = application(draft);
    table::limits::finish(draft).map_err(ConfigError::new)?;
    table::loading::finish(draft);
    table::commons::finish(draft).map_err(|reason| ConfigError::new(format!("Error: {reason}")))?;
    table::statistics::finish(draft);
    table::alarms::finish(draft).map_err(ConfigError::new)?;
    table::scaling::finish(draft).map_err(|reason| ConfigError::new(format!("cheaper: {reason}")))?;
    if let Err(reason) = routes::check(&draft.settings.routes) {
        return Err(ConfigError::new(format!("route: {reason}")));
    }
    if let (1, Some(threads)) = (draft.settings.threads, draft.greenlets) {
        draft.settings.threads = threads;
    }
    if draft.settings.greenlets {
        draft.settings.threads = 1;
    }
    table::logs::finish(draft);
    Ok(())
}

/// The module comes before the file, as in uWSGI, and PasteDeploy before both.
fn application(draft: &Draft<'_>) -> Option<Application> {
    if let Some(spec) = &draft.paste {
        return Some(crate::gunicorn::pasted(spec, RawValue::List(Vec::new())));
    }
    let callable = draft.callable.as_deref();
    if let Some(module) = &draft.module {
        let mut application = address::application(module, callable.unwrap_or("application"));
        if let Application::Module { callable_given, .. } = &mut application {
            *callable_given |= callable.is_some();
        }
        return Some(application);
    }
    draft.file.as_ref().map(|path| Application::File {
        path: PathBuf::from(path),
        callable: callable.unwrap_or("application").to_owned(),
    })
}

/// What was given, by name: lists where an option stands more than once, and nothing where it has no value.
fn values(given: &[Given]) -> Vec<(String, RawValue)> {
    let mut out: Vec<(String, RawValue)> = Vec::new();
    for Given {
        name, value, origin, ..
    } in given
    {
        let takes_none =
            || known::find(name).is_some_and(|known| known.argument != known::Argument::Required);
        let is_bare = *origin == Origin::CommandLine && value == "true" && takes_none();
        let value = RawValue::Text(if is_bare { String::new() } else { value.clone() });
        match out.iter_mut().find(|(known, _)| known == name) {
            None => out.push((name.clone(), value)),
            Some((_, RawValue::List(items))) => items.push(value),
            Some((_, one)) => *one = RawValue::List(vec![one.clone(), value]),
        }
    }
    out
}

fn show(given: &[Given]) -> String {
    let lines: String = given
        .iter()
        .map(|one| format!("{} = {}\n", one.name, one.value))
        .collect();
    format!(";uWSGI instance configuration\n[uwsgi]\n{lines};end of configuration")
}

/// The help text: every option, with what it means here.
fn help(program: &str) -> String {
    let mut out = format!("Usage: {program} [options...] [FILE.ini | FILE.py | MODULE:CALLABLE]\n");
    for known in known::all() {
        let short = known
            .short
            .map(|letter| format!("-{letter}|"))
            .unwrap_or_default();
        let value = match known.argument {
            known::Argument::None => "",
            known::Argument::Optional => "[=value]",
            known::Argument::Required => " <value>",
        };
        let help = match table::find(known.name) {
            Some(entry) => entry.help.to_owned(),
            None => "acts while the configuration is read".to_owned(),
        };
        out.push_str(&format!(
            "    {:40} {help}\n",
            format!("{short}--{}{value}", known.name)
        ));
    }
    out
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
