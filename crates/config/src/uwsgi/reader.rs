//! Collects options from everywhere into one list, top to bottom: variables, command line, files; then expands them.
//!
//! What uWSGI calls immediate acts here, while it is read: files that are included, `set`, conditions and loops,
//! `strict`, and the commands (`--help`, `--reload`). Everything else is only put on the list, with its origin.

mod declared;
mod files;

use std::path::PathBuf;

use super::formats::Format;
use super::ini::Magic;
use super::known::{self, leading_number};
use super::logic::{Logic, decide, is_end, is_logic};
use super::{command_line, expand};
use crate::option::Origin;
use crate::{ConfigError, Environment, PidfileRequest};
use files::split_section;

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

impl Given {
    /// Whether it acted on its value as it was written: what it names has been read by now.
    fn has_acted_unexpanded(&self) -> bool {
        let acts = super::reads(&self.name) && !matches!(self.name.as_str(), "print" | "get" | "exit");
        self.settled && acts
    }
}

/// An option that does something else than starting a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// `--help`
    Help,
    /// `--version`
    Version,
    /// `--reload`, `--stop`, `--pause`, `--resume`
    Signal(PathBuf, PidfileRequest),
    /// `--connect-and-read ADDRESS`
    ConnectAndRead(String),
    /// `--ping ADDRESS`
    Ping(String),
    /// `--get NAME`: the first value of an option or variable.
    Get(String),
    /// `--plugins-list`
    Plugins,
    /// `--exit`: the code.
    Exit(i64),
    /// `--check`: say what the configuration comes to.
    Check,
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
    /// The condition or loop that is being read.
    logic: Option<Logic>,
    /// The first file that was read.
    first: Option<Magic>,
    /// The one that `:section` means.
    last_file: Option<String>,
    /// Files that are being read, one inside the other.
    depth: usize,
    /// What is said of each file that was read, as uWSGI says it.
    pub(super) remarks: Vec<String>,
    /// Files read for `inherit`.
    inherited: usize,
    /// Options made with `declare-option`, and the options they stand for.
    declared: Vec<(String, Vec<(String, String)>)>,
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
            remarks: Vec::new(),
            inherited: 0,
            declared: Vec::new(),
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
        if line.check {
            self.want(Command::Check);
        }
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
        if argument.starts_with('[') {
            return Ok(());
        }
        if Format::of_file(split_section(argument).0).is_some() {
            return self.load("config", argument, &origin);
        }
        if argument.ends_with(".py") {
            return self.add("wsgi-file", argument, &origin);
        }
        let (module, port) = argument.split_once(':').unwrap_or((argument, ""));
        if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) {
            return self.add("http-socket", argument, &origin);
        }
        let dotted = |text: &str| text.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '.');
        if !port.is_empty() && !module.is_empty() && dotted(module) {
            return self.add("module", argument, &origin);
        }
        Err(ConfigError::new(format!(
            "unable to load configuration from {argument}: name an .ini, .yaml, .json or .xml file, a .py file, \
             MODULE:CALLABLE or :PORT"
        )))
    }

    /// A value as it reads at this point.
    fn spelled(&self, value: &str) -> Result<String, String> {
        expand::placeholders(
            &expand::variables(value, &self.environment.variables)?,
            &self.given,
        )
    }

    /// Puts one option on the list, unless a condition or loop around it has its say.
    fn add(&mut self, name: &str, value: &str, origin: &Origin) -> Result<(), ConfigError> {
        if is_end(name) {
            self.logic = None;
            self.push(name, value, origin, true);
            return Ok(());
        }
        let Some(logic) = self.logic.clone() else {
            return match self.put_declared(name, value, origin)? {
                true => Ok(()),
                false => self.put(name, value, origin),
            };
        };
        if is_logic(name) && !logic.items.is_empty() {
            return Err(fault(
                origin,
                name,
                "recursive logic in options is not supported: end the block first",
            ));
        }
        // A file that is included here is not part of the block.
        self.logic = None;
        for item in &logic.items {
            let value = item
                .as_ref()
                .map_or_else(|| value.to_owned(), |item| value.replace("%(_)", item));
            self.put(name, &value, origin)?;
        }
        self.logic = Some(logic);
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
            "ini" | "include" | "config" | "xml" | "xmlconfig" | "yaml" | "yml" | "json" | "js" => {
                self.push(name, value, origin, true);
                return self.load(name, value, origin);
            }
            "ini-paste" | "ini-paste-logged" => {
                self.push(name, value, origin, false);
                return self.load("ini", value, origin);
            }
            "declare-option" | "declare-option2" => return self.declare(name, value, origin),
            "set" | "set-placeholder" | "set-ph" => return self.set(name, value, origin),
            "help" | "usage" => self.want(Command::Help),
            "version" => self.want(Command::Version),
            "get" => self.want(Command::Get(value.to_owned())),
            "plugins-list" => self.want(Command::Plugins),
            "exit" => self.want(Command::Exit(leading_number(value))),
            "print" => {
                let text = self
                    .spelled(value)
                    .map_err(|reason| fault(origin, name, &reason))?;
                self.notices.push(text);
            }
            "reload" => self.want(Command::Signal(value.into(), PidfileRequest::Reload)),
            "stop" => self.want(Command::Signal(value.into(), PidfileRequest::Stop)),
            "pause" | "suspend" | "resume" => self.want(Command::Signal(value.into(), PidfileRequest::Pause)),
            "connect-and-read" => self.want(Command::ConnectAndRead(value.to_owned())),
            "ping" => self.want(Command::Ping(value.to_owned())),
            "ping-timeout" => {}
            _ => settled = false,
        }
        self.push(name, value, origin, settled);
        Ok(())
    }

    fn push(&mut self, name: &str, value: &str, origin: &Origin, settled: bool) {
        self.given.push(Given {
            name: name.to_owned(),
            value: value.to_owned(),
            origin: origin.clone(),
            settled,
        });
    }

    fn want(&mut self, command: Command) {
        self.command.get_or_insert(command);
    }

    fn set(&mut self, how: &str, text: &str, origin: &Origin) -> Result<(), ConfigError> {
        self.push(how, text, origin, true);
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
        self.push(name, value, origin, true);
        Ok(())
    }

    /// Replaces `$(VARIABLE)`, then `@(file)`, then `%(option)` in what has not acted yet.
    pub(super) fn expand(&mut self) -> Result<(), ConfigError> {
        let open: Vec<_> = (0..self.given.len())
            .filter(|&index| !self.given[index].has_acted_unexpanded())
            .collect();
        for &index in &open {
            let Given {
                name, value, origin, ..
            } = &self.given[index];
            self.given[index].value = expand::variables(value, &self.environment.variables)
                .map_err(|reason| fault(origin, name, &reason))?;
        }
        for &index in &open {
            let Given {
                name, value, origin, ..
            } = &self.given[index];
            self.given[index].value = expand::files(value, &self.environment.directory)
                .map_err(|reason| fault(origin, name, &reason))?;
        }
        for &index in &open {
            let Given {
                name, value, origin, ..
            } = &self.given[index];
            expand::names(value, &mut self.referred);
            self.given[index].value =
                expand::placeholders(value, &self.given).map_err(|reason| fault(origin, name, &reason))?;
        }
        Ok(())
    }
}
