//! What uWSGI's options mean here that say where the log goes and which requests are logged. Logs beside it are in `loggers`.

use std::time::Duration;

use super::{Draft, Entry, at_start, does, does_with_text, natural};
use crate::defaults::unless_zero;
use crate::uwsgi::UWSGI_DEFAULT_FORMAT;
use crate::uwsgi::known::is_on;
use crate::{LogRotation, LogTarget};

/// A file, unless it is `HOST:PORT`.
pub(super) fn log_target(draft: &Draft<'_>, value: &str) -> LogTarget {
    let port = value.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
    match port {
        Some(Ok(_)) if !value.contains('/') => LogTarget::Datagrams(value.to_owned()),
        _ => LogTarget::File(at_start(draft, value)),
    }
}

/// The entries, in the order of the compatibility page.
pub(super) const ENTRIES: &[Entry] = &[
    does(&["logto"], "Log to this file, or by UDP to HOST:PORT.", |d, v| {
        d.log_file = Some(log_target(d, v));
        Ok(())
    }),
    does(&["disable-logging"], "No line for each request.", |d, v| {
        d.no_request_log = is_on(v);
        Ok(())
    }),
    does_with_text(
        &["log-format", "logformat"],
        "Format of a request's line.",
        |d, v| {
            v.clone_into(&mut d.settings.logs.access_format);
            Ok(())
        },
    ),
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

/// Where log lines and request lines go, once everything is known.
pub(in crate::uwsgi) fn finish(draft: &mut Draft<'_>) {
    let daemon_file = draft
        .settings
        .daemonize
        .as_ref()
        .and_then(|daemonize| daemonize.output.clone());
    let daemon_log = daemon_file.map(LogTarget::File);
    if let Some(target) = draft.log_file.clone().or(daemon_log) {
        draft.settings.logs.error = target;
    }
    let logs = &mut draft.settings.logs;
    // What applications print goes the way of the server's own lines.
    logs.capture_output = true;
    let target = logs.error.clone();
    if logs.request_loggers.loggers.is_empty() {
        // Lines of requests go the way of all others.
        logs.request_loggers = logs.loggers.clone();
    }
    if draft.formatted_time {
        logs.request_time = draft.log_date.take().unwrap_or_default();
    }
    logs.rotation = match (draft.log_size, draft.log_backup.take()) {
        (None, None) => None,
        // Without a size they are only set aside on request.
        (size, backup) => Some(LogRotation {
            size: size.unwrap_or(u64::MAX),
            backup,
        }),
    };
    if logs.access_format == UWSGI_DEFAULT_FORMAT {
        logs.access_format = default_line(draft.log_micros, draft.memory_report);
    }
    draft.settings.logs.only = draft.no_request_log.then_some(draft.log_selection);
    // Open in any case: an application may want a line of this one request (uwsgi.log_this_request).
    draft.settings.logs.access = Some(target);
}

/// uWSGI's own line for a request, as its options change it.
fn default_line(micros: bool, memory: bool) -> String {
    let line = UWSGI_DEFAULT_FORMAT;
    let line = match micros {
        true => line.replace("%(msecs) msecs", "%(micros) micros"),
        false => line.to_owned(),
    };
    let used = "{address space usage: %(vsz) bytes/%(vszM)MB} {rss usage: %(rss) bytes/%(rssM)MB} ";
    format!("{}{line}", if memory { used } else { "" })
}
