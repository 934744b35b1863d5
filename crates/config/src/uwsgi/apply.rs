//! From what was given to settings: each option acts by its entry in the table, from top to bottom, and then what depends on
//! several of them is settled (`finish`). All faults are told together, so that a file is put right in one go.

use std::collections::BTreeSet;

use super::reader::{Given, Reader, fault};
use super::table::{Draft, Text};
use super::{doubles, finish, is_switched_on, known, printed, table};
use crate::option::{Origin, Status, suggestion};
use crate::{ConfigError, Environment, Plan, RawValue};

/// What has been made of the options so far.
struct Applied<'a> {
    draft: Draft<'a>,
    notices: Vec<String>,
    faults: Vec<ConfigError>,
    /// Options without effect that have been told of.
    said: BTreeSet<&'static str>,
    /// Unknown keys are faults.
    strict: bool,
    /// Names that the configuration refers to: its own variables.
    referred: Vec<String>,
}

/// The plan, or everything that is wrong with the configuration.
pub(super) fn plan(reader: Reader<'_>, environment: &Environment) -> Result<Plan, ConfigError> {
    let Reader {
        given,
        mut notices,
        referred,
        remarks,
        ..
    } = reader;
    notices.extend(doubles::notices(&given));
    let mut draft = Draft::new(environment);
    draft.abstract_sockets = is_switched_on(&given, "abstract-socket");
    draft.shared_sockets = shared_sockets(&given, &mut notices);
    draft.roots = table::rights::Roots::of(&given, &environment.directory);
    let mut applied = Applied {
        draft,
        notices,
        faults: Vec::new(),
        said: BTreeSet::new(),
        strict: given
            .iter()
            .any(|given| given.name == "strict" && known::is_on(&given.value)),
        referred,
    };
    for one in given.iter().filter(|given| !given.settled) {
        applied.take(one);
    }
    applied.plan(&given).map(|plan| Plan { remarks, ..plan })
}

impl Applied<'_> {
    fn take(&mut self, one: &Given) {
        let Some(known) = known::find(&one.name) else {
            return self.unknown(one);
        };
        let Some(entry) = table::find(&one.name) else {
            return; // it has acted while the configuration was read
        };
        if !matches!(entry.status, Status::Honoured(_))
            && (says_off(known.kind, &one.value) || !self.said.insert(known.name))
        {
            return;
        }
        let value = without_comment(one, entry.text, known.kind, &mut self.notices);
        let (origin, name) = (&one.origin, &one.name);
        match entry.status {
            Status::Honoured(apply) => {
                if let Err(reason) = apply(&mut self.draft, value) {
                    self.faults.push(fault(origin, name, &with_remedy(reason, value)));
                }
            }
            Status::Refused(reason) => self.faults.push(fault(origin, name, reason)),
            Status::NoEffect(reason) => self
                .notices
                .push(format!("{origin}: {name} has no effect: {reason}")),
            Status::NotYet => self
                .notices
                .push(format!("{origin}: {name} is not there yet and is ignored")),
        }
        let notices = self.draft.notices.drain(..);
        self.notices
            .extend(notices.map(|notice| format!("{origin}: {name}: {notice}")));
    }

    /// A key that is no option: the user's own variable if something refers to it, else most likely a misspelling.
    fn unknown(&mut self, one: &Given) {
        let Given { origin, name, .. } = one;
        let near = suggestion(name, known::all().iter().map(|known| known.name));
        if self.strict {
            self.faults.push(ConfigError::new(format!(
                "{origin}: [strict-mode] unknown config directive: {name}{near}"
            )));
        } else if !self.referred.contains(name) {
            self.notices
                .push(format!("{origin}: unknown option {name} is ignored{near}"));
        }
    }

    /// What has come of all of them.
    fn plan(mut self, given: &[Given]) -> Result<Plan, ConfigError> {
        if self.faults.is_empty() {
            self.faults.extend(finish::finish(&mut self.draft, given).err());
            self.notices.append(&mut self.draft.notices);
        }
        let shown = self.draft.show.then(|| printed::configuration(given));
        if !self.faults.is_empty() {
            let faults = self.faults.into_iter().map(|fault| fault.message);
            // What was ignored may be what is missing: a key that is misspelt, a section.
            let messages: Vec<_> = self.notices.into_iter().chain(shown).chain(faults).collect();
            return Err(ConfigError::new(messages.join("\n")));
        }
        self.notices.extend(shown);
        Ok(Plan {
            settings: self.draft.settings,
            notices: self.notices,
            remarks: Vec::new(),
            hooks: Vec::new(),
            values: values(given),
        })
    }
}

/// The addresses that others name by their number, in order; one that is not named is told of: nothing listens there.
fn shared_sockets(given: &[Given], notices: &mut Vec<String>) -> Vec<String> {
    let names = |number: &str, one: &Given| {
        let rest = one
            .value
            .strip_prefix('=')
            .and_then(|rest| rest.strip_prefix(number));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('?'))
    };
    let shared = given
        .iter()
        .filter(|one| matches!(&*one.name, "shared-socket" | "undeferred-shared-socket"));
    let mut addresses = Vec::new();
    for one in shared {
        let number = addresses.len().to_string();
        if !given.iter().any(|other| names(&number, other)) {
            notices.push(format!(
                "{}: {}: nothing listens at {}: no socket names it as ={number}",
                one.origin, one.name, one.value
            ));
        }
        addresses.push(one.value.clone());
    }
    addresses
}

/// A value that still shows a variable or placeholder has its reason there.
fn with_remedy(reason: String, value: &str) -> String {
    match (value.contains("$("), value.contains("%(")) {
        (true, _) => format!("{reason} (the environment variable in '{value}' is not set)"),
        (_, true) => format!("{reason} (the placeholder in '{value}' is not defined)"),
        _ => reason,
    }
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
