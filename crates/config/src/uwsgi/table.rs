//! What uWSGI's options mean here: one entry per idea, with all its names. An option without an entry is known by
//! name only and not there yet; a new ability is a new entry.

pub(super) mod alarms;
mod cgi;
mod commands;
pub(super) mod commons;
pub(super) mod emperor;
pub(super) mod families;
mod harakiri;
mod hooks;
pub(super) mod limits;
pub(super) mod loading;
mod loggers;
mod logs;
mod more;
mod programs;
pub(super) mod rights;
mod routes;
pub(super) mod scaling;
mod static_files;
pub(super) mod statistics;
pub(super) mod web;

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::ini::processors;
use super::known::{self, is_on, leading_number};
use crate::address::host_and_port;
use crate::defaults::{count, size, unless_zero};
use crate::option::Status;
use crate::{
    Address, CacheSettings, Cheaper, Daemonize, Emperor, Environment, LogRotation, LogSelection, LogTarget,
    Settings, StatisticsTarget, Wire, glob,
};

/// What the options are being turned into.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    /// The settings so far.
    pub(super) settings: Settings,
    /// `http`, `http-socket`, `http11-socket`, and `socket` under `protocol = http`, in order.
    pub(super) listeners: Vec<Listener>,
    /// What the plain `socket` speaks.
    pub(super) protocol: String,
    /// `module`
    pub(super) module: Option<String>,
    /// `wsgi-file`
    pub(super) file: Option<String>,
    /// `callable`
    pub(super) callable: Option<String>,
    /// `paste`
    pub(super) paste: Option<String>,
    /// `logto`
    pub(super) log_file: Option<LogTarget>,
    /// `log-date` in a notation of its own
    pub(super) log_date: Option<String>,
    /// `logformat-strftime`
    pub(super) formatted_time: bool,
    /// `log-maxsize`
    pub(super) log_size: Option<u64>,
    /// `log-backupname`
    pub(super) log_backup: Option<PathBuf>,
    /// `log-micros`
    pub(super) log_micros: bool,
    /// `mount`: prefixes without a final slash, and what is mounted there.
    pub(super) mounts: Vec<(String, String)>,
    /// `async`: how many threads take the place of its cores.
    pub(super) greenlets: Option<u32>,
    /// `emperor` and the like; there are no provinces until one is given.
    pub(super) emperor: Emperor,
    /// `cheaper` and the like; `least` is 0 until it is given.
    pub(super) cheaper: Cheaper,
    /// `log-4xx` and the like
    pub(super) log_selection: LogSelection,
    /// `disable-logging`
    pub(super) no_request_log: bool,
    /// `stats-push` and `carbon`: who, and how often if that was said.
    pub(super) statistics_pushes: Vec<(StatisticsTarget, Option<Duration>)>,
    /// `stats-pusher-default-freq`
    pub(super) push_interval: Option<Duration>,
    /// `carbon-root` and the like
    pub(super) carbon: statistics::Carbon,
    /// `metrics-no-cores`
    pub(super) metrics_without_cores: bool,
    /// `stats-no-metrics`
    pub(super) without_metrics: bool,
    /// `memory-report`
    pub(super) memory_report: bool,
    /// `http-timeout` and its kin
    pub(super) web: web::Web,
    /// From where absolute paths are meant, under `chroot`.
    pub(super) roots: rights::Roots,
    /// `abstract-socket`
    pub(super) abstract_sockets: bool,
    /// `show-config`
    pub(super) show: bool,
    /// What the options of old say of a cache.
    pub(super) default_cache: Option<CacheSettings>,
    /// Notices so far, without their origin.
    pub(super) notices: Vec<String>,
    /// The surroundings.
    pub(super) environment: &'a Environment,
}

/// One listening socket as it was asked for.
#[derive(Debug)]
pub(super) struct Listener {
    /// Where it listens.
    pub(super) address: Address,
    /// What it speaks; `None`: what `protocol` says.
    pub(super) wire: Option<Wire>,
    /// Who may connect, if it says so.
    pub(super) allow_from: Option<Vec<String>>,
    /// Answers begin with a status line.
    pub(super) status_line: bool,
    /// uWSGI would have its router there.
    pub(super) is_router: bool,
}

/// Acts on a value; the error is a sentence.
pub(super) type Apply = fn(&mut Draft<'_>, &str) -> Result<(), String>;

/// Whether ` # ...` or ` ; ...` at the end of a value in a file is a comment that somebody forgot is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Text {
    /// It can only be a comment: cut off, with a notice.
    Plain,
    /// It may belong to the value: kept.
    Free,
}

