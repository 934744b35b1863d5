//! Internal routing: a table of rules is gone through for each request, before a file or the application answers it.
//!
//! [`Router::decide`] looks and changes nothing; what it decides is then done. Rules are followed in order; `goto` jumps, and a
//! chain of jumps without end is cut. What it leaves out: rewriting requests, and rules about answers.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use config::{RouteAction, RouteCondition, RouteTest, Routes};
use protocol::{Version, percent_decode};

use crate::exchange::Exchange;
use crate::files;

/// Rules that one request may come by: more is a circle of jumps.
const MOST_STEPS: usize = 1000;

/// The rules of a worker.
#[derive(Debug)]
pub(crate) struct Router(Routes);

/// What is remembered with a request until it is answered and logged.
#[derive(Debug, Default)]
pub(crate) struct Routed {
    /// It gets no line in the log.
    pub(crate) unlogged: bool,
    /// Fields to add to the answer.
    pub(crate) added: Vec<(String, String)>,
    /// Names of fields to take out of the application's answer.
    pub(crate) removed: Vec<String>,
    /// What to put into the log under a name.
    pub(crate) noted: Vec<(String, String)>,
}

/// What the rules come to for one request.
#[derive(Debug, Default)]
pub(crate) struct Decision {
    /// What to remember.
    pub(crate) routed: Routed,
    /// Lines for the log.
    pub(crate) lines: Vec<String>,
    /// The answer, if the rules give one.
    pub(crate) outcome: Option<Outcome>,
}

/// An answer without the application.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Close without an answer.
    Close,
    /// An error page.
    Status(u16),
    /// Status and Location.
    Redirect(u16, String),
    /// 401, for this realm.
    Unauthorized(String),
    /// A file.
    File(PathBuf),
}

impl Router {
    /// `None` when there are no rules.
    pub(crate) fn new(routes: &Routes) -> Option<Router> {
        (!routes.rules.is_empty()).then(|| Router(routes.clone()))
    }

    /// Goes through the rules for a request.
    pub(crate) fn decide(&self, exchange: &Exchange) -> Decision {
        follow(&self.0, &|name| variable(exchange, name))
    }
}

impl Outcome {
    /// Gives the answer; false when there is none to give, and the request goes on.
    pub(crate) fn answer(self, exchange: &mut Exchange) -> bool {
        match self {
            Outcome::Close => exchange.give_up(),
            Outcome::Status(status) => exchange.fail(status),
            Outcome::Redirect(status, address) => short(exchange, status, "Location", &address, b""),
            Outcome::Unauthorized(realm) => {
                let challenge = format!("Basic realm=\"{}\"", realm.replace(['"', '\\'], ""));
                short(exchange, 401, "WWW-Authenticate", &challenge, b"Unauthorized");
            }
            Outcome::File(path) => return files::answer_with(exchange, &path),
        }
        true
    }
}

/// An answer with one field and a short text.
fn short(exchange: &mut Exchange, status: u16, name: &str, value: &str, text: &[u8]) {
    let response = exchange.response();
    response.clear();
    let fits =
        response.set_status_code(status).is_ok() && response.push(name.as_bytes(), value.as_bytes()).is_ok();
    if !fits {
        // Only what a request has put into the value can be wrong with it.
        return exchange.fail(400);
    }
    // Fixed and valid.
    let _ = response.push(b"Content-Type", b"text/plain");
    response.set_content_length(text.len() as u64);
    exchange.begin();
    exchange.write(text);
    exchange.finish();
}

/// The decision for a request whose variables `look_up` knows.
fn follow(routes: &Routes, look_up: &dyn Fn(&str) -> String) -> Decision {
    let mut decision = Decision::default();
    let mut index = 0;
    for _ in 0..MOST_STEPS {
        let Some(route) = routes.rules.get(index) else {
            return decision;
        };
        index += 1;
        let Some(groups) = holds(&route.condition, look_up) else {
            continue;
        };
        let text = |template: &str| expand(template, &groups, look_up);
        match &route.action {
            RouteAction::Continue => return decision,
            RouteAction::GoTo(label) => index = routes.labels.get(label).copied().unwrap_or(index),
            RouteAction::DoNotLog => decision.routed.unlogged = true,
            RouteAction::Log(template) => decision.lines.push(text(template).escape_debug().to_string()),
            RouteAction::AddHeader(name, value) => decision.routed.added.push((name.clone(), text(value))),
            RouteAction::RemoveHeader(name) => decision.routed.removed.push(name.clone()),
            RouteAction::BasicAuthentication(_, users) if knows(users, &look_up("HTTP_AUTHORIZATION")) => {}
            RouteAction::BasicAuthentication(realm, _) => {
                decision.outcome = Some(Outcome::Unauthorized(realm.clone()));
                return decision;
            }
            RouteAction::Break(status) => {
                decision.outcome = Some(status.map_or(Outcome::Close, Outcome::Status));
                return decision;
            }
            RouteAction::Redirect(status, address) => {
                decision.outcome = Some(Outcome::Redirect(*status, text(address)));
                return decision;
            }
            RouteAction::File(path) => {
                decision.outcome = Some(Outcome::File(path.clone()));
                return decision;
            }
        }
    }
    decision
        .lines
        .push("the rules of routing lead in a circle: the request goes on without them".to_owned());
    decision
}

