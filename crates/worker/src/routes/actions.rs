//! What a rule does when it holds.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use config::{Operation, RouteAction, RouteFile, RouteProtocol, RouteServer};
use protocol::reason_phrase;

use super::texts::{expand, leading_number};
use super::{Outcome, Routed, Sent, Step, Subject, shared};

/// Does what a rule says, but for jumps.
pub(super) fn act(
    action: &RouteAction,
    groups: &[String],
    subject: &mut dyn Subject,
    routed: &mut Routed,
    sent: &mut Sent,
) -> Step {
    if let Some(step) = shared::act(action, groups, subject, routed) {
        return step;
    }
    let text = |template: &str| expand(template, groups, subject);
    match action {
        RouteAction::Continue => return Step::Done,
        // Jumps are the caller's, and what processes share has been seen to.
        RouteAction::GoTo(_)
        | RouteAction::Cached { .. }
        | RouteAction::CacheVariable { .. }
        | RouteAction::CacheStore { .. }
        | RouteAction::CacheCount { .. }
        | RouteAction::Metric { .. }
        | RouteAction::Signal(_) => {}
        RouteAction::DoNotLog => routed.unlogged = true,
        RouteAction::Log(template) => routed.lines.push(text(template).escape_debug().to_string()),
        RouteAction::Note(name, value) => routed.noted.push((name.clone(), text(value))),
        RouteAction::AddHeader(name, value) => routed.added.push((name.clone(), text(value))),
        RouteAction::RemoveHeader(name) => routed.removed.push(text(name)),
        RouteAction::Collect {
            field,
            variable,
            pull,
        } => {
            let value = subject.answer_field(field);
            // Where the answer has no such field there is nothing to collect.
            if !value.is_empty() && !subject.set(variable, &value) {
                return impossible(routed, variable, &value);
            }
            if *pull {
                routed.removed.push(field.clone());
            }
        }
        RouteAction::Expires(seconds) => {
            let later =
                SystemTime::now().checked_add(Duration::from_secs((*seconds).min(100 * 365 * 86_400)));
            let date = httpdate::fmt_http_date(later.unwrap_or_else(SystemTime::now));
            routed.added.push(("Expires".to_owned(), date));
        }
        RouteAction::Send(template) => {
            let text = text(template);
            sent.body.get_or_insert_default().push_str(&text);
        }
        RouteAction::SendStatus(template) => sent.status = Some(whole_status(&text(template))),
        RouteAction::Harakiri(seconds) => routed.harakiri = Some(*seconds),
        RouteAction::BasicAuthentication {
            realm,
            users,
            or_next,
        } => {
            let user = known_user(users, &subject.variable("HTTP_AUTHORIZATION"));
            match user {
                Some(user) => {
                    subject.set("REMOTE_USER", user);
                }
                None if *or_next => {}
                None => return Step::Answer(Outcome::Unauthorized(realm.clone())),
            }
        }
        RouteAction::Close => return Step::Answer(Outcome::Close),
        RouteAction::Answer { status, told } => return Step::Answer(answer(status, *told)),
        RouteAction::Redirect(status, address) => {
            return Step::Answer(Outcome::Redirect(*status, text(address)));
        }
        RouteAction::File(file) => {
            let path = PathBuf::from(text(&file.path));
            return match (is_there(file, &path), file.or_next) {
                (true, _) => Step::Answer(Outcome::File(path, file.clone())),
                (false, true) => Step::Next,
                (false, false) => Step::Answer(Outcome::Status(404)),
            };
        }
        RouteAction::Relay(server) => {
            routed.relay = Some(RouteServer {
                address: text(&server.address),
                speaks: speaks(&server.speaks, &text),
            });
            return Step::Done;
        }
        RouteAction::Own(application) => {
            if let Some(name) = application {
                subject.set("UWSGI_APPID", name);
            }
            return Step::Done;
        }
        RouteAction::Rewrite { target, last } => {
            let target = text(target);
            if !rewrite(subject, &target) {
                return impossible(routed, "rewrite", &target);
            }
            if *last {
                return Step::Done;
            }
        }
        RouteAction::Set(name, value) => {
            let value = text(value);
            let value = match name.as_str() {
                // Credentials can be given as they are.
                "REMOTE_USER" => value.split(':').next().unwrap_or_default(),
                _ => value.as_str(),
            };
            if !subject.set(name, value) {
                return impossible(routed, name, value);
            }
        }
        RouteAction::Count { name, operation, by } => {
            let number = counted(
                leading_number(&subject.variable(name)),
                *operation,
                leading_number(&text(by)),
            );
            subject.set(name, &number.to_string());
        }
        RouteAction::FixPath => {
            let (path, script) = (subject.variable("PATH_INFO"), subject.variable("SCRIPT_NAME"));
            let rest = path.get(script.len()..).unwrap_or_default();
            subject.set("PATH_INFO", rest);
        }
        RouteAction::Directory(directory) => {
            let directory = text(directory);
            if let Err(error) = std::env::set_current_dir(&directory) {
                routed.lines.push(format!(
                    "chdir:{}: {error}: the request is answered with 500",
                    directory.escape_debug()
                ));
                return Step::Answer(Outcome::Status(500));
            }
        }
    }
    Step::Next
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
fn rewrite(subject: &mut dyn Subject, target: &str) -> bool {
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
    subject.set("PATH_INFO", &String::from_utf8_lossy(&decoded)) && subject.set("QUERY_STRING", &query)
}

fn speaks(protocol: &RouteProtocol, text: &dyn Fn(&str) -> String) -> RouteProtocol {
    match protocol {
        RouteProtocol::Http { host, target } => RouteProtocol::Http {
            host: host.as_deref().map(text),
            target: target.as_deref().map(text),
        },
        uwsgi @ RouteProtocol::Uwsgi { .. } => uwsgi.clone(),
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

/// The user of an Authorization field (RFC 7617), if it is one of `user:password`.
pub(super) fn known_user<'a>(users: &'a [String], field: &str) -> Option<&'a str> {
    let (scheme, token) = field.split_once(' ')?;
    let given = STANDARD.decode(token.trim()).unwrap_or_default();
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let known = users.iter().find(|user| same(user.as_bytes(), &given))?;
    known.split_once(':').map(|(user, _)| user)
}

/// Equal, compared in a time that does not tell where the difference is.
fn same(left: &[u8], right: &[u8]) -> bool {
    let difference = left
        .iter()
        .zip(right)
        .fold(0, |sum, (left, right)| sum | (left ^ right));
    left.len() == right.len() && difference == 0
}
