//! The uvicorn dialect: `penstock uvicorn [OPTIONS] APP`, as uvicorn 0.54 reads its command line.
//!
//! An option comes from the command line or from `UVICORN_` and its name in capitals; the command line wins. There is no
//! configuration file. Wrong usage is said in click's words, with its exit code 2; what is found out later ends in 3.

mod page;
mod table;

use std::path::PathBuf;

use lexopt::{Arg, Parser};

use crate::option::{Origin, Status, nearest};
use crate::{
    Address, Application, Bind, ConfigError, Dialect, Environment, Interface, Level, LogTarget, Outcome,
    Plan, Processes, RawValue, Settings, Wire,
};

#[cfg(test)]
pub(crate) use page::page;
use table::{Entry, Kind, entries};

/// uvicorn's exit code for everything that goes wrong after its command line was understood.
const STARTUP_FAILURE: i32 = 3;

/// Application threads of a WSGI application: as many as uvicorn's own adapter has.
pub(crate) const WSGI_THREADS: u32 = 10;

/// What is being put together.
struct Draft {
    settings: Settings,
    host: String,
    port: u16,
    uds: Option<PathBuf>,
    fd: Option<i32>,
    is_factory: bool,
    interface: Interface,
    env_file: Option<PathBuf>,
    notices: Vec<String>,
    remarks: Vec<String>,
}

/// A value that was given, and where.
struct Given {
    entry: &'static Entry,
    value: String,
    origin: Origin,
}

/// Reads uvicorn's command line (without the program's name).
///
/// # Errors
/// Exit code 2 for what click refuses, with a usage line; 3 for the rest.
pub fn uvicorn(args: &[String], environment: &Environment) -> Result<Outcome, ConfigError> {
    let mut given = from_variables(environment)?;
    let mut specification = environment.variables.get("UVICORN_APP").cloned();
    let mut parser = Parser::from_args(args);
    let usage = |message: String| refuse(&environment.program, &message);
    let mut positional = Vec::new();
    while let Some(argument) = parser.next().map_err(without_usage)? {
        match argument {
            Arg::Long("help") => {
                return Ok(Outcome::Print {
                    text: page::help(&environment.program),
                });
            }
            Arg::Long("version") => {
                return Ok(Outcome::Print {
                    text: format!(
                        "Running uvicorn 0.54.0, served by Penstock {}\n",
                        env!("CARGO_PKG_VERSION")
                    ),
                });
            }
            Arg::Long(name) => {
                let name = name.to_owned();
                let (entry, given_as) = entry_called(&name).map_err(usage)?;
                let value = match given_as {
                    Some(value) => value.to_owned(),
                    None => parser
                        .value()
                        .map_err(without_usage)?
                        .to_string_lossy()
                        .into_owned(),
                };
                check(entry, &value, environment).map_err(usage)?;
                given.push(Given {
                    entry,
                    value,
                    origin: Origin::CommandLine,
                });
            }
            Arg::Short(letter) => return Err(usage(format!("No such option '-{letter}'."))),
            Arg::Value(value) => positional.push(value.to_string_lossy().into_owned()),
        }
    }
    if let [_, extra @ ..] = &positional[..]
        && !extra.is_empty()
    {
        let ending = if extra.len() > 1 { "s" } else { "" };
        let extra = extra.join(" ");
        return Err(usage(format!("Got unexpected extra argument{ending} ({extra})")));
    }
    if let Some(first) = positional.first() {
        specification = Some(first.clone());
    }
    let specification = specification.ok_or_else(|| usage("Missing argument 'APP'.".to_owned()))?;
    plan(&given, &specification, environment)
}

/// The option called `--name`, and the value that its name alone gives it.
fn entry_called(name: &str) -> Result<(&'static Entry, Option<&'static str>), String> {
    for entry in entries() {
        if entry.name == name {
            let value = matches!(entry.kind, Kind::Flag | Kind::Switch).then_some("true");
            return Ok((entry, value));
        }
        if let (Kind::Switch, Some(positive)) = (entry.kind, name.strip_prefix("no-"))
            && entry.name == positive
        {
            return Ok((entry, Some("false")));
        }
    }
    let positive = name.strip_prefix("no-");
    let known = entries().filter(|entry| positive.is_none() || matches!(entry.kind, Kind::Switch));
    let near = nearest(positive.unwrap_or(name), known.map(|entry| entry.name));
    let near = near.map_or_else(String::new, |near| {
        let no = positive.map_or("", |_| "no-");
        format!(" Did you mean '--{no}{near}'?")
    });
    Err(format!("No such option '--{name}'.{near}"))
}