/// One idea with all its names.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    /// Its names; the first is the usual one.
    pub(super) names: &'static [&'static str],
    /// One sentence for the help text.
    pub(super) help: &'static str,
    /// What a value is made of.
    pub(super) text: Text,
    /// What it does here.
    pub(super) status: Status<Apply>,
}

const fn does(names: &'static [&'static str], help: &'static str, apply: Apply) -> Entry {
    Entry {
        names,
        help,
        text: Text::Plain,
        status: Status::Honoured(apply),
    }
}

const fn does_with_text(names: &'static [&'static str], help: &'static str, apply: Apply) -> Entry {
    Entry {
        names,
        help,
        text: Text::Free,
        status: Status::Honoured(apply),
    }
}

const fn always(names: &'static [&'static str], help: &'static str) -> Entry {
    does(names, help, |_, _| Ok(()))
}

const fn refused(names: &'static [&'static str], help: &'static str, reason: &'static str) -> Entry {
    Entry {
        names,
        help,
        text: Text::Plain,
        status: Status::Refused(reason),
    }
}

const NO_TLS: &str = "TLS is not there yet: use http-socket behind a proxy that speaks TLS";
const NO_ISOLATION: &str =
    "it would not isolate anything here: use the service manager or a container for that";

/// The entry for a name: its own, or its family's. Only what acts while the configuration is read has none.
pub(super) fn find(name: &str) -> Option<&'static Entry> {
    let own = all().find(|entry| entry.names.contains(&name));
    own.or_else(|| {
        let family = families::of(known::find(name)?)?;
        (!super::reads(name)).then_some(&family.entry)
    })
}

/// Every entry that has names of its own, in the order of the compatibility page.
pub(super) fn all() -> impl Iterator<Item = &'static Entry> {
    ENTRIES
        .iter()
        .chain(loading::ENTRIES)
        .chain(rights::ENTRIES)
        .chain(limits::ENTRIES)
        .chain(scaling::ENTRIES)
        .chain(harakiri::ENTRIES)
        .chain(emperor::ENTRIES)
        .chain(logs::ENTRIES)
        .chain(loggers::ENTRIES)
        .chain(routes::ENTRIES.into_iter().flatten())
        .chain(cgi::ENTRIES)
        .chain(commons::ENTRIES)
        .chain(static_files::ENTRIES)
        .chain(web::ENTRIES)
        .chain(statistics::ENTRIES)
        .chain(hooks::ENTRIES)
        .chain(programs::ENTRIES)
        .chain(alarms::ENTRIES)
        .chain(commands::ENTRIES)
        .chain(more::ENTRIES)
}

/// Plugins of uWSGI, beside `python...`, whose abilities are built in here or need nothing.
const BUILT_IN: &[&str] = &[
    "0",
    "cache",
    "carbon",
    "cgi",
    "cheaper_busyness",
    "corerouter",
    "gevent",
    "http",
    "logfile",
    "logsocket",
    "ping",
    "router_basicauth",
    "router_expires",
    "router_http",
    "router_redirect",
    "router_rewrite",
    "router_static",
    "router_uwsgi",
    "rpc",
    "rsyslog",
    "signal",
    "spooler",
    "stats_pusher_file",
    "stats_pusher_socket",
    "stats_pusher_statsd",
    "syslog",
    "transformation_chunked",
    "transformation_offload",
];

/// Whether what a plugin adds to uWSGI is built in here or needs nothing.
pub(super) fn is_builtin_plugin(name: &str) -> bool {
    let name = name.trim();
    name.starts_with("python") || BUILT_IN.contains(&name)
}

fn listener(draft: &mut Draft<'_>, text: &str, wire: Option<Wire>) -> Result<(), String> {
    let (text, allow_from) = crate::address::allowed(text)?;
    let address = socket_address(draft, text, draft.roots.sockets.as_ref())?;
    if allow_from.is_some() && matches!(address, Address::Unix(_) | Address::Abstract(_)) {
        return Err("who may connect to a unix socket is said by chmod-socket, not by allow=".to_owned());
    }
    draft.listeners.push(Listener {
        address,
        wire,
        allow_from,
        status_line: false,
        is_router: false,
    });
    Ok(())
}

