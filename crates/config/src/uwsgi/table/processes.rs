//! What uWSGI's options mean here that say how many processes there are, who they are and how long they live.

use std::time::Duration;

use super::rights::of_server;
use super::{Draft, Entry, at_start, does, natural, refused, seconds};
use crate::Daemonize;
use crate::defaults::{count, unless_zero};
use crate::uwsgi::ini::processors;
use crate::uwsgi::known::{is_on, leading_number};

pub(super) const NO_ISOLATION: &str =
    "it would not isolate anything here: use the service manager or a container for that";

fn workers(draft: &mut Draft<'_>, value: &str) -> Result<(), String> {
    let number = if value == "auto" {
        processors() as i64
    } else {
        leading_number(value)
    };
    if number < 1 {
        return Err(format!(
            "'{value}' is no number of workers: give at least 1, or auto"
        ));
    }
    draft.settings.workers = count(number.unsigned_abs());
    Ok(())
}

/// The entries, in the order of the compatibility page.
pub(super) const ENTRIES: &[Entry] = &[
    does(
        &["processes", "workers"],
        "Number of worker processes, or auto for one per processor.",
        workers,
    ),
    does(&["threads"], "Application threads in each worker.", |d, v| {
        d.settings.threads = count(natural(v)?.max(1));
        Ok(())
    }),
    does(
        &["harakiri"],
        "Seconds a request may take before its worker is killed; 0 is for ever.",
        |d, v| {
            d.settings.timeouts.request_deadline = unless_zero(natural(v)?).map(Duration::from_secs);
            Ok(())
        },
    ),
    does(
        &["max-requests"],
        "Replace a worker after this many requests; 0 is never.",
        |d, v| {
            d.settings.max_requests = unless_zero(natural(v)?);
            Ok(())
        },
    ),
    does(
        &["worker-reload-mercy", "reload-mercy"],
        "Seconds that requests in progress get; default 60.",
        |d, v| {
            d.settings.timeouts.graceful = seconds(v)?;
            Ok(())
        },
    ),
    does(
        &["die-on-term"],
        "TERM stops, which it does anyway; false, written out, makes it reload.",
        |d, v| {
            d.settings.term_reloads = !is_on(v);
            Ok(())
        },
    ),
    does(
        &["vacuum"],
        "Remove unix sockets and the pidfile at exit.",
        |d, v| {
            d.settings.remove_files_at_exit = is_on(v);
            Ok(())
        },
    ),
    does(&["pidfile"], "File for the master's process id.", |d, v| {
        d.settings.pidfile = Some(at_start(d, v));
        Ok(())
    }),
    does(
        &["daemonize"],
        "Go on in the background and log to this file.",
        |d, v| {
            d.settings.daemonize = Some(Daemonize {
                keep_output: false,
                output: Some(at_start(d, v)),
            });
            Ok(())
        },
    ),
    does(&["uid", "immediate-uid"], "User that workers run as.", |d, v| {
        d.settings.user = Some(v.to_owned());
        Ok(())
    }),
    does(&["gid", "immediate-gid"], "Group that workers run as.", |d, v| {
        d.settings.group = Some(v.to_owned());
        Ok(())
    }),
    does(
        &["touch-reload"],
        "Reload when this file is touched; may be repeated.",
        |d, v| {
            let path = of_server(d, v);
            d.settings.touch_reload.push(path);
            Ok(())
        },
    ),
    does(
        &[
            "py-autoreload",
            "py-auto-reload",
            "python-autoreload",
            "python-auto-reload",
        ],
        "Reload when an imported Python file changes.",
        |d, v| {
            d.settings.reload_on_change = leading_number(v) > 0;
            Ok(())
        },
    ),
    does(
        &["py-auto-reload-ignore"],
        "A module whose file does not count; may be repeated.",
        |d, v| {
            d.settings.reload_watch.ignored_modules.push(v.to_owned());
            Ok(())
        },
    ),
    does(
        &["auto-procname"],
        "Show what each process is in the process list.",
        |d, v| {
            d.settings.process_titles = is_on(v);
            Ok(())
        },
    ),
    refused(
        &["namespace", "namespace-keep-mount", "ns", "unshare"],
        "Isolation.",
        NO_ISOLATION,
    ),
];