/// What click says without a line about usage: a value that is missing, or one too many.
fn without_usage(error: lexopt::Error) -> ConfigError {
    let message = match error {
        lexopt::Error::MissingValue { option: Some(option) } => {
            format!("Option '{option}' requires an argument.")
        }
        lexopt::Error::UnexpectedValue { option, .. } => format!("Option '{option}' does not take a value."),
        other => other.to_string(),
    };
    ConfigError {
        message: format!("Error: {message}"),
        exit_code: 2,
    }
}

/// What stands in `UVICORN_*` variables, and in the two that uvicorn reads beside them; the later ones count.
fn from_variables(environment: &Environment) -> Result<Vec<Given>, ConfigError> {
    let mut given = Vec::new();
    for entry in entries() {
        let own = format!("UVICORN_{}", entry.name.to_uppercase().replace('-', "_"));
        let names = match entry.name {
            "workers" => vec![String::from("WEB_CONCURRENCY"), own],
            "forwarded-allow-ips" => vec![String::from("FORWARDED_ALLOW_IPS"), own],
            // uvicorn's own name for what may be given several times is the plural.
            _ if entry.is_multiple => vec![format!("{own}S"), own],
            _ => vec![own],
        };
        for name in names {
            let Some(value) = environment.variables.get(&name).filter(|value| !value.is_empty()) else {
                continue;
            };
            let values: Vec<&str> = if entry.is_multiple {
                value.split_whitespace().collect()
            } else {
                vec![value]
            };
            for value in values {
                check(entry, value, environment).map_err(|message| {
                    refuse(
                        &environment.program,
                        &format!("{message} (environment variable {name})"),
                    )
                })?;
                given.push(Given {
                    entry,
                    value: value.to_owned(),
                    origin: Origin::Variable(name.clone()),
                });
            }
        }
    }
    Ok(given)
}

/// Whether a value is of its option's kind; the error in click's words.
fn check(entry: &Entry, value: &str, environment: &Environment) -> Result<(), String> {
    let problem = match entry.kind {
        Kind::Text => None,
        // An empty path is for a `--log-config` that configures nothing.
        Kind::Path => (!value.is_empty() && !environment.directory.join(value).exists())
            .then(|| format!("Path '{value}' does not exist.")),
        Kind::Integer => value
            .parse::<i64>()
            .is_err()
            .then(|| format!("'{value}' is not a valid integer.")),
        Kind::Float => value
            .parse::<f64>()
            .is_err()
            .then(|| format!("'{value}' is not a valid float.")),
        Kind::Boolean | Kind::Flag | Kind::Switch => table::boolean(value).is_none().then(|| {
            format!(
                "'{value}' is not a valid boolean. Recognized values: {}",
                table::BOOLEANS
            )
        }),
        Kind::Choice(choices) => (!choices.contains(&value)).then(|| {
            let choices: Vec<_> = choices.iter().map(|choice| format!("'{choice}'")).collect();
            format!("'{value}' is not one of {}.", choices.join(", "))
        }),
    };
    match problem {
        Some(problem) => Err(format!("Invalid value for '--{}': {problem}", entry.name)),
        None => Ok(()),
    }
}

fn plan(given: &[Given], specification: &str, environment: &Environment) -> Result<Outcome, ConfigError> {
    let mut draft = Draft::new();
    let mut values = Vec::new();
    for Given { entry, value, origin } in given {
        let said = format!("--{} ({origin})", entry.name);
        match &entry.status {
            Status::Honoured(apply) => {
                apply(&mut draft, value).map_err(|reason| failed(&format!("{said}: {reason}")))?;
            }
            Status::NoEffect(reason) => {
                draft
                    .notices
                    .push(format!("accepted without effect: {said}, because {reason}"));
            }
            Status::NotYet => draft
                .notices
                .push(format!("{said} is not there yet and is ignored")),
            Status::Refused(reason) => return Err(failed(&format!("{said} is refused: {reason}"))),
        }
        values.push((entry.name.replace('-', "_"), RawValue::Text(value.clone())));
    }
    draft.settings.application = Some(application(specification, draft.is_factory)?);
    draft.settle(environment)?;
    Ok(Outcome::Serve(Plan {
        settings: draft.settings,
        notices: draft.notices,
        remarks: draft.remarks,
        hooks: Vec::new(),
        values,
    }))
}

fn application(specification: &str, is_factory: bool) -> Result<Application, ConfigError> {
    let Some((module, attribute)) = specification
        .split_once(':')
        .filter(|(module, attribute)| !module.is_empty() && !attribute.is_empty())
    else {
        return Err(failed(&format!(
            "Error loading ASGI app. Import string \"{specification}\" must be in format \"<module>:<attribute>\"."
        )));
    };
    let call = if is_factory { "()" } else { "" };
    Ok(Application::Module {
        module: module.to_owned(),
        callable: format!("{attribute}{call}"),
        callable_given: true,
    })
}

