//! What uWSGI's options for internal routing mean here: the same dozen for requests, for their answers, and for both.

use super::{Entry, does_with_text};
use crate::uwsgi::routes::{always, answered, label, matching, testing};

/// Options that take a pattern for a part of the request.
macro_rules! patterns {
    ($chain:ident; $($name:literal $subject:literal $help:literal),* $(,)?) => {
        [$(does_with_text(&[$name], $help, |d, v| {
            matching(&mut d.settings.routes.$chain, $subject, v)
        })),*]
    };
}

/// The others of a kind.
macro_rules! others {
    ($chain:ident; $if:literal, $if_not:literal, $run:literal, $label:literal; $help:literal) => {
        [
            does_with_text(&[$if], $help, |d, v| {
                testing(&mut d.settings.routes.$chain, true, v)
            }),
            does_with_text(
                &[$if_not],
                concat!("As ", $if, ", where the test does not hold."),
                |d, v| testing(&mut d.settings.routes.$chain, false, v),
            ),
            does_with_text(&[$run], "ACTION:ARGUMENT always.", |d, v| {
                always(&mut d.settings.routes.$chain, v)
            }),
            does_with_text(
                &[$label],
                "A place that goto leads to, in the same kind of rules.",
                |d, v| label(&mut d.settings.routes.$chain, v),
            ),
        ]
    };
}

/// A kind of rules: its names are the usual ones behind a word of its own.
macro_rules! kind {
    ($chain:ident; $route:literal, $uri:literal, $host:literal, $qs:literal, $address:literal, $user:literal, $agent:literal,
     $referer:literal; $help:literal) => {
        patterns![$chain;
            $route "${PATH_INFO}" $help,
            $uri "${REQUEST_URI}" "The same by the request's target.",
            $host "${HTTP_HOST}" "The same by the host.",
            $qs "${QUERY_STRING}" "The same by the query.",
            $address "${REMOTE_ADDR}" "The same by the client's address.",
            $user "${REMOTE_USER}" "The same by the user that the front server or setuser names.",
            $agent "${HTTP_USER_AGENT}" "The same by the User-Agent field.",
            $referer "${HTTP_REFERER}" "The same by the Referer field.",
        ]
    };
}

const REQUEST: [Entry; 8] = kind!(request; "route", "route-uri", "route-host", "route-qs", "route-remote-addr",
    "route-remote-user", "route-user-agent", "route-referer";
    "PATTERN ACTION:ARGUMENT, by the path, before anything answers the request; the actions are named below.");
const REQUEST_TOO: [Entry; 4] = others!(request; "route-if", "route-if-not", "route-run", "route-label";
    "TEST:A;B ACTION:ARGUMENT. Tests: equal, startswith, endswith, contains, regexp, empty, ishigher, ishigherequal, islower, islowerequal, ipv4in, \
     ipv6in, exists, isfile, isdir, islink, isexec.");
const ERROR: [Entry; 8] = kind!(error; "error-route", "error-route-uri", "error-route-host", "error-route-qs",
    "error-route-remote-addr", "error-route-remote-user", "error-route-user-agent", "error-route-referer";
    "As route, once the answer's status is known, whatever it is: what gives an answer takes the place of the application's.");
const ERROR_TOO: [Entry; 4] = others!(error; "error-route-if", "error-route-if-not", "error-route-run", "error-route-label";
    "As route-if.");
const RESPONSE: [Entry; 8] = kind!(response; "response-route", "response-route-uri", "response-route-host",
    "response-route-qs", "response-route-remote-addr", "response-route-remote-user", "response-route-user-agent",
    "response-route-referer"; "As error-route, after it, before the head of the answer is sent.");
const RESPONSE_TOO: [Entry; 4] = others!(response; "response-route-if", "response-route-if-not", "response-route-run",
    "response-route-label"; "As route-if.");
const LAST: [Entry; 8] = kind!(last; "final-route", "final-route-uri", "final-route-host", "final-route-qs",
    "final-route-remote-addr", "final-route-remote-user", "final-route-user-agent", "final-route-referer";
    "As route, once the request is answered, before its line is logged: for log, logvar and donotlog.");
const LAST_TOO: [Entry; 4] = others!(last; "final-route-if", "final-route-if-not", "final-route-run", "final-route-label";
    "As route-if.");

const STATUS: [Entry; 3] = [
    does_with_text(
        &["error-route-status"],
        "STATUS ACTION:ARGUMENT, as error-route, by the answer's status.",
        |d, v| answered(&mut d.settings.routes.error, v),
    ),
    does_with_text(
        &["response-route-status"],
        "The same, as response-route.",
        |d, v| answered(&mut d.settings.routes.response, v),
    ),
    does_with_text(&["final-route-status"], "The same, as final-route.", |d, v| {
        answered(&mut d.settings.routes.last, v)
    }),
];

/// The entries, in the order of the compatibility page.
pub(super) const ENTRIES: [&[Entry]; 9] = [
    &REQUEST,
    &REQUEST_TOO,
    &ERROR,
    &ERROR_TOO,
    &RESPONSE,
    &RESPONSE_TOO,
    &LAST,
    &LAST_TOO,
    &STATUS,
];
