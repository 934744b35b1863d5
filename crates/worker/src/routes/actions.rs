//! What a rule does when it holds.

use std::path::{Path, PathBuf};

use config::{Operation, RouteAction, RouteFile, RouteProtocol, RouteServer};
use protocol::reason_phrase;

use super::texts::{expand, http_date_in, leading_number};
use super::users::known_user;
use super::{Outcome, Routed, Sent, Step, Subject, shared};

/// Does what a rule says, but for jumps, which are the caller's.
pub(super) fn act(
    action: &RouteAction,
    groups: &[String],
    subject: &mut dyn Subject,
    routed: &mut Routed,
    sent: &mut Sent,
) -> Step {
    let text = |template: &str| expand(template, groups, subject);
    match action {
        RouteAction::GoTo(_) => {}
        RouteAction::Continue => return Step::Done,
        RouteAction::Close => return Step::Answer(Outcome::Close),
        RouteAction::Answer { status, told } => return Step::Answer(answer(status, *told)),
        RouteAction::Redirect(status, address) => {
            return Step::Answer(Outcome::Redirect(*status, text(address)));
        }
        RouteAction::File(file) => return answer_with(file, PathBuf::from(text(&file.path))),
        RouteAction::Send(template) => sent.body.get_or_insert_default().push_str(&text(template)),
        RouteAction::SendStatus(template) => sent.status = Some(whole_status(&text(template))),
        RouteAction::Relay(server) => {
            routed.relay = Some(other_server(server, &text));
            return Step::Done;
        }
        RouteAction::Own(application) => {
            if let Some(name) = application {
                subject.set("UWSGI_APPID", name);
            }
            return Step::Done;
        }
        RouteAction::BasicAuthentication {
            realm,
            users,
            or_next,
        } => match known_user(users, &subject.variable("HTTP_AUTHORIZATION")) {
            Some(user) => {
                subject.set("REMOTE_USER", user);
            }
            None if *or_next => {}
            None => return Step::Answer(Outcome::Unauthorized(realm.clone())),
        },
        RouteAction::Harakiri(seconds) => routed.harakiri = Some(*seconds),
        RouteAction::DoNotLog => routed.unlogged = true,
        RouteAction::Log(template) => routed.lines.push(text(template).escape_debug().to_string()),
        RouteAction::Note(name, value) => routed.noted.push((name.clone(), text(value))),
        RouteAction::AddHeader(name, value) => routed.added.push((name.clone(), text(value))),
        RouteAction::RemoveHeader(name) => routed.removed.push(text(name)),
        RouteAction::Expires(seconds) => routed.added.push(("Expires".to_owned(), http_date_in(*seconds))),
        RouteAction::Collect {
            field,
            variable,
            pull,
        } => return collect(subject, routed, field, variable, *pull),
        RouteAction::Rewrite { target, last } => {
            let target = text(target);
            return rewrite(subject, routed, &target, *last);
        }
        RouteAction::Set(name, value) => {
            let value = text(value);
            return set(subject, routed, name, &value);
        }
        RouteAction::Count { name, operation, by } => {
            let (before, by) = (leading_number(&subject.variable(name)), leading_number(&text(by)));
            subject.set(name, &counted(before, *operation, by).to_string());
        }
        RouteAction::FixPath => {
            let (path, script) = (subject.variable("PATH_INFO"), subject.variable("SCRIPT_NAME"));
            subject.set("PATH_INFO", path.get(script.len()..).unwrap_or_default());
        }
        RouteAction::Directory(directory) => return enter(routed, &text(directory)),
        RouteAction::Cached { .. }
        | RouteAction::CacheVariable { .. }
        | RouteAction::CacheStore { .. }
        | RouteAction::CacheCount { .. }
        | RouteAction::Metric { .. }
        | RouteAction::Signal(_) => return shared::act(action, groups, subject, routed),
    }
    Step::Next
}

/// A file, where it is there.
fn answer_with(file: &RouteFile, path: PathBuf) -> Step {
    match (is_there(file, &path), file.or_next) {
        (true, _) => Step::Answer(Outcome::File(path, file.clone())),
        (false, true) => Step::Next,
        (false, false) => Step::Answer(Outcome::Status(404)),
    }
}

