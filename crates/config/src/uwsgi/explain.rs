//! What `--check` prints: every option given, where, and what it comes to here; then the notices that a start would log.

use super::reader::Given;
use super::{known, reads, table};
use crate::option::{Status, suggestion};
use crate::{Application, Plan};

/// A line for each option. `referred` are the names that values mention: those are variables of the user's own.
pub(super) fn options(given: &[Given], referred: &[String]) -> String {
    let mut out = String::new();
    for one in given {
        out.push_str(&format!(
            "{}: {}{}: {}\n",
            one.origin,
            one.name,
            shown(&one.value),
            meaning(&one.name, one.settled || referred.contains(&one.name))
        ));
    }
    out
}

/// What the whole comes to.
pub(super) fn outcome(plan: &Plan) -> String {
    let mut out = String::new();
    if !plan.notices.is_empty() {
        out.push_str("\nto know:\n");
    }
    for notice in &plan.notices {
        out.push_str(&format!("{notice}\n"));
    }
    let settings = &plan.settings;
    let application = match &settings.application {
        Some(Application::Module { module, callable, .. }) => format!("{callable} of the module {module}"),
        Some(Application::File { path, callable }) => format!("{callable} of the file {}", path.display()),
        None => "none".to_owned(),
    };
    out.push_str(&format!(
        "\nthe configuration can be read. application: {application}; workers: {}, threads in each: {}\n",
        settings.workers, settings.threads
    ));
    out
}

fn shown(value: &str) -> String {
    if value.is_empty() {
        String::new()
    } else {
        format!(" = {value}")
    }
}

/// What an option does here, in a few words.
fn meaning(name: &str, is_variable: bool) -> String {
    match table::find(name).map(|entry| (entry.status, entry.help)) {
        Some((Status::Honoured(_), help)) => help.to_owned(),
        Some((Status::NoEffect(reason), _)) => format!("accepted without effect: {reason}"),
        Some((Status::NotYet, _)) => "not there yet".to_owned(),
        Some((Status::Refused(reason), _)) => format!("refused: {reason}"),
        None if reads(name) => "acts while the configuration is read".to_owned(),
        None if is_variable => "no option: a variable of your own".to_owned(),
        None => {
            let near = suggestion(name, known::all().iter().map(|known| known.name));
            format!("unknown option, ignored{near}")
        }
    }
}