impl Draft {
    fn new() -> Draft {
        let mut settings = Settings::new(Dialect::Uvicorn);
        settings.believed.client = true;
        settings
            .header_rules
            .secure_scheme
            .retain(|(name, _)| name == "X-FORWARDED-PROTO");
        settings.asgi.expected = true;
        settings.threads = WSGI_THREADS;
        settings.timeouts.keep_alive = std::time::Duration::from_secs(5);
        settings.timeouts.graceful = table::FOREVER;
        settings.timeouts.interpreter = Some(std::time::Duration::from_secs(5));
        settings.logs.access = Some(LogTarget::Stdout);
        settings.logs.access_format = crate::UVICORN_ACCESS_FORMAT.to_owned();
        settings.process_titles = false;
        settings.unix_sockets.mode = Some(0o666);
        settings.reload_watch.interval = std::time::Duration::from_millis(250);
        Draft {
            settings,
            host: "127.0.0.1".to_owned(),
            port: 8000,
            uds: None,
            fd: None,
            is_factory: false,
            interface: Interface::Auto,
            env_file: None,
            notices: Vec::new(),
            remarks: Vec::new(),
        }
    }

    /// What depends on several options.
    fn settle(&mut self, environment: &Environment) -> Result<(), ConfigError> {
        let address = match (&self.uds, self.fd) {
            (_, Some(fd)) => Address::Descriptor(fd),
            (Some(path), None) => Address::Unix(path.clone()),
            (None, None) => Address::Tcp(self.host.clone(), self.port),
        };
        self.settings.binds = vec![Bind::new(address, Wire::Http1)];
        if self.settings.reload_on_change && self.settings.workers > 1 {
            self.settings.workers = 1;
            self.notices
                .push("\"workers\" flag is ignored when reloading is enabled.".to_owned());
        }
        if self.settings.workers == 1 {
            // Nobody looks after a process that is alone.
            self.settings.timeouts.interpreter = None;
        }
        self.settle_reload(environment);
        self.settings.logs.processes = match self.settings.workers {
            _ if self.settings.reload_on_change => Processes::Reloader,
            1 => Processes::One,
            _ => Processes::Several,
        };
        self.settings.interface = self.interface;
        if self.settings.log_config.is_some() {
            // What is written is decided by the loggers.
            self.settings.logs.level = Level::Debug;
        } else if self.settings.logs.level > Level::Info {
            // uvicorn's access lines have the level info.
            self.settings.logs.access = None;
        }
        if self.settings.forwarded_allow_ips.iter().any(|peer| peer == "*") {
            self.settings.forwarded_allow_ips = vec!["*".to_owned()];
        }
        self.read_env_file(environment)
    }

    /// What is watched: the working directory, unless directories are named.
    fn settle_reload(&mut self, environment: &Environment) {
        let watch = &mut self.settings.reload_watch;
        let patterns = [&watch.include, &watch.exclude];
        if !self.settings.reload_on_change {
            if !watch.directories.is_empty() || patterns.iter().any(|patterns| !patterns.is_empty()) {
                self.notices.push(
                    "Current configuration will not reload as not all conditions are met, please refer to documentation."
                        .to_owned(),
                );
            }
            return;
        }
        if watch.directories.is_empty() {
            watch.directories.push(PathBuf::from("."));
        }
        let absolute = |path: &PathBuf| std::fs::canonicalize(environment.directory.join(path));
        let mut watched: Vec<String> = watch
            .directories
            .iter()
            .filter_map(|path| absolute(path).ok())
            .map(|path| format!("'{}'", path.display()))
            .collect();
        watched.sort();
        watched.dedup();
        self.remarks.push(format!(
            "Will watch for changes in these directories: [{}]",
            watched.join(", ")
        ));
    }

    /// Variables of a `.env` file; what the environment has already stays.
    fn read_env_file(&mut self, environment: &Environment) -> Result<(), ConfigError> {
        let Some(path) = &self.env_file else {
            return Ok(());
        };
        let said = |error: &dyn std::fmt::Display| failed(&format!("--env-file {}: {error}", path.display()));
        let file = environment.directory.join(path);
        for pair in dotenvy::from_path_iter(file).map_err(|error| said(&error))? {
            let (name, value) = pair.map_err(|error| said(&error))?;
            if !environment.variables.contains_key(&name) {
                self.settings.env.push((name, value));
            }
        }
        self.remarks
            .push(format!("Loading environment from '{}'", path.display()));
        Ok(())
    }
}

fn failed(message: &str) -> ConfigError {
    ConfigError {
        message: format!("ERROR:    {message}"),
        exit_code: STARTUP_FAILURE,
    }
}

fn refuse(program: &str, message: &str) -> ConfigError {
    ConfigError {
        message: format!(
            "Usage: {program} [OPTIONS] APP\nTry '{program} --help' for help.\n\nError: {message}"
        ),
        exit_code: 2,
    }
}