/// What the groups of the rule's pattern match, if the rule holds.
fn holds(condition: &RouteCondition, look_up: &dyn Fn(&str) -> String) -> Option<Vec<String>> {
    match condition {
        RouteCondition::Always => Some(Vec::new()),
        RouteCondition::Matches(subject, pattern) => pattern.groups(&expand(subject, &[], look_up)),
        RouteCondition::Test {
            test,
            left,
            right,
            wanted,
        } => {
            let (left, right) = (expand(left, &[], look_up), expand(right, &[], look_up));
            (passes(*test, &left, &right) == *wanted).then(Vec::new)
        }
    }
}

fn passes(test: RouteTest, left: &str, right: &str) -> bool {
    let numbers = || (leading_number(left), leading_number(right));
    let path = Path::new(left);
    match test {
        RouteTest::Equal => left == right,
        RouteTest::StartsWith => left.starts_with(right),
        RouteTest::EndsWith => left.ends_with(right),
        RouteTest::Contains => left.contains(right),
        RouteTest::Empty => left.is_empty(),
        RouteTest::Higher => numbers().0 > numbers().1,
        RouteTest::HigherOrEqual => numbers().0 >= numbers().1,
        RouteTest::Lower => numbers().0 < numbers().1,
        RouteTest::LowerOrEqual => numbers().0 <= numbers().1,
        RouteTest::Exists => path.exists(),
        RouteTest::IsFile => path.is_file(),
        RouteTest::IsDirectory => path.is_dir(),
        RouteTest::IsLink => path.is_symlink(),
    }
}

/// The digits a text begins with, as a number; 0 without any.
fn leading_number(text: &str) -> u64 {
    let digits = text.trim_start().bytes().take_while(u8::is_ascii_digit);
    digits.fold(0, |number: u64, digit| {
        number.saturating_mul(10).saturating_add(u64::from(digit - b'0'))
    })
}

/// Puts variables and groups into a text: `${NAME}`, `$1`.
fn expand(template: &str, groups: &[String], look_up: &dyn Fn(&str) -> String) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some(start) = rest.find('$') {
        out.push_str(&rest[..start]);
        rest = &rest[start + 1..];
        let named = rest.strip_prefix('{').and_then(|inner| inner.split_once('}'));
        let digit = rest.chars().next().and_then(|character| character.to_digit(10));
        match (named, digit) {
            (Some((name, after)), _) => {
                out.push_str(&look_up(name));
                rest = after;
            }
            (None, Some(digit)) => {
                out.push_str(groups.get(digit as usize).map_or("", String::as_str));
                rest = &rest[1..];
            }
            (None, None) => out.push('$'),
        }
    }
    out.push_str(rest);
    out
}

/// Whether an Authorization field (RFC 7617) is one of `user:password`.
fn knows(users: &[String], field: &str) -> bool {
    let Some((scheme, token)) = field.split_once(' ') else {
        return false;
    };
    let given = STANDARD.decode(token.trim()).unwrap_or_default();
    scheme.eq_ignore_ascii_case("basic") && users.iter().any(|user| same(user.as_bytes(), &given))
}

/// Equal, compared in a time that does not tell where the difference is.
fn same(left: &[u8], right: &[u8]) -> bool {
    let difference = left
        .iter()
        .zip(right)
        .fold(0, |sum, (left, right)| sum | (left ^ right));
    left.len() == right.len() && difference == 0
}

