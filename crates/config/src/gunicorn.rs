//! The gunicorn dialect: the command line, the variables and the configuration file of gunicorn 27.
//!
//! Low to high, each layer replaces a setting whole: default < environment (PORT, WEB_CONCURRENCY,
//! FORWARDED_ALLOW_IPS, SENDFILE) < configuration file < GUNICORN_CMD_ARGS < command line. The configuration file is
//! Python and is run by the caller. What each setting means stands in the table.

mod arguments;
mod kind;
#[cfg(test)]
mod page;
mod paste;
mod python;
mod report;
mod table;
mod words;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use arguments::{Given, Information, Line};
use paste::Pasted;
use table::{Draft, Entry};

use crate::address::application;
use crate::option::{Origin, Status};
use crate::uvicorn::WSGI_THREADS;
use crate::{
    Bind, ConfigError, Dialect, Environment, GUNICORN_VERSION, Outcome, Plan, PythonSource, RawValue,
    Settings, Wire,
};

#[cfg(test)]
pub(crate) use page::page;

/// The configuration file that is read when there is one and none was named.
const DEFAULT_FILE: &str = "./gunicorn.conf.py";

/// How the caller runs a Python configuration: it returns the module's globals whose names are
/// [`gunicorn_setting_names`], with their values.
pub type Evaluate<'a> = &'a mut dyn FnMut(&PythonSource) -> Result<Vec<(String, RawValue)>, ConfigError>;

/// The names that mean something in a gunicorn configuration file: settings and hooks.
pub fn gunicorn_setting_names() -> impl Iterator<Item = &'static str> {
    table::entries().map(|entry| entry.name)
}

/// Reads a gunicorn command line (without the program's name) and what belongs to it.
///
/// # Errors
/// Exit code 2 for what gunicorn's argument parser refuses, with its usage line; 1 for everything else, beginning
/// with `Error:` or, for a value in the configuration file, `Invalid value for NAME:`. Errors of `evaluate` are
/// handed on unchanged.
pub fn gunicorn(
    args: &[String],
    environment: &Environment,
    evaluate: Evaluate<'_>,
) -> Result<Outcome, ConfigError> {
    let program = &environment.program;
    let line = arguments::parse(args, program)?;
    let from_variable = variable_line(environment)?;
    match line.information.or(from_variable.information) {
        Some(Information::Version) => {
            return Ok(Outcome::Print {
                text: format!("gunicorn (version {GUNICORN_VERSION})\n"),
            });
        }
        Some(Information::Help) => {
            return Ok(Outcome::Print {
                text: report::help(program),
            });
        }
        None => {}
    }
    let application = line.application.clone();
    let mut values = Values::new(environment);
    values.add_environment()?;
    values.add_file(&line, &from_variable, evaluate)?;
    values.add_line(from_variable, &Origin::Variable("GUNICORN_CMD_ARGS".to_owned()))?;
    values.add_line(line, &Origin::CommandLine)?;
    let plan = values.plan(application)?;
    let wanted = |name| {
        plan.values
            .iter()
            .any(|(known, value)| known == name && value.is_on())
    };
    Ok(if wanted("print_config") {
        Outcome::PrintConfig {
            text: report::print_config(&plan.values),
            plan,
        }
    } else if wanted("check_config") {
        Outcome::CheckConfig(plan)
    } else {
        Outcome::Serve(plan)
    })
}

/// gunicorn's settings, by name, with their defaults in this environment.
///
/// # Errors
/// A variable that changes a default has no usable value.
pub fn gunicorn_defaults(environment: &Environment) -> Result<Vec<(String, RawValue)>, ConfigError> {
    let mut values = Values::new(environment);
    values.add_environment()?;
    Ok(values.all())
}

