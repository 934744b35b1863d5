//! The native dialect: `penstock [OPTIONS] MODULE:CALLABLE`, one table entry per option.
//!
//! There is no configuration file and no variable; the access log's notation is gunicorn's.

mod table;
mod values;

use lexopt::{Arg, Parser};
use table::OPTIONS;

use crate::address::application;
use crate::option::suggestion;
use crate::{Believed, ConfigError, Dialect, Environment, Outcome, Plan, RawValue, Settings};

/// What trusted peers are believed unless an option says otherwise.
const EVERYTHING: Believed = Believed {
    scheme: true,
    client: true,
    host: true,
    forwarded: true,
};

/// What a command line asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// `penstock MODULE:CALLABLE`: a server for an application.
    Server,
    /// `penstock cgi DIRECTORY`: a server for CGI scripts.
    Scripts,
    /// `penstock run-cgi MODULE:CALLABLE`: an application as a program that a web server starts.
    Program,
}

/// Reads the native command line (without the program's name).
///
/// # Errors
/// Exit code 2 for an option that is unknown or lacks its value, with a usage line; 1 for a value that is wrong.
pub fn native(args: &[String], environment: &Environment) -> Result<Outcome, ConfigError> {
    let program = &environment.program;
    let (role, args) = match args.first().map(String::as_str) {
        None => return Ok(Outcome::Print { text: help(program) }),
        Some("cgi") => (Role::Scripts, &args[1..]),
        Some("run-cgi") => (Role::Program, &args[1..]),
        Some(_) => (Role::Server, args),
    };
    let mut typed = Typed::new();
    if let Some(text) = typed.read(args, program)? {
        return Ok(Outcome::Print { text });
    }
    typed.name_what_is_served(role, program)?;
    let mut plan = Plan {
        settings: typed.settings,
        notices: Vec::new(),
        remarks: Vec::new(),
        hooks: Vec::new(),
        values: typed.values,
    };
    if role == Role::Program {
        return Ok(Outcome::RunCgi(plan));
    }
    if plan.settings.binds.is_empty() {
        values::bind(&mut plan.settings, "127.0.0.1:8000").map_err(ConfigError::new)?;
    }
    Ok(Outcome::Serve(plan))
}

/// A command line as far as it has been read.
struct Typed {
    settings: Settings,
    /// Options with their values, in the order they were typed.
    values: Vec<(String, RawValue)>,
    /// The application, or the directory of scripts.
    positional: Option<String>,
}

impl Typed {
    fn new() -> Typed {
        Typed {
            settings: Settings {
                believed: EVERYTHING,
                ..Settings::new(Dialect::Native)
            },
            values: Vec::new(),
            positional: None,
        }
    }

    /// Takes everything in; `Some` is a text that was asked for instead of a server.
    fn read(&mut self, args: &[String], program: &str) -> Result<Option<String>, ConfigError> {
        let mut parser = Parser::from_args(args);
        let refused = |error: lexopt::Error| refuse(program, &error.to_string());
        while let Some(argument) = parser.next().map_err(refused)? {
            let entry = match argument {
                Arg::Short('h') | Arg::Long("help") => return Ok(Some(help(program))),
                Arg::Short('V') | Arg::Long("version") => {
                    return Ok(Some(format!("penstock {}\n", env!("CARGO_PKG_VERSION"))));
                }
                Arg::Value(value) => {
                    let value = value.to_string_lossy().into_owned();
                    if let Some(first) = &self.positional {
                        let message =
                            format!("unexpected argument '{value}': the application is '{first}' already");
                        return Err(refuse(program, &message));
                    }
                    self.positional = Some(value);
                    continue;
                }
                Arg::Short(letter) => OPTIONS
                    .iter()
                    .find(|entry| entry.short == Some(letter))
                    .ok_or_else(|| refuse(program, &format!("unknown option '-{letter}'")))?,
                Arg::Long(name) => OPTIONS
                    .iter()
                    .find(|entry| entry.long == name)
                    .ok_or_else(|| unknown(program, name))?,
            };
            let value = if entry.metavar.is_empty() {
                String::new()
            } else {
                parser.value().map_err(refused)?.to_string_lossy().into_owned()
            };
            (entry.apply)(&mut self.settings, &value).map_err(|reason| {
                ConfigError::new(format!("Error: --{} (command line): {reason}", entry.long))
            })?;
            self.values.push((entry.long.to_owned(), RawValue::Text(value)));
        }
        Ok(None)
    }

    /// What the positional argument means for `role`. It also names the processes, unless an option does.
    fn name_what_is_served(&mut self, role: Role, program: &str) -> Result<(), ConfigError> {
        let settings = &mut self.settings;
        let Some(positional) = self.positional.take() else {
            return match role {
                Role::Server if !settings.cgi.mounts.is_empty() => Ok(()),
                Role::Scripts => Err(refuse(
                    program,
                    "no directory: name the one that holds the scripts",
                )),
                Role::Server | Role::Program => Err(refuse(
                    program,
                    "no application: name it, MODULE:CALLABLE, for example demo:app",
                )),
            };
        };
        settings.process_name.get_or_insert_with(|| positional.clone());
        match role {
            Role::Scripts => settings.cgi.mounts.push(values::cgi_mount(&positional)),
            Role::Server | Role::Program => {
                settings.application = Some(application(&positional, "application"));
            }
        }
        Ok(())
    }
}

fn unknown(program: &str, name: &str) -> ConfigError {
    let known: Vec<String> = OPTIONS.iter().map(|entry| format!("--{}", entry.long)).collect();
    let near = suggestion(&format!("--{name}"), known.iter().map(String::as_str));
    refuse(program, &format!("unknown option '--{name}'{near}"))
}

fn refuse(program: &str, message: &str) -> ConfigError {
    ConfigError {
        message: format!("usage: {program} [OPTIONS] MODULE:CALLABLE\n{program}: error: {message}"),
        exit_code: 2,
    }
}

fn help(program: &str) -> String {
    let mut out = format!(
        "usage: {program} [OPTIONS] MODULE:CALLABLE\n\nServes a Python web application, for example: {program} demo:app\n\n\
         commands:\n  {program} gunicorn ...      as gunicorn: its options, configuration file and signals\n  \
         {program} uvicorn ...       as uvicorn: its options and variables\n  {program} cgi DIRECTORY     the CGI scripts of a directory\n  \
         {program} run-cgi ...       MODULE:CALLABLE as a CGI program, started by a web server\n  {program} uwsgi ...         as uWSGI: its options, ini files and signals\n\noptions:\n"
    );
    for entry in OPTIONS {
        let short = entry
            .short
            .map_or_else(|| "    ".to_owned(), |letter| format!("-{letter}, "));
        let default = match entry.default {
            "" => String::new(),
            default => format!(" [{default}]"),
        };
        let flags = format!("{short}--{} {}", entry.long, entry.metavar);
        out.push_str(&format!("  {flags:38} {}{default}\n", entry.help));
    }
    out.push_str(&format!("  {:38} show this text and exit\n", "-h, --help"));
    out.push_str(&format!("  {:38} show the version and exit\n", "-V, --version"));
    out
}