/// A server with its texts filled in.
fn other_server(server: &RouteServer, text: &dyn Fn(&str) -> String) -> RouteServer {
    RouteServer {
        address: text(&server.address),
        speaks: match &server.speaks {
            RouteProtocol::Http { host, target } => RouteProtocol::Http {
                host: host.as_deref().map(text),
                target: target.as_deref().map(text),
            },
            uwsgi @ RouteProtocol::Uwsgi { .. } => uwsgi.clone(),
        },
    }
}

/// A field of the answer becomes a variable. Where the answer has no such field there is nothing to collect.
fn collect(
    subject: &mut dyn Subject,
    routed: &mut Routed,
    field: &str,
    variable: &str,
    is_pulled: bool,
) -> Step {
    let value = subject.answer_field(field);
    if !value.is_empty() && !subject.set(variable, &value) {
        return impossible(routed, variable, &value);
    }
    if is_pulled {
        routed.removed.push(field.to_owned());
    }
    Step::Next
}

/// A variable gets a value.
fn set(subject: &mut dyn Subject, routed: &mut Routed, name: &str, value: &str) -> Step {
    let value = match name {
        // Credentials can be given as they are.
        "REMOTE_USER" => value.split(':').next().unwrap_or_default(),
        _ => value,
    };
    match subject.set(name, value) {
        true => Step::Next,
        false => impossible(routed, name, value),
    }
}

/// Works in another directory from now on.
fn enter(routed: &mut Routed, directory: &str) -> Step {
    let Err(error) = std::env::set_current_dir(directory) else {
        return Step::Next;
    };
    routed.lines.push(format!(
        "chdir:{}: {error}: the request is answered with 500",
        directory.escape_debug()
    ));
    Step::Answer(Outcome::Status(500))
}

/// A request has made a rule's text something that cannot be.
pub(super) fn impossible(routed: &mut Routed, what: &str, value: &str) -> Step {
    routed.lines.push(format!(
        "a rule of routing cannot make {what} \"{}\": the request is answered with 400",
        value.escape_debug()
    ));
    Step::Answer(Outcome::Status(400))
}

/// Another path, and a query in front of the request's.
fn rewrite(subject: &mut dyn Subject, routed: &mut Routed, target: &str, is_last: bool) -> Step {
    let (path, query) = target
        .split_once('?')
        .map_or((target, None), |(path, query)| (path, Some(query)));
    let before = subject.variable("QUERY_STRING");
    let query = match query {
        Some(query) if !before.is_empty() => format!("{query}&{before}"),
        Some(query) => query.to_owned(),
        None => before,
    };
    let mut decoded = Vec::new();
    protocol::percent_decode(path.as_bytes(), &mut decoded);
    let is_set =
        subject.set("PATH_INFO", &String::from_utf8_lossy(&decoded)) && subject.set("QUERY_STRING", &query);
    match (is_set, is_last) {
        (false, _) => impossible(routed, "rewrite", target),
        (true, true) => Step::Done,
        (true, false) => Step::Next,
    }
}

/// Whether a file is there, and where it may be.
fn is_there(file: &RouteFile, path: &Path) -> bool {
    let Ok(real) = path.canonicalize() else {
        return false;
    };
    let below = |root: &PathBuf| root.canonicalize().is_ok_and(|root| real.starts_with(root));
    real.is_file() && file.below.as_ref().is_none_or(below)
}

/// `404` with its usual reason; a status that has one is left alone.
fn whole_status(given: &str) -> String {
    match given.get(..3).and_then(|digits| digits.parse().ok()) {
        Some(status) if given.len() <= 4 => format!("{status} {}", reason_phrase(status)),
        _ => given.to_owned(),
    }
}

/// uWSGI's `return` says the usual reason to the client, and its `break` nothing; that one closes the connection.
fn answer(status: &str, told: bool) -> Outcome {
    let usual = status
        .get(..3)
        .and_then(|digits| digits.parse().ok())
        .map(reason_phrase);
    Outcome::Text {
        status: whole_status(status),
        body: usual.filter(|_| told).unwrap_or_default().to_owned(),
        close: !told,
    }
}

fn counted(number: i64, operation: Operation, by: i64) -> i64 {
    match operation {
        Operation::Add => number.saturating_add(by),
        Operation::Subtract => number.saturating_sub(by),
        Operation::Multiply => number.saturating_mul(by),
        Operation::Divide => number.checked_div(by).unwrap_or(0),
    }
}