/// GUNICORN_CMD_ARGS, parsed as a command line; an application in it is ignored.
fn variable_line(environment: &Environment) -> Result<Line, ConfigError> {
    let Some(text) = environment.variables.get("GUNICORN_CMD_ARGS") else {
        return Ok(Line::default());
    };
    let program = &environment.program;
    let args = words::split(text).map_err(|reason| {
        ConfigError::new(format!("Error: environment variable GUNICORN_CMD_ARGS: {reason}"))
    })?;
    arguments::parse(&args, program).map_err(|mut error| {
        error
            .message
            .push_str(" (in the environment variable GUNICORN_CMD_ARGS)");
        error
    })
}

/// The layers put on top of each other: for each setting its value and where it came from.
struct Values<'a> {
    environment: &'a Environment,
    set: BTreeMap<&'static str, (RawValue, Origin)>,
}

impl<'a> Values<'a> {
    fn new(environment: &'a Environment) -> Self {
        Values {
            environment,
            set: BTreeMap::new(),
        }
    }

    fn check(&self, entry: &Entry, value: RawValue, origin: &Origin) -> Result<RawValue, ConfigError> {
        kind::validate(entry.kind, value, &self.environment.directory)
            .map_err(|reason| bad_value(entry.name, origin, &reason))
    }

    fn add(&mut self, entry: &'static Entry, value: RawValue, origin: &Origin) -> Result<(), ConfigError> {
        let value = self.check(entry, value, origin)?;
        self.set.insert(entry.name, (value, origin.clone()));
        Ok(())
    }

    /// The variables that change defaults.
    fn add_environment(&mut self) -> Result<(), ConfigError> {
        let variables = &self.environment.variables;
        if variables.contains_key("PORT") {
            let bind = required("bind");
            let value = bind.default_value(self.environment);
            self.add(bind, value, &Origin::Variable("PORT".to_owned()))?;
        }
        if let Some(text) = variables.get("WEB_CONCURRENCY") {
            let origin = Origin::Variable("WEB_CONCURRENCY".to_owned());
            let number = python::decimal(text).ok_or_else(|| {
                bad_value(
                    "workers",
                    &origin,
                    &format!("'{text}' is not a number of workers"),
                )
            })?;
            self.add(required("workers"), RawValue::Int(number), &origin)?;
        }
        if let Some(text) = variables.get("FORWARDED_ALLOW_IPS") {
            let origin = Origin::Variable("FORWARDED_ALLOW_IPS".to_owned());
            self.add(
                required("forwarded_allow_ips"),
                RawValue::Text(text.clone()),
                &origin,
            )?;
        }
        Ok(())
    }

    /// Runs the configuration file: the one named on a command line, or the default one if it exists.
    fn add_file(&mut self, line: &Line, variable: &Line, evaluate: Evaluate<'_>) -> Result<(), ConfigError> {
        let named = |line: &Line| {
            line.given
                .iter()
                .find(|given| given.entry.name == "config")
                .and_then(|given| given.value.text())
        };
        let Some((name, source)) = self.python_source(named(line).or_else(|| named(variable)))? else {
            return Ok(());
        };
        let origin = Origin::File {
            path: name,
            line: None,
        };
        for (name, value) in evaluate(&source)? {
            let Some(entry) = table::find(&name) else { continue };
            let shown = python::display(&value);
            self.add(entry, value, &origin).map_err(|error| {
                ConfigError::new(format!("Invalid value for {name}: {shown}\n\n{}", error.message))
            })?;
        }
        Ok(())
    }

    fn python_source(&self, named: Option<String>) -> Result<Option<(String, PythonSource)>, ConfigError> {
        let directory = &self.environment.directory;
        let Some(name) = named else {
            let exists = directory.join(DEFAULT_FILE).is_file();
            let source = (
                DEFAULT_FILE.to_owned(),
                PythonSource::File(PathBuf::from(DEFAULT_FILE)),
            );
            return Ok(exists.then_some(source));
        };
        if let Some(module) = name.strip_prefix("python:") {
            return Ok(Some((name.clone(), PythonSource::Module(module.to_owned()))));
        }
        let path = PathBuf::from(name.strip_prefix("file:").unwrap_or(&name));
        if !directory.join(&path).exists() {
            return Err(ConfigError::new(format!(
                "Error: '{}' doesn't exist",
                path.display()
            )));
        }
        Ok(Some((path.display().to_string(), PythonSource::File(path))))
    }