/// `root`: from where the absolute path of a unix socket is meant.
fn socket_address(draft: &Draft<'_>, text: &str, root: Option<&PathBuf>) -> Result<Address, String> {
    Ok(if let Some(number) = text.strip_prefix("fd://") {
        crate::address::descriptor(number)
            .ok_or_else(|| format!("'{number}' is not a file descriptor: write fd://N"))?
    } else if let Some(name) = abstract_name(draft, text) {
        Address::Abstract(name)
    } else if text.starts_with('=') {
        return Err("shared sockets are not there yet: give HOST:PORT or a path".to_owned());
    } else if !text.contains(':') || text.starts_with('/') {
        if text.is_empty() {
            return Err("give HOST:PORT, :PORT or the path of a unix socket".to_owned());
        }
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(format!("'{text}' is a port without its colon: write :{text}"));
        }
        Address::Unix(
            draft
                .environment
                .directory
                .join(rights::below(root, Path::new(text))),
        )
    } else {
        host_and_port(text, None)?
    })
}

/// An abstract name; under `abstract-socket` any path, as it is written.
fn abstract_name(draft: &Draft<'_>, text: &str) -> Option<Vec<u8>> {
    let is_path = !text.is_empty() && (!text.contains(':') || text.starts_with('/'));
    let forced = draft.abstract_sockets && is_path;
    Address::abstract_name(text).or_else(|| forced.then(|| text.as_bytes().to_owned()))
}

/// A socket whose answers begin with a status line.
fn nph_listener(draft: &mut Draft<'_>, text: &str, wire: Wire) -> Result<(), String> {
    listener(draft, text, Some(wire))?;
    if let Some(listener) = draft.listeners.last_mut() {
        listener.status_line = true;
    }
    Ok(())
}

/// Whether a directory that the workers are to be in is there.
fn is_directory(draft: &Draft<'_>, path: &Path) -> Result<(), String> {
    match rights::seen_from_here(draft, path) {
        there if there.is_dir() => Ok(()),
        missing => Err(format!("chdir(): there is no directory {}", missing.display())),
    }
}

fn at_start(draft: &Draft<'_>, path: &str) -> PathBuf {
    draft.environment.directory.join(path)
}

/// A file, unless it is `HOST:PORT`.
fn log_target(draft: &Draft<'_>, value: &str) -> LogTarget {
    let port = value.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
    match port {
        Some(Ok(_)) if !value.contains('/') => LogTarget::Datagrams(value.to_owned()),
        _ => LogTarget::File(at_start(draft, value)),
    }
}

fn natural(value: &str) -> Result<u64, String> {
    u64::try_from(leading_number(value))
        .map_err(|_| format!("'{value}' is negative: give a number from 0 up"))
}

fn seconds(value: &str) -> Result<Duration, String> {
    natural(value).map(Duration::from_secs)
}

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

fn chmod(draft: &mut Draft<'_>, value: &str) -> Result<(), String> {
    let digits = match value {
        "" | "1" | "true" => "666",
        digits => digits,
    };
    let mode = u32::from_str_radix(digits, 8).ok().filter(|_| digits.len() == 3);
    draft.settings.unix_sockets.mode =
        Some(mode.ok_or_else(|| format!("invalid chmod value: {value}: give exactly three octal digits"))?);
    Ok(())
}

/// Plugins that run other languages, and the Python implementations that are not CPython.
const OTHER_LANGUAGES: &[&str] = &[
    "psgi",
    "perl",
    "coroae",
    "php",
    "rack",
    "ruby",
    "rbthreads",
    "fiber",
    "lua",
    "luajit",
    "jvm",
    "jwsgi",
    "ring",
    "mono",
    "v8",
    "gccgo",
    "go",
    "pypy",
    "stackless",
    "xslt",
];

/// The names in a list of plugins that are not built in; the error names another language.
fn absent_plugins(value: &str) -> Result<Vec<&str>, String> {
    let names = || value.split(',').map(str::trim).filter(|name| !name.is_empty());
    let language = |name: &str| {
        let bare = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
        OTHER_LANGUAGES.contains(&name) || OTHER_LANGUAGES.contains(&bare)
    };
    match names().find(|name| language(name)) {
        Some(name) => Err(format!(
            "the plugin '{name}' is not there: only Python applications for CPython are served here; use that language's own \
             server and route to it in the proxy"
        )),
        None => Ok(names().filter(|name| !is_builtin_plugin(name)).collect()),
    }
}

