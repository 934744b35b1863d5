//! Collects options from everywhere into one list, top to bottom: variables, command line, files; then expands them.
//!
//! What uWSGI calls immediate acts here, while it is read: files that are included, `set`, conditions and loops,
//! `strict`, and the commands (`--help`, `--reload`). Everything else is only put on the list, with its origin.

use std::path::PathBuf;

use super::ini::{self, Magic};
use super::known;
use super::logic::{Logic, decide, is_end, is_logic};
use super::{command_line, expand};
use crate::option::Origin;
use crate::{ConfigError, Environment, PidfileRequest};

/// Files in files, at most.
const DEEPEST: usize = 32;

/// Variables that uWSGI keeps for itself.
const RESERVED: [&str; 8] = [
    "UWSGI_RELOADS",
    "UWSGI_VASSALS_DIR",
    "UWSGI_EMPEROR_FD",
    "UWSGI_BROODLORD_NUM",
    "UWSGI_EMPEROR_FD_CONFIG",
    "UWSGI_EMPEROR_PROXY",
    "UWSGI_JAIL_PID",
    "UWSGI_ORIGINAL_PROC_NAME",
];

/// One option or variable as it was written.
#[derive(Clone, Debug)]
pub(super) struct Given {
    /// Its name.
    pub(super) name: String,
    /// Its value; empty for a bare key.
    pub(super) value: String,
    /// Where it stands.
    pub(super) origin: Origin,
    /// It has acted while it was read, or is a variable made with `set`.
    pub(super) settled: bool,
}

/// An option that does something else than starting a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// `--help`
    Help,
    /// `--version`
    Version,
    /// `--reload`, `--stop`
    Signal(PathBuf, PidfileRequest),
}

/// The list and the state of reading.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    environment: &'a Environment,
    /// Everything given, in order.
    pub(super) given: Vec<Given>,
    /// Notices so far.
    pub(super) notices: Vec<String>,
    /// The first command met.
    pub(super) command: Option<Command>,
    /// Names that values refer to: variables of the user's own.
    pub(super) referred: Vec<String>,
    logic: Option<Logic>,
    first: Option<Magic>,
    last_file: Option<String>,
    depth: usize,
}

/// An error at a place.
pub(super) fn fault(origin: &Origin, name: &str, reason: &str) -> ConfigError {
    ConfigError::new(format!("{origin}: {name}: {reason}"))
}

impl<'a> Reader<'a> {
    /// An empty list.
    pub(super) fn new(environment: &'a Environment) -> Self {
        Reader {
            environment,
            given: Vec::new(),
            notices: Vec::new(),
            command: None,
            referred: Vec::new(),
            logic: None,
            first: None,
            last_file: None,
            depth: 0,
        }
    }

    /// Every variable UWSGI_X_Y is the option x-y.
    pub(super) fn add_variables(&mut self) -> Result<(), ConfigError> {
        for (variable, value) in &self.environment.variables {
            let Some(rest) = variable.strip_prefix("UWSGI_") else {
                continue;
            };
            if !rest.is_empty() && !RESERVED.contains(&variable.as_str()) {
                let name = rest.to_lowercase().replace('_', "-");
                self.add(&name, value, &Origin::Variable(variable.clone()))?;
            }
        }
        Ok(())
    }

    /// The options of a command line, then its other arguments.
    pub(super) fn add_line(&mut self, args: &[String]) -> Result<(), ConfigError> {
        let line = command_line::parse(args, &self.environment.program)?;
        for (name, value) in &line.options {
            self.add(name, value, &Origin::CommandLine)?;
        }
        for other in &line.others {
            self.add_other(other)?;
        }
        Ok(())
    }