    fn add_line(&mut self, line: Line, origin: &Origin) -> Result<(), ConfigError> {
        for Given { entry, value } in line.given {
            self.add(entry, value, origin)?;
        }
        Ok(())
    }

    /// Applies what was set, in table order, to gunicorn's defaults.
    fn plan(mut self, application: Option<String>) -> Result<Plan, ConfigError> {
        let specification =
            application.or_else(|| self.set.get("wsgi_app").and_then(|(value, _)| value.text()));
        let checks_only = ["check_config", "print_config"]
            .iter()
            .any(|name| self.set.get(name).is_some_and(|(value, _)| value.is_on()));
        let pasted = self.set.get("paste").and_then(|(value, _)| value.text());
        let pasted = pasted
            .map(|spec| Pasted::find(&spec, &self.environment.directory))
            .transpose()?;
        if specification.is_none() && pasted.is_none() && !checks_only {
            return Err(ConfigError::new(
                "Error: No application module specified. Name it: MODULE:CALLABLE, for example app:app",
            ));
        }
        if let Some(text) = &specification {
            let value = (RawValue::Text(text.clone()), Origin::Default);
            self.set.insert("default_proc_name", value);
        }
        let mut draft = self.draft(specification.as_deref())?;
        if let Some(pasted) = pasted {
            let file = || (RawValue::Text(pasted.file.clone()), Origin::Default);
            self.set.insert("default_proc_name", file());
            if pasted.configures_logging {
                self.set.entry("logconfig").or_insert_with(file);
            }
            draft.settings.process_name = Some(pasted.file.clone());
            draft.paste = Some(pasted.uri);
        }
        for entry in table::entries() {
            let Some((value, origin)) = self.set.get(entry.name) else {
                continue;
            };
            apply(entry, value, origin, &mut draft)?;
        }
        finish(&mut draft);
        let wire = draft.wire;
        let unsaid = |bind: &&mut Bind| bind.wire == Wire::Http1;
        draft
            .settings
            .binds
            .iter_mut()
            .filter(unsaid)
            .for_each(|bind| bind.wire = wire);
        if draft.settings.binds.is_empty() {
            return Err(ConfigError::new(
                "Error: bind: no address to listen on. Give one: -b 127.0.0.1:8000",
            ));
        }
        let Draft {
            settings, notices, ..
        } = draft;
        Ok(Plan {
            settings,
            notices,
            remarks: Vec::new(),
            hooks: self.hooks(),
            values: self.all(),
        })
    }

