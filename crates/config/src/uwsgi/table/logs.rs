//! What uWSGI's options mean here that choose which requests are logged.

use std::time::Duration;

use super::{Entry, does, natural};
use crate::defaults::unless_zero;
use crate::uwsgi::known::is_on;

/// The entries, in the order of the compatibility page.
pub(super) const ENTRIES: &[Entry] = &[
    does(
        &["log-4xx"],
        "With disable-logging: a line all the same for answers with a status from 400 to 499.",
        |d, v| {
            d.log_selection.client_errors = is_on(v);
            Ok(())
        },
    ),
    does(&["log-5xx"], "The same for a status from 500 to 599.", |d, v| {
        d.log_selection.server_errors = is_on(v);
        Ok(())
    }),
    does(
        &["log-slow"],
        "The same for answers that took at least so many milliseconds.",
        |d, v| {
            d.log_selection.slow = unless_zero(natural(v)?).map(Duration::from_millis);
            Ok(())
        },
    ),
    does(
        &["log-big"],
        "The same for answers of at least so many bytes.",
        |d, v| {
            d.log_selection.large = unless_zero(natural(v)?);
            Ok(())
        },
    ),
    does(&["log-zero"], "The same for answers without a body.", |d, v| {
        d.log_selection.empty = is_on(v);
        Ok(())
    }),
    does(
        &["log-sendfile"],
        "The same for answers that are files, sent by the kernel.",
        |d, v| {
            d.log_selection.files = is_on(v);
            Ok(())
        },
    ),
    does(
        &["log-ioerror"],
        "The same for clients that were gone before the end of their request or answer.",
        |d, v| {
            d.log_selection.failures = is_on(v);
            Ok(())
        },
    ),
];
