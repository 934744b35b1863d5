//! Rules against requests: tests and their order, texts, what each action makes of a request.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use config::{Operation, Pattern, Route, RouteCondition, RouteProtocol, RouteTest};

use super::users::known_user;
use super::*;

/// A request of nothing but variables.
struct Plain {
    variables: HashMap<String, String>,
    status: u16,
}

impl Subject for Plain {
    fn variable(&self, name: &str) -> String {
        self.variables.get(name).cloned().unwrap_or_default()
    }

    fn set(&mut self, name: &str, value: &str) -> bool {
        self.variables.insert(name.to_owned(), value.to_owned());
        !value.contains('\n')
    }

    fn status(&self) -> u16 {
        self.status
    }

    fn answer_field(&self, name: &str) -> String {
        format!("{name} of the answer")
    }

    fn own(&self, key: &str) -> String {
        format!("own {key}")
    }

    fn media_type(&self, path: &str) -> String {
        format!("type of {path}")
    }

    fn commons(&self) -> Option<&dyn Commons> {
        None
    }
}

fn plain() -> Plain {
    let variables = [
        ("PATH_INFO", "/old/page"),
        ("QUERY_STRING", "a=1&b=2"),
        ("CONTENT_LENGTH", "15000001"),
        ("REMOTE_ADDR", "10.1.2.3"),
        ("HTTP_COOKIE", "x=1; sid=s3; y=2"),
        (
            "HTTP_AUTHORIZATION",
            &format!("Basic {}", STANDARD.encode("me:secret:word")),
        ),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    Plain {
        variables: variables.into(),
        status: 404,
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

fn always(action: RouteAction) -> Route {
    Route {
        condition: RouteCondition::Always,
        action,
    }
}

fn chain(rules: Vec<Route>, labels: &[(&str, usize)]) -> RouteChain {
    let labels = labels
        .iter()
        .map(|(label, index)| ((*label).to_owned(), *index))
        .collect();
    RouteChain { rules, labels }
}

fn status(text: &str, told: bool) -> RouteAction {
    RouteAction::Answer {
        status: text.to_owned(),
        told,
    }
}

#[test]
fn rules_are_followed_in_order_until_one_answers() {
    let to = |address: &str| RouteAction::Redirect(302, address.to_owned());
    let rules = chain(
        vec![
            on_path("^/none", status("403", true)),
            on_path("^/old", RouteAction::DoNotLog),
            on_path("^/old", RouteAction::GoTo("later".to_owned())),
            on_path("", RouteAction::Close),
            on_path("^/(old)/(.*)$", to("/new/$2?$1${NONE}$$x")),
            on_path("", RouteAction::Close),
        ],
        &[("later", 4)],
    );
    let decision = follow(&rules, &mut plain());
    assert_eq!(
        decision.outcome,
        Some(Outcome::Redirect(302, "/new/page?old$$x".to_owned()))
    );
    assert!(decision.routed.unlogged);
}

#[test]
fn a_rule_sees_what_the_ones_before_have_made_of_the_request() {
    let set = |name: &str, value: &str| always(RouteAction::Set(name.to_owned(), value.to_owned()));
    let count = |operation, by: &str| {
        always(RouteAction::Count {
            name: "N".to_owned(),
            operation,
            by: by.to_owned(),
        })
    };
    let rules = chain(
        vec![
            on_path(
                "^/old(.*)",
                RouteAction::Rewrite {
                    target: "/new%20one$1?c=3".to_owned(),
                    last: false,
                },
            ),
            on_path("^/old", RouteAction::Close),
            on_path(
                "^/new one",
                RouteAction::Log("${PATH_INFO}?${QUERY_STRING}".to_owned()),
            ),
            set("SCRIPT_NAME", "/new"),
            always(RouteAction::FixPath),
            set("REMOTE_USER", "me:secret"),
            set("N", "20"),
            count(Operation::Multiply, "3"),
            count(Operation::Subtract, "${N}"),
            count(Operation::Add, "7"),
            count(Operation::Divide, "0"),
            count(Operation::Add, "1"),
            always(RouteAction::Note("n".to_owned(), "${N}".to_owned())),
            always(RouteAction::Own(Some("/app".to_owned()))),
            always(RouteAction::Close),
        ],
        &[],
    );
    let mut request = plain();
    let decision = follow(&rules, &mut request);
    assert_eq!(decision.outcome, None);
    assert_eq!(decision.routed.lines, ["/new one/page?c=3&a=1&b=2"]);
    assert_eq!(decision.routed.noted, [("n".to_owned(), "1".to_owned())]);
    for (name, value) in [
        ("PATH_INFO", " one/page"),
        ("REMOTE_USER", "me"),
        ("UWSGI_APPID", "/app"),
    ] {
        assert_eq!(request.variable(name), value, "{name}");
    }
}

#[test]
fn what_cannot_be_set_is_answered_with_400_and_said() {
    let rules = chain(
        vec![always(RouteAction::Set("X".to_owned(), "a\nb".to_owned()))],
        &[],
    );
    let decision = follow(&rules, &mut plain());
    assert_eq!(decision.outcome, Some(Outcome::Status(400)));
    assert_eq!(decision.routed.lines.len(), 1);
}

#[test]
fn what_is_sent_is_the_answer_and_the_application_is_not_asked() {
    let send = |text: &str| always(RouteAction::Send(text.to_owned()));
    let text = |status: &str, body: &str| {
        Some(Outcome::Text {
            status: status.to_owned(),
            body: body.to_owned(),
            close: false,
        })
    };
    let ended = |last: RouteAction| {
        let rules = vec![
            send("one "),
            always(RouteAction::SendStatus("201".to_owned())),
            send("${REMOTE_ADDR}"),
            always(last),
            send("never"),
        ];
        follow(&chain(rules, &[]), &mut plain()).outcome
    };
    assert_eq!(ended(RouteAction::Close), text("201 Created", "one 10.1.2.3"));
    assert_eq!(ended(RouteAction::Continue), text("201 Created", "one 10.1.2.3"));
    let rules = chain(vec![send("x"), send("y")], &[]);
    assert_eq!(follow(&rules, &mut plain()).outcome, text("200 OK", "xy"));
}

#[test]
fn an_answer_has_its_usual_reason() {
    for (given, told, line, body, closes) in [
        ("403", true, "403 Forbidden", "Forbidden", false),
        ("200", true, "200 OK", "OK", false),
        ("413 Too Much", false, "413 Too Much", "", true),
        ("404", false, "404 Not Found", "", true),
    ] {
        let rules = chain(vec![always(status(given, told))], &[]);
        let expected = Outcome::Text {
            status: line.to_owned(),
            body: body.to_owned(),
            close: closes,
        };
        assert_eq!(follow(&rules, &mut plain()).outcome, Some(expected), "{given}");
    }
}

#[test]
fn a_circle_of_jumps_is_cut_and_a_label_may_come_from_the_request() {
    let rules = chain(
        vec![on_path("", RouteAction::GoTo("here".to_owned()))],
        &[("here", 0)],
    );
    let decision = follow(&rules, &mut plain());
    assert_eq!((decision.outcome, decision.routed.lines.len()), (None, 1));
    let to = |label: &str| {
        let rules = vec![
            always(RouteAction::GoTo(label.to_owned())),
            always(RouteAction::Close),
            always(RouteAction::Redirect(301, "/".to_owned())),
        ];
        follow(&chain(rules, &[("s3", 2)]), &mut plain()).outcome
    };
    assert_eq!(to("${cookie[sid]}"), Some(Outcome::Redirect(301, "/".to_owned())));
    assert_eq!(to("2"), Some(Outcome::Redirect(301, "/".to_owned())));
    assert_eq!(to("${NONE}"), Some(Outcome::Status(500)));
}

#[test]
fn another_server_is_named_by_what_the_request_says() {
    let rules = chain(
        vec![
            on_path(
                "^/(old)",
                RouteAction::Relay(RouteServer {
                    address: "/run/$1.sock".to_owned(),
                    speaks: RouteProtocol::Http {
                        host: Some("${cookie[sid]}.example".to_owned()),
                        target: None,
                    },
                }),
            ),
            always(RouteAction::Close),
        ],
        &[],
    );
    let decision = follow(&rules, &mut plain());
    assert_eq!(decision.outcome, None);
    assert_eq!(
        decision.routed.relay,
        Some(RouteServer {
            address: "/run/old.sock".to_owned(),
            speaks: RouteProtocol::Http {
                host: Some("s3.example".to_owned()),
                target: None
            },
        })
    );
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
        (RouteTest::Equal, "${cookie[sid]}", "s3", true),
        (RouteTest::Equal, "${cookie[si]}", "", true),
        (RouteTest::Equal, "${qs[b]}${qs[c]}", "2", true),
        (RouteTest::Equal, "${hex[REMOTE_ADDR]}", "31302e312e322e33", true),
        (RouteTest::Equal, "${base64[REMOTE_ADDR]}", "MTAuMS4yLjM=", true),
        (RouteTest::Equal, "${uwsgi[wid]}", "own wid", true),
        (RouteTest::Equal, "${mime[PATH_INFO]}", "type of /old/page", true),
        (RouteTest::Higher, "${time[unix]}", "1700000000", true),
        (RouteTest::Higher, "${time[micros]}", "1700000000000000", true),
        (RouteTest::EndsWith, "${httptime[60]}", " GMT", true),
        (RouteTest::InNetwork, "${REMOTE_ADDR}", "10.0.0.0/8", true),
        (RouteTest::InNetwork, "${REMOTE_ADDR}", "192.168.0.0/16", false),
        (RouteTest::InNetwork, "nobody", "0.0.0.0/0", false),
        (RouteTest::IsDirectory, "/", "", true),
        (RouteTest::Exists, "/does/not/exist", "", false),
        (RouteTest::IsExecutable, "/bin/sh", "", true),
        (RouteTest::IsExecutable, "/etc/passwd", "", false),
        (
            RouteTest::Matches(Pattern::new("^/old").expect("a pattern")),
            "${PATH_INFO}",
            "",
            true,
        ),
    ] {
        for wanted in [true, false] {
            let condition = RouteCondition::Test {
                test: test.clone(),
                left: left.to_owned(),
                right: right.to_owned(),
                wanted,
            };
            assert_eq!(
                holds(&condition, &plain()).is_some(),
                expected == wanted,
                "{test:?} {left}"
            );
        }
    }
    assert!(holds(&RouteCondition::Status(404), &plain()).is_some());
    assert!(holds(&RouteCondition::Status(200), &plain()).is_none());
}

#[test]
fn only_a_known_user_gets_in() {
    let field = plain().variable("HTTP_AUTHORIZATION");
    let users = ["other:x".to_owned(), "me:secret:word".to_owned()];
    assert_eq!(known_user(&users, &field), Some("me"));
    for (user, field) in [
        ("me:secret", field.as_str()),
        ("me:secret:word", "Basic !!!"),
        ("me:secret:word", ""),
    ] {
        assert_eq!(known_user(&[user.to_owned()], field), None);
    }
}