fn plugins(draft: &mut Draft<'_>, value: &str) -> Result<(), String> {
    for name in absent_plugins(value)? {
        draft.notices.push(format!("the plugin '{name}' is not there"));
    }
    Ok(())
}

fn needed_plugins(_: &mut Draft<'_>, value: &str) -> Result<(), String> {
    match absent_plugins(value)?.first() {
        Some(name) => Err(format!(
            "unable to load plugin \"{name}\": it is not there; with plugins = {name} the server starts without it"
        )),
        None => Ok(()),
    }
}

/// The ideas that have a meaning here, in the order of the compatibility page.
const ENTRIES: &[Entry] = &[
    does(
        &["http"],
        "Listen here and speak HTTP: HOST:PORT, :PORT (all IPv4 addresses), a path, @NAME (abstract), fd://N.",
        |d, v| {
            listener(d, v, Some(Wire::Http1))?;
            if let Some(listener) = d.listeners.last_mut() {
                listener.is_router = true;
            }
            Ok(())
        },
    ),
    does(
        &["http-socket"],
        "As http: there is no separate router process.",
        |d, v| listener(d, v, Some(Wire::Http1)),
    ),
    does(&["http11-socket"], "As http.", |d, v| {
        listener(d, v, Some(Wire::Http1))
    }),
    does(
        &["socket"],
        "Listen here and speak what protocol says.",
        |d, v| listener(d, v, None),
    ),
    does(&["uwsgi-socket"], "Listen here and speak uwsgi.", |d, v| {
        listener(d, v, Some(Wire::Uwsgi))
    }),
    does(&["fastcgi-socket"], "Listen here and speak FastCGI.", |d, v| {
        listener(d, v, Some(Wire::Fastcgi))
    }),
    does(&["scgi-socket"], "Listen here and speak SCGI.", |d, v| {
        listener(d, v, Some(Wire::Scgi))
    }),
    does(
        &["fastcgi-nph-socket"],
        "Listen here and speak FastCGI, with HTTP's status line in answers.",
        |d, v| nph_listener(d, v, Wire::Fastcgi),
    ),
    does(
        &["scgi-nph-socket"],
        "Listen here and speak SCGI, with HTTP's status line in answers.",
        |d, v| nph_listener(d, v, Wire::Scgi),
    ),
    does(
        &["http-enable-proxy-protocol", "enable-proxy-protocol"],
        "Connections to HTTP sockets may begin with a PROXY header, version 1 or 2.",
        |d, v| {
            let on = is_on(v);
            (d.settings.proxy_protocol.v1, d.settings.proxy_protocol.v2) = (on, on);
            Ok(())
        },
    ),
    does(
        &["protocol", "socket-protocol"],
        "What socket speaks: uwsgi (the default), http, fastcgi or scgi.",
        |d, v| {
            v.clone_into(&mut d.protocol);
            Ok(())
        },
    ),
    refused(
        &["https", "https2", "https-socket", "http-to-https"],
        "Listen here and speak TLS.",
        NO_TLS,
    ),
    always(
        &["abstract-socket"],
        "Unix sockets are names in Linux's abstract namespace instead of files; a single one is written @NAME.",
    ),
    does(
        &["chmod-socket", "chmod"],
        "Mode of unix sockets: three octal digits; alone, 666.",
        chmod,
    ),
    does(
        &["chown-socket"],
        "Owner of unix sockets: USER or USER:GROUP.",
        |d, v| {
            let (user, group) = v
                .split_once(':')
                .map_or((v, None), |(user, group)| (user, Some(group)));
            d.settings.unix_sockets.user = Some(user.to_owned());
            d.settings.unix_sockets.group = group.map(str::to_owned);
            Ok(())
        },
    ),
    does(&["umask"], "File mode creation mask, octal.", |d, v| {
        let mask = u32::from_str_radix(v, 8).map_err(|_| format!("'{v}' is not an octal number"))?;
        d.settings.umask = Some(mask & 0o777);
        d.settings.unix_sockets.umask = Some(mask & 0o777);
        Ok(())
    }),
    does(
        &["listen"],
        "Length of the accept queue; the kernel's limit clamps it, with a warning.",
        |d, v| {
            d.settings.backlog = count(natural(v)?);
            Ok(())
        },
    ),
    does(
        &["buffer-size"],
        "Room for a gateway request's variables, 4096 bytes if not set; over HTTP it raises the limits of a head (8190 \
         bytes a line, 64 KiB in all) and never lowers them.",
        |d, v| {
            let bytes = size(natural(v)?.min(65_535));
            let limits = &mut d.settings.limits;
            limits.block = bytes;
            limits.request_line = limits.request_line.max(bytes);
            limits.field_size = limits.field_size.max(bytes);
            limits.head = limits.head.max(bytes.saturating_mul(2));
            Ok(())
        },
    ),
    does(
        &["limit-post"],
        "Largest request body in bytes; over it the answer is 413.",
        |d, v| {
            d.settings.limits.body = unless_zero(natural(v)?);
            Ok(())
        },
    ),
    does(
        &["module", "wsgi"],
        "The application: MODULE, MODULE:CALLABLE or MODULE:FACTORY().",
        |d, v| {
            d.module = Some(v.to_owned());
            Ok(())
        },
    ),
    does(
        &["wsgi-file", "file"],
        "The application as a Python file.",
        |d, v| {
            d.file = Some(v.to_owned());
            Ok(())
        },
    ),
    does(
        &["callable"],
        "Name of the callable; default application.",
        |d, v| {
            d.callable = Some(v.to_owned());
            Ok(())
        },
    ),
    does(
        &["need-app"],
        "Exit with 22 when no application can be loaded.",
        |d, v| {
            d.settings.need_application = is_on(v);
            Ok(())
        },
    ),
    does(&["chdir"], "Directory to work in.", |d, v| {
        let path = at_start(d, v);
        is_directory(d, &path)?;
        d.settings.chdir = Some(path);
        Ok(())
    }),
    does(
        &["pythonpath", "python-path", "pp"],
        "Put in front of sys.path; patterns are expanded.",
        |d, v| {
            let found = if v.contains(['*', '?', '[']) {
                glob::expand(&d.environment.directory, v)
            } else {
                vec![v.to_owned()]
            };
            for path in found {
                let path = at_start(d, &path);
                d.settings.pythonpath.push(path);
            }
            Ok(())
        },
    ),
    does(
        &["home", "virtualenv", "venv", "pyhome"],
        "Virtual environment to use.",
        |d, v| {
            d.settings.virtualenv = Some(PathBuf::from(v));
            Ok(())
        },
    ),
    does_with_text(
        &["env"],
        "NAME=VALUE to put in the environment; may be repeated.",
        |d, v| {
            match v.split_once('=').filter(|(name, _)| !name.is_empty()) {
                Some((name, value)) => d
                    .settings
                    .env
                    .push((name.trim().to_owned(), value.trim_start().to_owned())),
                None => d
                    .notices
                    .push(format!("'{v}' is ignored: it has to be NAME=VALUE")),
            }
            Ok(())
        },
    ),
    does(
        &["plugins", "plugin"],
        "Accepted where what the plugin does is built in.",
        plugins,
    ),
    does(
        &["need-plugin", "need-plugins"],
        "As plugins, but without them the server does not start.",
        needed_plugins,
    ),
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
            let path = rights::of_server(d, v);
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
        &["wsgi-disable-file-wrapper"],
        "Do not offer wsgi.file_wrapper.",
        |d, v| {
            d.settings.file_wrapper = !is_on(v);
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
        &["plugins-dir", "plugin-dir", "autoload"],
        "There are no plugins to load.",
    ),
    refused(
        &["namespace", "namespace-keep-mount", "ns", "unshare"],
        "Isolation.",
        NO_ISOLATION,
    ),
];

/// Where log lines and request lines go, once everything is known.
pub(super) fn finish_logs(draft: &mut Draft<'_>) {
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
    if logs.access_format == super::UWSGI_DEFAULT_FORMAT {
        logs.access_format = default_line(draft.log_micros, draft.memory_report);
    }
    draft.settings.logs.only = draft.no_request_log.then_some(draft.log_selection);
    // Open in any case: an application may want a line of this one request (uwsgi.log_this_request).
    draft.settings.logs.access = Some(target);
}

/// uWSGI's own line for a request, as its options change it.
fn default_line(micros: bool, memory: bool) -> String {
    let line = super::UWSGI_DEFAULT_FORMAT;
    let line = match micros {
        true => line.replace("%(msecs) msecs", "%(micros) micros"),
        false => line.to_owned(),
    };
    let used = "{address space usage: %(vsz) bytes/%(vszM)MB} {rss usage: %(rss) bytes/%(rssM)MB} ";
    format!("{}{line}", if memory { used } else { "" })
}
