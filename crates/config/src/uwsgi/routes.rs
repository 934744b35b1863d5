//! Reads uWSGI's internal routing: `route = PATTERN ACTION:ARGUMENT`, `route-if = TEST:A;B ACTION:ARGUMENT`, and so on.
//! Actions are read in [`actions`].

mod actions;
mod commons;

use crate::{Commons, Pattern, Route, RouteAction, RouteChain, RouteCondition, RouteTest, Routes};

use actions::read_action;

/// The tests of `route-if`, by name. A pattern is a test, too.
const TESTS: [(&str, RouteTest); 24] = [
    ("equal", RouteTest::Equal),
    ("isequal", RouteTest::Equal),
    ("eq", RouteTest::Equal),
    ("==", RouteTest::Equal),
    ("startswith", RouteTest::StartsWith),
    ("endswith", RouteTest::EndsWith),
    ("contains", RouteTest::Contains),
    ("contain", RouteTest::Contains),
    ("empty", RouteTest::Empty),
    ("ishigher", RouteTest::Higher),
    (">", RouteTest::Higher),
    ("ishigherequal", RouteTest::HigherOrEqual),
    (">=", RouteTest::HigherOrEqual),
    ("islower", RouteTest::Lower),
    ("<", RouteTest::Lower),
    ("islowerequal", RouteTest::LowerOrEqual),
    ("<=", RouteTest::LowerOrEqual),
    ("ipv4in", RouteTest::InNetwork),
    ("ipv6in", RouteTest::InNetwork),
    ("exists", RouteTest::Exists),
    ("isfile", RouteTest::IsFile),
    ("isdir", RouteTest::IsDirectory),
    ("islink", RouteTest::IsLink),
    ("isexec", RouteTest::IsExecutable),
];

/// What can stand before the brackets of `${FUNCTION[ARGUMENT]}`.
const FUNCTIONS: [&str; 9] = [
    "cookie", "qs", "mime", "time", "httptime", "base64", "hex", "uwsgi", "metric",
];

/// `route` and its kin: a pattern for `subject`, then an action.
pub(super) fn matching(chain: &mut RouteChain, subject: &str, value: &str) -> Result<(), String> {
    let (pattern, action) = pair(value, "PATTERN ACTION:ARGUMENT")?;
    let condition = RouteCondition::Matches(subject.to_owned(), Pattern::new(pattern)?);
    add(chain, condition, action)
}

/// `route-status` and its kin: a status, then an action.
pub(super) fn answered(chain: &mut RouteChain, value: &str) -> Result<(), String> {
    let (status, action) = pair(value, "STATUS ACTION:ARGUMENT")?;
    let status = status.parse().ok().filter(|status| (100..=999).contains(status));
    let status = status.ok_or_else(|| format!("'{value}' has to begin with a status of three digits"))?;
    add(chain, RouteCondition::Status(status), action)
}

/// `route-if` and `route-if-not`: a test, then an action.
pub(super) fn testing(chain: &mut RouteChain, wanted: bool, value: &str) -> Result<(), String> {
    let (test, action) = pair(value, "TEST:ARGUMENTS ACTION:ARGUMENT")?;
    let (name, sides) = test
        .split_once(':')
        .ok_or_else(|| format!("'{test}' has to be TEST:ARGUMENTS"))?;
    let (left, right) = sides.split_once(';').unwrap_or((sides, ""));
    check_text(left)?;
    let condition = match (name, TESTS.iter().find(|(known, _)| *known == name)) {
        ("incache", _) => commons::in_cache(sides, wanted)?,
        ("regexp" | "re", _) if wanted => RouteCondition::Matches(left.to_owned(), Pattern::new(right)?),
        ("regexp" | "re", _) => test_of(RouteTest::Matches(Pattern::new(right)?), left, "", wanted),
        (_, Some((_, test))) => {
            check_text(right)?;
            test_of(test.clone(), left, right, wanted)
        }
        _ => {
            let mut names: Vec<_> = TESTS.iter().map(|(name, _)| *name).collect();
            names.extend(["regexp", "incache"]);
            return Err(format!(
                "there is no test '{name}' here: take one of {}{}",
                names.join(", "),
                crate::option::suggestion(name, names.iter().copied())
            ));
        }
    };
    add(chain, condition, action)
}

fn test_of(test: RouteTest, left: &str, right: &str, wanted: bool) -> RouteCondition {
    RouteCondition::Test {
        test,
        left: left.to_owned(),
        right: right.to_owned(),
        wanted,
    }
}

/// `route-run`: an action, whatever the request is.
pub(super) fn always(chain: &mut RouteChain, value: &str) -> Result<(), String> {
    add(chain, RouteCondition::Always, value)
}

/// `route-label`
pub(super) fn label(chain: &mut RouteChain, value: &str) -> Result<(), String> {
    chain.labels.insert(value.trim().to_owned(), chain.rules.len());
    Ok(())
}

fn add(chain: &mut RouteChain, condition: RouteCondition, action: &str) -> Result<(), String> {
    // What needs nothing done here.
    if let Some(action) = read_action(action)? {
        chain.rules.push(Route { condition, action });
    }
    Ok(())
}

/// Every `goto` leads to a label, and what only a request can have done to it is not asked of its answer.
pub(super) fn check(routes: &Routes, shared: &Commons) -> Result<(), String> {
    for (chain, name) in [
        (&routes.request, "route"),
        (&routes.error, "error-route"),
        (&routes.response, "response-route"),
        (&routes.last, "final-route"),
    ] {
        commons::check(chain, shared)?;
        for route in &chain.rules {
            match &route.action {
                RouteAction::GoTo(label) if !label.contains('$') && !chain.labels.contains_key(label) => {
                    return Err(format!(
                        "goto:{label} leads nowhere: write {name}-label = {label} in front of a rule"
                    ));
                }
                RouteAction::Relay(_) | RouteAction::Harakiri(_) if name != "route" => {
                    return Err(format!(
                        "{name}: http, uwsgi and harakiri are for requests that have not been answered: write route"
                    ));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// Splits at the first space that is followed by an action.
fn pair<'a>(value: &'a str, form: &str) -> Result<(&'a str, &'a str), String> {
    value
        .trim()
        .split_once(' ')
        .map(|(first, action)| (first, action.trim_start()))
        .ok_or_else(|| format!("'{value}' has to be {form}"))
}

/// Every function in a text is there.
fn check_text(text: &str) -> Result<(), String> {
    let names = text.split("${").skip(1).filter_map(|rest| rest.split_once('}'));
    for (name, _) in names {
        if let Some((function, _)) = name.strip_suffix(']').and_then(|name| name.split_once('['))
            && !FUNCTIONS.contains(&function)
        {
            return Err(format!(
                "${{{name}}}: there is no '{function}' here: take one of {}",
                FUNCTIONS.join(", ")
            ));
        }
    }
    Ok(())
}
