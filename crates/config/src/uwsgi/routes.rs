//! Reads uWSGI's internal routing: `route = PATTERN ACTION:ARGUMENT`, `route-if = TEST:A;B ACTION:ARGUMENT`, and so on.

use std::path::PathBuf;

use crate::{Pattern, Route, RouteAction, RouteCondition, RouteTest, Routes};

/// The tests of `route-if`, by name.
const TESTS: [(&str, RouteTest); 20] = [
    ("equal", RouteTest::Equal),
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
    ("exists", RouteTest::Exists),
    ("isfile", RouteTest::IsFile),
    ("isdir", RouteTest::IsDirectory),
    ("islink", RouteTest::IsLink),
];

/// `route` and its kin: a pattern for `subject`, then an action.
pub(super) fn matching(routes: &mut Routes, subject: &str, value: &str) -> Result<(), String> {
    let (pattern, action) = pair(value, "PATTERN ACTION:ARGUMENT")?;
    routes.rules.push(Route {
        condition: RouteCondition::Matches(subject.to_owned(), Pattern::new(pattern)?),
        action: read_action(action)?,
    });
    Ok(())
}

/// `route-if` and `route-if-not`: a test, then an action.
pub(super) fn testing(routes: &mut Routes, wanted: bool, value: &str) -> Result<(), String> {
    let (test, action) = pair(value, "TEST:ARGUMENTS ACTION:ARGUMENT")?;
    let (name, sides) = test
        .split_once(':')
        .ok_or_else(|| format!("'{test}' has to be TEST:ARGUMENTS"))?;
    let (left, right) = sides.split_once(';').unwrap_or((sides, ""));
    let condition = match (name, TESTS.iter().find(|(known, _)| *known == name)) {
        ("regexp" | "re", _) if wanted => RouteCondition::Matches(left.to_owned(), Pattern::new(right)?),
        (_, Some((_, test))) => RouteCondition::Test {
            test: *test,
            left: left.to_owned(),
            right: right.to_owned(),
            wanted,
        },
        _ => {
            let names: Vec<_> = TESTS.iter().map(|(name, _)| *name).collect();
            return Err(format!(
                "there is no test '{name}' here: take one of {}, regexp",
                names.join(", ")
            ));
        }
    };
    routes.rules.push(Route {
        condition,
        action: read_action(action)?,
    });
    Ok(())
}

/// `route-run`: an action, whatever the request is.
pub(super) fn always(routes: &mut Routes, value: &str) -> Result<(), String> {
    routes.rules.push(Route {
        condition: RouteCondition::Always,
        action: read_action(value)?,
    });
    Ok(())
}

/// Every `goto` leads to a label.
pub(super) fn check(routes: &Routes) -> Result<(), String> {
    for route in &routes.rules {
        if let RouteAction::GoTo(label) = &route.action
            && !routes.labels.contains_key(label)
        {
            return Err(format!(
                "goto:{label} leads nowhere: write route-label = {label} in front of a rule"
            ));
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

fn read_action(text: &str) -> Result<RouteAction, String> {
    let (name, argument) = text.split_once(':').unwrap_or((text, ""));
    let some = |what: &str| match argument {
        "" => Err(format!("{name} needs {what}: write {name}:{what}")),
        argument => Ok(argument.to_owned()),
    };
    Ok(match name {
        "continue" | "last" => RouteAction::Continue,
        "break" | "return" | "break-with-status" if argument.is_empty() => RouteAction::Break(None),
        "break" | "return" | "break-with-status" => {
            let code = argument.split(' ').next().and_then(|code| code.parse().ok());
            let code = code.filter(|code| (400..=599).contains(code) || *code == 204);
            RouteAction::Break(Some(code.ok_or_else(|| {
                format!("{name}:{argument} has to begin with a status from 400 to 599")
            })?))
        }
        "redirect" | "redirect-302" => RouteAction::Redirect(302, some("ADDRESS")?),
        "redirect-permanent" | "redirect-301" => RouteAction::Redirect(301, some("ADDRESS")?),
        "goto" => RouteAction::GoTo(some("LABEL")?),
        "donotlog" => RouteAction::DoNotLog,
        "log" => RouteAction::Log(some("TEXT")?),
        "addheader" => {
            let (name, value) = argument
                .split_once(':')
                .ok_or_else(|| format!("addheader:{argument} has to be addheader:NAME: VALUE"))?;
            RouteAction::AddHeader(name.trim().to_owned(), value.trim().to_owned())
        }
        "delheader" | "remheader" => RouteAction::RemoveHeader(some("NAME")?),
        "basicauth" => {
            let mut parts = argument.split(',').map(str::to_owned);
            let realm = parts.next().unwrap_or_default();
            let users: Vec<_> = parts.filter(|user| user.contains(':')).collect();
            if users.is_empty() {
                return Err("basicauth needs users here: write basicauth:REALM,USER:PASSWORD".to_owned());
            }
            RouteAction::BasicAuthentication(realm, users)
        }
        "static" | "file" | "sendfile" => {
            let path = argument.strip_prefix("filename=").unwrap_or(argument);
            if path.is_empty() || path.contains('$') {
                return Err(format!(
                    "{name}:{argument} has to name one file: what a request says cannot choose it (static-map can)"
                ));
            }
            RouteAction::File(PathBuf::from(path))
        }
        _ => {
            return Err(format!(
                "there is no action '{name}' here: take one of continue, last, break, return, redirect, \
                 redirect-permanent, goto, donotlog, log, addheader, delheader, basicauth, static; whatever rewrites a \
                 request belongs into the front server"
            ));
        }
    })
}
