//! What uWSGI's options for internal routing mean here.

use super::{Entry, does_with_text};
use crate::uwsgi::routes::{always, matching, testing};

macro_rules! rule {
    ($name:literal, $help:literal, $subject:literal) => {
        does_with_text(&[$name], $help, |d, v| {
            matching(&mut d.settings.routes, $subject, v)
        })
    };
}

/// The entries, in the order of the compatibility page.
pub(super) const ENTRIES: &[Entry] = &[
    rule!(
        "route",
        "PATTERN ACTION:ARGUMENT, by the path. Actions: continue, last, break, return, redirect, redirect-permanent, goto, \
         donotlog, log, addheader, delheader, basicauth, static.",
        "${PATH_INFO}"
    ),
    rule!(
        "route-uri",
        "As route, by the request's target.",
        "${REQUEST_URI}"
    ),
    rule!("route-host", "As route, by the host.", "${HTTP_HOST}"),
    rule!("route-qs", "As route, by the query.", "${QUERY_STRING}"),
    rule!(
        "route-remote-addr",
        "As route, by the client's address.",
        "${REMOTE_ADDR}"
    ),
    rule!(
        "route-user-agent",
        "As route, by the User-Agent field.",
        "${HTTP_USER_AGENT}"
    ),
    rule!(
        "route-referer",
        "As route, by the Referer field.",
        "${HTTP_REFERER}"
    ),
    does_with_text(
        &["route-if"],
        "TEST:A;B ACTION:ARGUMENT. Tests: equal, startswith, endswith, contains, regexp, empty, ishigher, ishigherequal, \
         islower, islowerequal, exists, isfile, isdir, islink.",
        |d, v| testing(&mut d.settings.routes, true, v),
    ),
    does_with_text(
        &["route-if-not"],
        "As route-if, where the test does not hold.",
        |d, v| testing(&mut d.settings.routes, false, v),
    ),
    does_with_text(&["route-run"], "ACTION:ARGUMENT for every request.", |d, v| {
        always(&mut d.settings.routes, v)
    }),
    does_with_text(&["route-label"], "A place that goto leads to.", |d, v| {
        let routes = &mut d.settings.routes;
        routes.labels.insert(v.trim().to_owned(), routes.rules.len());
        Ok(())
    }),
];
