//! More of what uWSGI's options mean here: what needs no code beyond the settings there are, and what is always so.

use std::path::PathBuf;

use super::logs::log_target;
use super::{Draft, Entry, always, at_start, does, does_with_text, natural};
use crate::defaults::count;
use crate::uwsgi::known::{is_on, leading_number};
use crate::{FileLock, ProcessAffixes};

/// `Name: value`, as `add-header` has it.
fn header(draft: &mut Draft<'_>, value: &str) -> Result<(), String> {
    let (name, content) = value
        .split_once(':')
        .ok_or_else(|| format!("'{value}' has to be NAME: VALUE"))?;
    draft.settings.added_headers.push(name, content)
}

/// A directory of files, each the value of the variable it is named after (daemontools' envdir).
fn variables_of(draft: &mut Draft<'_>, value: &str) -> Result<(), String> {
    let directory = at_start(draft, value);
    let failed =
        |error: std::io::Error| format!("cannot read the directory {}: {error}", directory.display());
    let mut paths = std::fs::read_dir(&directory)
        .and_then(|entries| {
            entries
                .map(|entry| Ok(entry?.path()))
                .collect::<Result<Vec<_>, _>>()
        })
        .map_err(failed)?;
    paths.sort();
    for path in paths.iter().filter(|path| path.is_file()) {
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        let bytes =
            std::fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        let text = String::from_utf8_lossy(&bytes);
        let first = text.lines().next().unwrap_or_default().trim_end().to_owned();
        draft.settings.env.push((name, first));
    }
    Ok(())
}

fn second_pidfile(draft: &mut Draft<'_>, value: &str) -> Result<(), String> {
    match &draft.settings.pidfile {
        None => draft.settings.pidfile = Some(at_start(draft, value)),
        Some(first) => {
            let first = first.display();
            draft
                .notices
                .push(format!("only one pidfile is written, and that is {first}"));
        }
    }
    Ok(())
}

/// A file that is to be locked.
fn lock(draft: &mut Draft<'_>, path: &str, waits: bool, in_background: bool) -> Result<(), String> {
    let path = at_start(draft, path);
    draft.settings.supervision.file_locks.push(FileLock {
        path,
        waits,
        in_background,
    });
    Ok(())
}

/// An option that sets a part of the titles, and with it has them shown.
fn titled(draft: &mut Draft<'_>, set: impl FnOnce(&mut ProcessAffixes)) -> Result<(), String> {
    draft.settings.process_titles = true;
    set(&mut draft.settings.process_affixes);
    Ok(())
}