    fn add_other(&mut self, argument: &str) -> Result<(), ConfigError> {
        let origin = Origin::CommandLine;
        let file = argument
            .rsplit_once(".ini:")
            .map_or(argument, |(stem, _)| &argument[..stem.len() + 4]);
        if argument.starts_with('[') {
            return Ok(());
        }
        if file.ends_with(".ini") || unreadable_format(argument).is_some() {
            return self.load("ini", argument, &origin);
        }
        if argument.ends_with(".py") {
            return self.add("wsgi-file", argument, &origin);
        }
        let module = argument.split(':').next().unwrap_or_default();
        let dotted = |text: &str| text.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '.');
        if argument.contains(':') && !module.is_empty() && dotted(module) {
            return self.add("module", argument, &origin);
        }
        Err(ConfigError::new(format!(
            "unable to load configuration from {argument}: name an .ini file, a .py file or MODULE:CALLABLE"
        )))
    }

    /// Puts one option on the list, unless a condition or loop around it has its say.
    fn add(&mut self, name: &str, value: &str, origin: &Origin) -> Result<(), ConfigError> {
        if is_end(name) {
            self.logic = None;
            return Ok(());
        }
        let Some(logic) = self.logic.clone() else {
            return self.put(name, value, origin);
        };
        if is_logic(name) {
            return Err(fault(
                origin,
                name,
                "recursive logic in options is not supported: end the block first",
            ));
        }
        for item in &logic.items {
            self.put(name, &value.replace("%(_)", item), origin)?;
        }
        Ok(())
    }

    fn put(&mut self, name: &str, value: &str, origin: &Origin) -> Result<(), ConfigError> {
        let mut settled = true;
        match name {
            _ if is_logic(name) => {
                let logic = decide(name, value, &self.given, self.environment)
                    .map_err(|reason| fault(origin, name, &reason))?;
                self.logic = Some(logic);
            }
            "ini" | "include" | "inherit" | "config" => return self.load(name, value, origin),
            "xml" | "xmlconfig" | "yaml" | "yml" | "json" | "js" => {
                return Err(fault(
                    origin,
                    name,
                    "this format is not there yet: write the configuration as ini",
                ));
            }
            "set" | "set-placeholder" | "set-ph" => return self.set(name, value, origin),
            "help" | "usage" => self.want(Command::Help),
            "version" => self.want(Command::Version),
            "reload" => self.want(Command::Signal(value.into(), PidfileRequest::Reload)),
            "stop" => self.want(Command::Signal(value.into(), PidfileRequest::Stop)),
            "pause" | "suspend" | "resume" | "connect-and-read" | "signal" => {
                return Err(fault(origin, name, "this command is not there yet"));
            }
            _ => settled = false,
        }
        self.given.push(Given {
            name: name.to_owned(),
            value: value.to_owned(),
            origin: origin.clone(),
            settled,
        });
        Ok(())
    }

    fn want(&mut self, command: Command) {
        self.command.get_or_insert(command);
    }

    fn set(&mut self, how: &str, text: &str, origin: &Origin) -> Result<(), ConfigError> {
        let Some((name, value)) = text.split_once('=') else {
            return Err(fault(origin, how, &format!("'{text}' has to be NAME=VALUE")));
        };
        let is_option = known::find(name).is_some();
        if how != "set" && is_option {
            return Err(fault(
                origin,
                how,
                &format!("'{name}' is an option and cannot be a placeholder"),
            ));
        }
        if is_option {
            return self.put(name, value, origin);
        }
        let (name, value, origin) = (name.to_owned(), value.to_owned(), origin.clone());
        self.given.push(Given {
            name,
            value,
            origin,
            settled: true,
        });
        Ok(())
    }

    /// Reads a file in place of the option that names it.
    fn load(&mut self, option: &str, given: &str, origin: &Origin) -> Result<(), ConfigError> {
        let spelled = expand::placeholders(
            &expand::variables(given, &self.environment.variables),
            &self.given,
        );
        let (file, section) = self
            .file_and_section(&spelled)
            .map_err(|reason| fault(origin, option, &reason))?;
        if self.depth == DEEPEST {
            return Err(fault(origin, option, "files include each other without end"));
        }
        let directory = &self.environment.directory;
        let bytes = std::fs::read(directory.join(&file))
            .map_err(|error| fault(origin, option, &format!("cannot read {file}: {error}")))?;
        let text = String::from_utf8_lossy(&bytes);
        let magic = Magic::new(&file, &section, directory);
        let first = self.first.get_or_insert_with(|| magic.clone()).clone();
        let text = ini::replace_magic(&text, &magic, &first, directory);
        let wanted = if section.is_empty() { "uwsgi" } else { &section };
        let outer = self.last_file.replace(file.clone());
        let Some(pairs) = ini::section(&text, wanted) else {
            self.notices.push(format!(
                "{origin}: {file} has no section [{wanted}]: nothing was read from it"
            ));
            return Ok(());
        };
        self.depth += 1;
        for pair in pairs {
            let origin = Origin::File {
                path: file.clone(),
                line: Some(pair.line),
            };
            self.add(&pair.key, &pair.value, &origin)?;
        }
        self.depth -= 1;
        // `ini = :section` means the file that stands around it again.
        self.last_file = outer.or(Some(file));
        Ok(())
    }

    fn file_and_section(&self, given: &str) -> Result<(String, String), String> {
        if let Some(section) = given.strip_prefix(':') {
            let file = self.last_file.clone().ok_or("no file has been read before it")?;
            return Ok((file, section.to_owned()));
        }
        if given.contains("://") || given == "-" {
            return Err(format!(
                "reading a configuration from '{given}' is not there yet: name a file"
            ));
        }
        if let Some(format) = unreadable_format(given) {
            return Err(format!(
                "{given}: {format} is not there yet: write the configuration as ini"
            ));
        }
        let whole = || (given.to_owned(), String::new());
        Ok(match given.rsplit_once(':') {
            Some((file, section)) => (file.to_owned(), section.to_owned()),
            None => whole(),
        })
    }

    /// Replaces `$(VARIABLE)`, then `@(file)`, then `%(option)` in what has not acted yet.
    pub(super) fn expand(&mut self) -> Result<(), ConfigError> {
        for index in 0..self.given.len() {
            self.given[index].value =
                expand::variables(&self.given[index].value, &self.environment.variables);
        }
        for index in 0..self.given.len() {
            let Given {
                name, value, origin, ..
            } = &self.given[index];
            self.given[index].value = expand::files(value, &self.environment.directory)
                .map_err(|reason| fault(origin, name, &reason))?;
        }
        for index in 0..self.given.len() {
            expand::names(&self.given[index].value, &mut self.referred);
            self.given[index].value = expand::placeholders(&self.given[index].value, &self.given);
        }
        Ok(())
    }
}

/// The name of a format that cannot be read yet, by the file's suffix.
fn unreadable_format(file: &str) -> Option<&'static str> {
    [
        (".yaml", "YAML"),
        (".yml", "YAML"),
        (".json", "JSON"),
        (".js", "JSON"),
        (".xml", "XML"),
    ]
    .into_iter()
    .find(|(suffix, _)| file.ends_with(suffix) || file.contains(&format!("{suffix}:")))
    .map(|(_, format)| format)
}