    /// gunicorn's defaults as settings.
    fn draft(&self, specification: Option<&str>) -> Result<Draft<'a>, ConfigError> {
        let mut settings = Settings::new(Dialect::Gunicorn);
        let variables = &self.environment.variables;
        settings.application = specification.map(|text| application(text, "application"));
        settings.process_name = specification.map(str::to_owned);
        settings.timeouts.keep_alive = Duration::from_secs(2);
        settings.timeouts.request_deadline = Some(Duration::from_secs(30));
        settings.unix_sockets.umask = Some(0);
        settings.header_rules.conventional_methods = true;
        settings.header_rules.forwarder = vec!["SCRIPT_NAME".to_owned(), "PATH_INFO".to_owned()];
        if let Some(word) = variables.get("SENDFILE") {
            settings.sendfile = matches!(word.to_lowercase().as_str(), "y" | "yes" | "true" | "1");
        }
        if let Some(prefix) = variables.get("SCRIPT_NAME") {
            settings.script_name = prefix.trim_end_matches('/').to_owned();
        }
        let mut draft = Draft {
            settings,
            wire: Wire::Http1,
            notices: Vec::new(),
            paste: None,
            paste_globals: RawValue::List(Vec::new()),
            keep_output: false,
            environment: self.environment,
        };
        let bind = required("bind");
        apply(
            bind,
            &bind.default_value(self.environment),
            &Origin::Default,
            &mut draft,
        )?;
        Ok(draft)
    }

    /// The hooks that the configuration file sets and that are called here.
    fn hooks(&self) -> Vec<String> {
        table::entries()
            .filter(|entry| entry.is_hook() && matches!(entry.status, Status::Honoured(_)))
            .filter(|entry| self.set.contains_key(entry.name))
            .map(|entry| entry.name.to_owned())
            .collect()
    }

    /// All settings by name, with their effective values.
    fn all(&self) -> Vec<(String, RawValue)> {
        table::by_name()
            .into_iter()
            .map(|entry| {
                let value = self.set.get(entry.name).map(|(value, _)| value.clone());
                (
                    entry.name.to_owned(),
                    value.unwrap_or_else(|| entry.default_value(self.environment)),
                )
            })
            .collect()
    }
}

fn required(name: &str) -> &'static Entry {
    table::find(name).expect("the table has an entry for every setting this file names")
}

fn bad_value(name: &str, origin: &Origin, reason: &str) -> ConfigError {
    ConfigError::new(format!("Error: {reason} ({name}, from {origin})"))
}

fn apply(entry: &Entry, value: &RawValue, origin: &Origin, draft: &mut Draft<'_>) -> Result<(), ConfigError> {
    let unchanged = *value == entry.default_value(draft.environment);
    match entry.status {
        Status::Honoured(act) => act(draft, value).map_err(|reason| bad_value(entry.name, origin, &reason)),
        _ if unchanged => Ok(()),
        Status::Refused(_) if matches!(value, RawValue::None) || *value == RawValue::Text(String::new()) => {
            Ok(())
        }
        Status::Refused(reason) => Err(bad_value(entry.name, origin, reason)),
        Status::NoEffect(reason) => {
            draft
                .notices
                .push(format!("{} ({origin}) has no effect: {reason}", entry.name));
            Ok(())
        }
        Status::NotYet => {
            draft.notices.push(format!(
                "{} ({origin}) is not there yet and is ignored",
                entry.name
            ));
            Ok(())
        }
    }
}

/// The application that PasteDeploy describes, with NAME=VALUE pairs as its globals.
pub(crate) fn pasted(specification: &str, globals: RawValue) -> crate::Application {
    let arguments = [RawValue::Text(specification.to_owned()), globals];
    crate::Application::Module {
        module: "penstock._gunicorn.paste".to_owned(),
        callable: format!("load({})", python::joined(&arguments)),
        callable_given: true,
    }
}

/// What depends on several settings.
fn finish(draft: &mut Draft<'_>) {
    if let Some(spec) = draft.paste.take() {
        draft.settings.application = Some(pasted(&spec, draft.paste_globals.clone()));
    }
    if let Some(daemonize) = &mut draft.settings.daemonize {
        daemonize.keep_output = draft.keep_output;
    }
    let settings = &mut draft.settings;
    let descriptors: Vec<_> = settings
        .binds
        .iter()
        .filter(|bind| matches!(bind.address, crate::Address::Descriptor(_)))
        .cloned()
        .collect();
    if !descriptors.is_empty() && descriptors.len() < settings.binds.len() {
        draft
            .notices
            .push("bind: fd:// is given, so the other addresses are ignored".to_owned());
        settings.binds = descriptors;
    }
    if settings.asgi.expected && settings.threads == 1 {
        settings.threads = WSGI_THREADS;
    }
    let prefix = settings.env.iter().rev().find(|(name, _)| name == "SCRIPT_NAME");
    if let Some((_, prefix)) = prefix {
        settings.script_name = prefix.trim_end_matches('/').to_owned();
    }
}
