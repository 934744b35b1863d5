//! Conditions and loops in uWSGI configurations: `if-env`, `if-exists`, `for`, ... up to the next `end`.
//!
//! There is no nesting and no `else`. A loop repeats each following line for all items before the next line.

use super::ini::hostname;
use super::known;
use super::reader::Given;
use crate::glob;
use crate::{Environment, Pattern};

/// What happens to the lines of a block: each is put on the list once for every item, which `%(_)` stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Logic {
    /// The items; none when a condition does not hold. `None` is an item without a text: `%(_)` stays as it is written.
    pub(super) items: Vec<Option<String>>,
}

/// Whether an option closes a block.
pub(super) fn is_end(name: &str) -> bool {
    matches!(name, "end" | "endif" | "end-if" | "endfor" | "end-for")
}

/// Whether an option opens a block.
pub(super) fn is_logic(name: &str) -> bool {
    let looks_like_one = name == "for"
        || name.starts_with("for-")
        || name.starts_with("if-")
        || matches!(name, "ifenv" | "ifexists" | "ifdir" | "ifplugin");
    // `if-not-directory` is none: uWSGI takes it for a variable of the user's own.
    looks_like_one && known::find(name).is_some()
}

/// Reads the opening of a block; the error is a sentence.
pub(super) fn decide(
    name: &str,
    value: &str,
    given: &[Given],
    environment: &Environment,
) -> Result<Logic, String> {
    let path = environment.directory.join(value);
    let items: Vec<String> = match name {
        "for" => value.split_whitespace().map(str::to_owned).collect(),
        // As a shell does, it keeps a pattern that matches nothing.
        "for-glob" => Some(glob::expand(&environment.directory, value))
            .filter(|found| !found.is_empty())
            .unwrap_or_else(|| vec![value.to_owned()]),
        "for-times" => (1..=value.trim().parse::<u32>().unwrap_or(0))
            .map(|number| number.to_string())
            .collect(),
        "for-readline" => std::fs::read_to_string(&path)
            .map_err(|error| format!("cannot read {value}: {error}"))?
            .lines()
            .map(str::to_owned)
            .collect(),
        _ => return condition(name, value, given, environment),
    };
    Ok(Logic {
        items: items.into_iter().map(Some).collect(),
    })
}

fn condition(name: &str, value: &str, given: &[Given], environment: &Environment) -> Result<Logic, String> {
    let path = environment.directory.join(value);
    let short = name
        .strip_prefix("if-")
        .or_else(|| name.strip_prefix("if"))
        .unwrap_or(name);
    let (negated, what) = match short.strip_prefix("not-") {
        Some(what) => (true, what),
        None => (false, short),
    };
    let found = match what {
        "env" => compare(value, |name| environment.variables.get(name).cloned()),
        "opt" => compare(value, |name| first(given, name)),
        "exists" => path.exists().then(|| value.to_owned()),
        "file" => path.is_file().then(|| value.to_owned()),
        "dir" | "directory" => path.is_dir().then(|| value.to_owned()),
        "hostname" => (hostname() == value).then(|| value.to_owned()),
        "reload" => None,
        "plugin" => super::table::plugins::is_builtin_plugin(value).then(|| value.to_owned()),
        "hostname-match" => Pattern::new(value)?
            .matches(&hostname())
            .then(|| value.to_owned()),
        _ => return Err("there is no such condition".to_owned()),
    };
    let items = match (negated, found) {
        (false, Some(item)) => vec![Some(item)],
        (true, None) => vec![without_match(what, value, given, environment)],
        _ => Vec::new(),
    };
    Ok(Logic { items })
}

/// What `%(_)` is under a condition that holds because nothing was found: the other value of a variable or option, or the
/// path or name that was looked for. Where there is neither it has no text.
fn without_match(what: &str, value: &str, given: &[Given], environment: &Environment) -> Option<String> {
    let (name, _) = value.split_once('=').unwrap_or((value, ""));
    match what {
        "env" => environment.variables.get(name).cloned(),
        "opt" => first(given, name),
        "reload" => None,
        _ => Some(value.to_owned()),
    }
}

fn first(given: &[Given], name: &str) -> Option<String> {
    let one = given.iter().find(|given| given.name == name);
    one.map(|given| given.value.clone())
}

/// `NAME`, or `NAME=VALUE` for an equal value: the value found.
fn compare(text: &str, look_up: impl Fn(&str) -> Option<String>) -> Option<String> {
    match text.split_once('=') {
        Some((name, wanted)) => look_up(name).filter(|value| value == wanted),
        None => look_up(text),
    }
}