/// A request's variable, by its name in CGI and WSGI; empty where there is none.
fn variable(exchange: &Exchange, name: &str) -> String {
    let head = exchange.head();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let field = |name: &str| head.field(name).map(text).unwrap_or_default();
    match name {
        "PATH_INFO" => {
            let mut path = Vec::new();
            percent_decode(head.path(), &mut path);
            text(&path)
        }
        "REQUEST_URI" => text(head.target()),
        "QUERY_STRING" => text(head.query()),
        "REQUEST_METHOD" => text(head.method()),
        "HTTP_HOST" => head.host().map(text).unwrap_or_default(),
        "REMOTE_ADDR" => exchange.client_address().to_owned(),
        "REMOTE_PORT" => exchange.client_port().to_string(),
        "SERVER_NAME" => exchange.front().server_name.clone(),
        "SERVER_PORT" => exchange.front().server_port.clone(),
        "SERVER_PROTOCOL" => match head.version() {
            Version::Http10 => "HTTP/1.0".to_owned(),
            Version::Http11 => "HTTP/1.1".to_owned(),
        },
        "CONTENT_LENGTH" => field("content-length"),
        "CONTENT_TYPE" => field("content-type"),
        other => other
            .strip_prefix("HTTP_")
            .map(|name| field(&name.replace('_', "-").to_lowercase()))
            .unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use config::{Pattern, Route};

    use super::*;

    fn look_up(name: &str) -> String {
        match name {
            "PATH_INFO" => "/old/page".to_owned(),
            "CONTENT_LENGTH" => "15000001".to_owned(),
            "HTTP_AUTHORIZATION" => format!("Basic {}", STANDARD.encode("me:secret:word")),
            _ => String::new(),
        }
    }

    fn on_path(pattern: &str, action: RouteAction) -> Route {
        Route {
            condition: RouteCondition::Matches(
                "${PATH_INFO}".to_owned(),
                Pattern::new(pattern).expect("a valid pattern"),
            ),
            action,
        }
    }

    fn routes(rules: Vec<Route>, labels: &[(&str, usize)]) -> Routes {
        let labels = labels
            .iter()
            .map(|(label, index)| ((*label).to_owned(), *index))
            .collect();
        Routes { rules, labels }
    }

    #[test]
    fn rules_are_followed_in_order_until_one_answers() {
        let to = |address: &str| RouteAction::Redirect(302, address.to_owned());
        let rules = routes(
            vec![
                on_path("^/none", RouteAction::Break(Some(403))),
                on_path("^/old", RouteAction::DoNotLog),
                on_path("^/old", RouteAction::GoTo("later".to_owned())),
                on_path("", RouteAction::Break(None)),
                on_path("^/(old)/(.*)$", to("/new/$2?$1${NONE}$$x")),
                on_path("", RouteAction::Break(None)),
            ],
            &[("later", 4)],
        );
        let decision = follow(&rules, &look_up);
        assert_eq!(
            decision.outcome,
            Some(Outcome::Redirect(302, "/new/page?old$$x".to_owned()))
        );
        assert!(decision.routed.unlogged);
    }

    #[test]
    fn a_circle_of_jumps_is_cut() {
        let rules = routes(
            vec![on_path("", RouteAction::GoTo("here".to_owned()))],
            &[("here", 0)],
        );
        let decision = follow(&rules, &look_up);
        assert_eq!((decision.outcome, decision.lines.len()), (None, 1));
    }

    #[test]
    fn tests_compare_texts_and_numbers() {
        for (test, left, right, expected) in [
            (RouteTest::Higher, "${CONTENT_LENGTH}", "15000000", true),
            (RouteTest::Higher, "${NONE}", "1", false),
            (RouteTest::LowerOrEqual, "10", "10 MB", true),
            (RouteTest::Equal, "${PATH_INFO}", "/old/page", true),
            (RouteTest::StartsWith, "${PATH_INFO}", "/old", true),
            (RouteTest::EndsWith, "${PATH_INFO}", "/old", false),
            (RouteTest::Contains, "${PATH_INFO}", "d/p", true),
            (RouteTest::Empty, "${NONE}", "", true),
            (RouteTest::IsDirectory, "/", "", true),
            (RouteTest::Exists, "/does/not/exist", "", false),
        ] {
            for wanted in [true, false] {
                let condition = RouteCondition::Test {
                    test,
                    left: left.to_owned(),
                    right: right.to_owned(),
                    wanted,
                };
                assert_eq!(
                    holds(&condition, &look_up).is_some(),
                    expected == wanted,
                    "{test:?} {left}"
                );
            }
        }
    }

    #[test]
    fn only_a_known_user_gets_in() {
        let field = look_up("HTTP_AUTHORIZATION");
        assert!(knows(
            &["other:x".to_owned(), "me:secret:word".to_owned()],
            &field
        ));
        assert!(!knows(&["me:secret".to_owned()], &field));
        assert!(!knows(&["me:secret:word".to_owned()], "Basic !!!"));
        assert!(!knows(&["me:secret:word".to_owned()], ""));
    }
}