/// The entries, in the order of the compatibility page.
pub(super) const ENTRIES: &[Entry] = &[
    does_with_text(
        &["add-header"],
        "NAME: VALUE to add to every answer; may be repeated.",
        header,
    ),
    does(
        &["unenv"],
        "Take this variable out of the environment; may be repeated.",
        |d, v| {
            d.settings.env.retain(|(name, _)| name != v);
            d.settings.unset_env.push(v.to_owned());
            Ok(())
        },
    ),
    does(
        &["flock"],
        "Lock this file, which has to be there, for as long as any process of the server lives; exit where another server has it.",
        |d, v| lock(d, v, false, false),
    ),
    does(
        &["flock-wait"],
        "As flock, but wait for the other server.",
        |d, v| lock(d, v, true, false),
    ),
    does(
        &["flock2"],
        "As flock, once the server is in the background.",
        |d, v| lock(d, v, false, true),
    ),
    does(
        &["flock-wait2"],
        "As flock-wait, once the server is in the background.",
        |d, v| lock(d, v, true, true),
    ),
    does(
        &["daemonize2"],
        "As daemonize: the process that was started leaves before the application is loaded.",
        |d, v| {
            let output = Some(at_start(d, v));
            d.settings.daemonize = Some(crate::Daemonize {
                output,
                keep_output: false,
            });
            Ok(())
        },
    ),
    does(
        &["logto2"],
        "As logto: workers write to it under their own user anyway.",
        |d, v| {
            d.log_file = Some(log_target(d, v));
            Ok(())
        },
    ),
    does(
        &["pidfile2", "safe-pidfile", "safe-pidfile2"],
        "As pidfile, where that is not given: it is written once the sockets are open.",
        second_pidfile,
    ),
    does(
        &["fs-reload", "fs-brutal-reload"],
        "As touch-reload: new workers are always ready before old ones leave.",
        |d, v| {
            d.settings.touch_reload.push(PathBuf::from(v));
            Ok(())
        },
    ),
    does(
        &["max-requests-delta"],
        "Spread max-requests: up to this many more requests for each worker.",
        |d, v| {
            d.settings.max_requests_jitter = natural(v)?;
            Ok(())
        },
    ),
    does(
        &["disable-sendfile"],
        "Read files of wsgi.file_wrapper and write them instead of using sendfile.",
        |d, v| {
            d.settings.sendfile = !is_on(v);
            Ok(())
        },
    ),
    does(
        &["max-vars"],
        "Raises the limit of 100 header fields, never lowers it.",
        |d, v| {
            let fields = usize::try_from(natural(v)?).unwrap_or(usize::MAX);
            d.settings.limits.fields = d.settings.limits.fields.max(fields.min(65_535));
            Ok(())
        },
    ),
    does(
        &["envdir", "early-envdir"],
        "Set a variable for each file in this directory.",
        variables_of,
    ),
    does(
        &["gevent"],
        "Each request is a greenlet of gevent, which has to be installed; the standard library is patched before the \
         application is imported. The value bounds the connections of each worker; threads is of no use then.",
        |d, v| {
            d.settings.greenlets = true;
            d.settings.connections = Some(count(natural(v)?).max(1));
            Ok(())
        },
    ),
    does(
        &["async"],
        "There is no asynchronous mode: requests run in threads. Gives each worker that many threads, 64 at most, unless \
         threads is given.",
        |d, v| {
            let threads = count(leading_number(v).clamp(1, 64).unsigned_abs());
            d.notices.push(format!(
                "there is no asynchronous mode: each worker has {threads} threads, if threads is not given"
            ));
            d.greenlets = Some(threads);
            Ok(())
        },
    ),
    does_with_text(
        &["procname"],
        "Name of all processes in the process list.",
        |d, v| {
            d.settings.process_name = Some(v.to_owned());
            titled(d, |_| {})
        },
    ),
    does_with_text(
        &["procname-master"],
        "Name of the master in the process list.",
        |d, v| titled(d, |affixes| affixes.master = Some(v.to_owned())),
    ),
    does_with_text(
        &["procname-prefix"],
        "Put in front of names in the process list.",
        |d, v| titled(d, |affixes| v.clone_into(&mut affixes.prefix)),
    ),
    does_with_text(
        &["procname-prefix-spaced"],
        "As procname-prefix, with a space behind it.",
        |d, v| titled(d, |affixes| affixes.prefix = format!("{v} ")),
    ),
    does_with_text(
        &["procname-append"],
        "Put behind names in the process list.",
        |d, v| titled(d, |affixes| v.clone_into(&mut affixes.suffix)),
    ),
    does(
        &["show-config"],
        "Write the configuration to the log at start.",
        |d, v| {
            d.show = is_on(v);
            Ok(())
        },
    ),
    always(&["strict"], "Exit with 1 on an unknown key."),
    always(&["master"], "There always is a master process."),
    always(
        &["lazy-apps", "lazy"],
        "Every worker imports the application, so that a reload is safe.",
    ),
    always(&["enable-threads"], "Threads are always enabled."),
    always(&["single-interpreter"], "There is one interpreter in a process."),
    always(&["thunder-lock"], "The workers share the accept queue fairly."),
    always(&["no-orphans"], "Workers leave when the master is gone."),
    always(
        &["close-on-exec", "close-on-exec2"],
        "Sockets are never inherited by commands.",
    ),
    always(
        &["py-call-osafterfork", "py-call-uwsgi-fork-hooks"],
        "Python's fork hooks are always called.",
    ),
    always(
        &["wsgi-env-behaviour", "wsgi-env-behavior"],
        "The environ is always a fresh one.",
    ),
    always(
        &["http-auto-chunked", "http-chunked-input", "http-raw-body"],
        "Done whenever it is needed.",
    ),
    always(
        &["post-buffering"],
        "Bodies are read before the application is called.",
    ),
    always(
        &["log-master"],
        "Log lines of all processes go to the same place.",
    ),
    always(
        &["ignore-sigpipe", "ignore-write-errors", "disable-write-exception"],
        "A client that leaves is no error: nothing is raised in the application, nothing is logged.",
    ),
    always(
        &["offload-threads", "offload-thread"],
        "Sending files and answers never keeps a worker from other clients.",
    ),
    always(
        &["master-as-root", "drop-after-init", "drop-after-apps"],
        "The master keeps its user so that it can open sockets and files again; workers drop to theirs before the \
         application is loaded.",
    ),
    always(
        &["http-websockets"],
        "Connections that change their protocol need no permission.",
    ),
    always(
        &[
            "http-processes",
            "http-workers",
            "http-events",
            "http-cheap",
            "http-quiet",
        ],
        "There is no router process: workers speak HTTP.",
    ),
    always(
        &["http-buffer-size"],
        "Buffers grow as far as the limits of a request allow.",
    ),
    always(&["http-connect-timeout"], "There is nothing to connect to."),
    always(
        &["max-fd"],
        "Tables grow on demand, whatever the limit of descriptors is.",
    ),
    always(&["reaper"], "Children of the master are always waited for."),
    always(&["no-defer-accept"], "Accepting is not deferred."),
    always(
        &["no-fd-passing", "no-threads-wait"],
        "Nothing here waits for it or needs it.",
    ),
    always(&["tcp-nodelay"], "Answers are sent without delay."),
    always(&["honour-range"], "Ranges of files are always answered."),
    always(
        &["http-server-name-as-http-host", "http-manage-source"],
        "Names come from the request itself.",
    ),
    always(
        &["forkbomb-delay"],
        "Workers that die at once are started again at a growing distance.",
    ),
    always(
        &["threaded-logger", "log-master-stream", "log-master-bufsize"],
        "Writing a line never waits for another process.",
    ),
    always(
        &["vassal-sos", "heartbeat"],
        "The master watches its workers itself.",
    ),
    always(&["pcre-jit"], "Patterns are always compiled."),
    always(
        &["honour-stdin"],
        "Standard input is left as it is, except in the background.",
    ),
    always(
        &[
            "gevent-monkey-patch",
            "gevent-early-monkey-patch",
            "gevent-wait-for-hub",
        ],
        "With gevent the standard library is patched before anything of the application is imported, and requests in progress are \
         waited for.",
    ),
];
