//! uvicorn's options: one entry each, in the order of its help text.

use std::path::PathBuf;
use std::time::Duration;

use super::Draft;
use crate::defaults::{count, size};
use crate::option::Status;
use crate::{Believed, Interface, Level, Lifespan};

/// What a value is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Text,
    /// A path of something that exists.
    Path,
    Integer,
    Float,
    Boolean,
    /// `--name` alone.
    Flag,
    /// `--name` and `--no-name`.
    Switch,
    Choice(&'static [&'static str]),
}

/// Acts on a value that is of its kind; the error is a sentence.
pub(super) type Apply = fn(&mut Draft, &str) -> Result<(), String>;

/// One option.
pub(super) struct Entry {
    /// Without the dashes.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// As the help text shows it; empty: none.
    pub(super) default: &'static str,
    pub(super) help: &'static str,
    pub(super) is_multiple: bool,
    pub(super) status: Status<Apply>,
}

/// As good as for ever, and small enough to be added to any time.
pub(super) const FOREVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);

const TLS: &str =
    "TLS is not there yet: put a web server that speaks TLS in front (nginx, Apache, a load balancer)";

/// All options.
pub(super) fn entries() -> impl Iterator<Item = &'static Entry> {
    OPTIONS.iter()
}

/// What [`boolean`] reads, as click lists it.
pub(super) const BOOLEANS: &str = "0, 1, f, false, n, no, off, on, t, true, y, yes";

/// A boolean in click's spellings.
pub(super) fn boolean(text: &str) -> Option<bool> {
    match text.to_lowercase().as_str() {
        "true" | "1" | "yes" | "on" | "t" | "y" => Some(true),
        "false" | "0" | "no" | "off" | "f" | "n" => Some(false),
        _ => None,
    }
}

const fn option(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    help: &'static str,
    status: Status<Apply>,
) -> Entry {
    Entry {
        name,
        kind,
        default,
        help,
        is_multiple: false,
        status,
    }
}

const fn honoured(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    help: &'static str,
    apply: Apply,
) -> Entry {
    option(name, kind, default, help, Status::Honoured(apply))
}

/// An option that may be given several times.
const fn multiple(name: &'static str, kind: Kind, help: &'static str, apply: Apply) -> Entry {
    Entry {
        is_multiple: true,
        ..option(name, kind, "", help, Status::Honoured(apply))
    }
}

/// An option that says how TLS is spoken.
const fn no_tls(name: &'static str, kind: Kind, default: &'static str, help: &'static str) -> Entry {
    option(name, kind, default, help, Status::Refused(TLS))
}

/// Stores what cannot fail.
macro_rules! store {
    (|$draft:ident, $text:ident| $place:expr => $value:expr) => {
        |$draft, $text| {
            $place = $value;
            Ok(())
        }
    };
}

fn natural(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| format!("'{text}' is not a whole number from 0 up"))
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>().map(Duration::try_from_secs_f64) {
        Ok(Ok(duration)) => Ok(duration),
        _ => Err(format!("'{text}' is not a number of seconds")),
    }
}

fn on(text: &str) -> bool {
    boolean(text).unwrap_or(true)
}

/// uvicorn can be given implementations by name, or by import string.
fn another_implementation(
    draft: &mut Draft,
    option: &str,
    value: &str,
    known: &[&str],
) -> Result<(), String> {
    if !known.contains(&value) && !value.contains(':') {
        return Err(format!(
            "Import string \"{value}\" must be in format \"<module>:<attribute>\"."
        ));
    }
    draft.notices.push(format!(
        "accepted without effect: --{option} {value}, because there is one implementation here, in Rust"
    ));
    Ok(())
}

const OPTIONS: &[Entry] = &[
    honoured(
        "host",
        Kind::Text,
        "127.0.0.1",
        "Bind socket to this host.",
        store!(|d, v| d.host => v.to_owned()),
    ),
    honoured(
        "port",
        Kind::Integer,
        "8000",
        "Bind socket to this port. If 0, an available port will be picked.",
        store!(|d, v| d.port => v.parse().map_err(|_| format!("'{v}' is no port: 0 to 65535"))?),
    ),
    honoured(
        "uds",
        Kind::Text,
        "",
        "Bind to a UNIX domain socket.",
        store!(|d, v| d.uds => Some(PathBuf::from(v))),
    ),
    honoured(
        "fd",
        Kind::Integer,
        "",
        "Bind to socket from this file descriptor.",
        store!(|d, v| d.fd => Some(v.parse().map_err(|_| format!("'{v}' is no descriptor"))?)),
    ),
    honoured(
        "reload",
        Kind::Flag,
        "",
        "Enable auto-reload.",
        store!(|d, v| d.settings.reload_on_change => on(v)),
    ),
    multiple(
        "reload-dir",
        Kind::Path,
        "Set reload directories explicitly, instead of using the current working directory.",
        |d, v| {
            d.settings.reload_watch.directories.push(PathBuf::from(v));
            Ok(())
        },
    ),
    multiple(
        "reload-include",
        Kind::Text,
        "Set glob patterns to include while watching for files, besides '*.py'.",
        |d, v| {
            d.settings.reload_watch.include.push(v.to_owned());
            Ok(())
        },
    ),
    multiple(
        "reload-exclude",
        Kind::Text,
        "Set glob patterns to exclude while watching for files, besides '.*', '.py[cod]', '.sw.*' and '~*'.",
        |d, v| {
            d.settings.reload_watch.exclude.push(v.to_owned());
            Ok(())
        },
    ),
    honoured(
        "reload-delay",
        Kind::Float,
        "0.25",
        "Delay between previous and next check if application needs to be reloaded, in seconds.",
        store!(|d, v| d.settings.reload_watch.interval => seconds(v)?.max(Duration::from_millis(10))),
    ),
    honoured(
        "workers",
        Kind::Integer,
        "1, or $WEB_CONCURRENCY",
        "Number of worker processes. Not valid with --reload.",
        // As in uvicorn, 0 is the default.
        store!(|d, v| d.settings.workers => count(natural(v)?).max(1)),
    ),
    honoured(
        "loop",
        Kind::Text,
        "auto",
        "Event loop: auto, asyncio, uvloop, or module:factory.",
        |d, v| match v {
            "auto" | "asyncio" | "uvloop" | "none" => {
                d.settings.asgi.event_loop = v.to_owned();
                Ok(())
            }
            _ if v.contains(':') => {
                d.settings.asgi.event_loop = v.to_owned();
                Ok(())
            }
            "zuvloop" => {
                Err("zuvloop is not there; 'uvloop' or 'zuvloop:new_event_loop' is the nearest".to_owned())
            }
            _ => Err(format!(
                "Error loading custom loop setup function. Import string \"{v}\" must be in format \"<module>:<attribute>\"."
            )),
        },
    ),
    honoured(
        "http",
        Kind::Text,
        "auto",
        "HTTP protocol implementation. There is one here, in Rust: another name is accepted without effect.",
        |d, v| match v {
            "auto" => Ok(()),
            _ => another_implementation(d, "http", v, &["h11", "httptools", "zttp"]),
        },
    ),
    option("http2", Kind::Flag, "", "Enable HTTP/2 support.", Status::NotYet),
    honoured(
        "ws",
        Kind::Text,
        "auto",
        "WebSocket protocol implementation. 'none' refuses WebSockets. There is one here, in Rust: another name is accepted without effect.",
        |d, v| match v {
            "auto" | "none" => {
                d.settings.asgi.websocket.enabled = v != "none";
                Ok(())
            }
            _ => another_implementation(d, "ws", v, &["websockets", "websockets-sansio", "wsproto"]),
        },
    ),
    honoured(
        "ws-max-size",
        Kind::Integer,
        "16777216",
        "WebSocket max size message in bytes",
        store!(|d, v| d.settings.asgi.websocket.message_size => size(natural(v)?)),
    ),
    honoured(
        "ws-max-queue",
        Kind::Integer,
        "32",
        "The maximum length of the WebSocket message queue.",
        store!(|d, v| d.settings.asgi.websocket.queue => size(natural(v)?).max(1)),
    ),
    honoured(
        "ws-ping-interval",
        Kind::Float,
        "20.0",
        "WebSocket ping interval in seconds.",
        store!(|d, v| d.settings.asgi.websocket.ping_interval => Some(seconds(v)?).filter(|time| !time.is_zero())),
    ),
    honoured(
        "ws-ping-timeout",
        Kind::Float,
        "20.0",
        "WebSocket ping timeout in seconds.",
        store!(|d, v| d.settings.asgi.websocket.ping_timeout => Some(seconds(v)?).filter(|time| !time.is_zero())),
    ),
    honoured(
        "ws-per-message-deflate",
        Kind::Boolean,
        "True",
        "WebSocket per-message-deflate compression",
        store!(|d, v| d.settings.asgi.websocket.deflate => on(v)),
    ),
    honoured(
        "lifespan",
        Kind::Choice(&["auto", "on", "off"]),
        "auto",
        "Lifespan implementation.",
        store!(|d, v| d.settings.asgi.lifespan => match v {
            "on" => Lifespan::On,
            "off" => Lifespan::Off,
            _ => Lifespan::Auto,
        }),
    ),
    honoured(
        "interface",
        Kind::Choice(&["auto", "asgi3", "asgi2", "wsgi"]),
        "auto",
        "Select ASGI3, ASGI2, or WSGI as the application interface.",
        store!(|d, v| d.interface => match v {
            "asgi3" => Interface::Asgi3,
            "asgi2" => Interface::Asgi2,
            "wsgi" => Interface::Wsgi,
            _ => Interface::Auto,
        }),
    ),
    honoured(
        "env-file",
        Kind::Path,
        "",
        "Environment configuration file.",
        store!(|d, v| d.env_file => Some(PathBuf::from(v))),
    ),
    honoured(
        "log-config",
        Kind::Path,
        "",
        "Logging configuration file. Supported formats: .ini, .json, .yaml.",
        store!(|d, v| d.settings.log_config => Some(PathBuf::from(v))),
    ),
    honoured(
        "log-level",
        Kind::Choice(&["critical", "error", "warning", "info", "debug", "trace"]),
        "info",
        "Log level.",
        store!(|d, v| d.settings.logs.level => match v {
            "critical" => Level::Critical,
            "error" => Level::Error,
            "warning" => Level::Warning,
            "info" => Level::Info,
            _ => Level::Debug,
        }),
    ),
    honoured(
        "access-log",
        Kind::Switch,
        "",
        "Enable/Disable access log.",
        |d, v| {
            if !on(v) {
                d.settings.logs.access = None;
            }
            Ok(())
        },
    ),
    honoured(
        "use-colors",
        Kind::Switch,
        "",
        "Enable/Disable colorized logging.",
        store!(|d, v| d.settings.logs.colors => Some(on(v))),
    ),
    honoured(
        "proxy-headers",
        Kind::Switch,
        "on",
        "Enable/Disable X-Forwarded-Proto, X-Forwarded-For to populate url scheme and remote address info.",
        store!(|d, v| d.settings.believed => Believed {
            scheme: on(v),
            client: on(v),
            ..Believed::NOTHING
        }),
    ),
    honoured(
        "server-header",
        Kind::Switch,
        "on",
        "Enable/Disable default Server header.",
        store!(|d, v| d.settings.added_headers.server => on(v)),
    ),
    honoured(
        "date-header",
        Kind::Switch,
        "on",
        "Enable/Disable default Date header.",
        store!(|d, v| d.settings.added_headers.date => on(v)),
    ),
    honoured(
        "forwarded-allow-ips",
        Kind::Text,
        "127.0.0.1,::1, or $FORWARDED_ALLOW_IPS",
        "Comma separated list of IP addresses, IP networks, or literals to trust with proxy headers; '*' trusts all.",
        store!(|d, v| d.settings.forwarded_allow_ips => v.split(',').map(|peer| peer.trim().to_owned()).collect()),
    ),
    honoured(
        "root-path",
        Kind::Text,
        "",
        "Set the ASGI 'root_path' for applications submounted below a given URL path.",
        store!(|d, v| d.settings.script_name => v.trim_end_matches('/').to_owned()),
    ),
    honoured(
        "limit-concurrency",
        Kind::Integer,
        "",
        "Maximum number of concurrent tasks of a worker to allow, before issuing HTTP 503 responses.",
        store!(|d, v| d.settings.asgi.limit_concurrency => Some(count(natural(v)?))),
    ),
    honoured(
        "backlog",
        Kind::Integer,
        "2048",
        "Maximum number of connections to hold in backlog",
        store!(|d, v| d.settings.backlog => count(natural(v)?)),
    ),
    honoured(
        "limit-max-requests",
        Kind::Integer,
        "",
        "Maximum number of requests to service before a new process takes the place of this one.",
        |d, v| match natural(v)? {
            0 => Err("no process could answer a request: leave the option away for no limit".to_owned()),
            number => {
                d.settings.max_requests = Some(number);
                Ok(())
            }
        },
    ),
    honoured(
        "limit-max-requests-jitter",
        Kind::Integer,
        "0",
        "Maximum jitter to add to limit_max_requests.",
        store!(|d, v| d.settings.max_requests_jitter => natural(v)?),
    ),
    honoured(
        "timeout-keep-alive",
        Kind::Integer,
        "5",
        "Close Keep-Alive connections if no new data is received within this timeout (in seconds).",
        store!(|d, v| d.settings.timeouts.keep_alive => seconds(v)?),
    ),
    honoured(
        "timeout-graceful-shutdown",
        Kind::Integer,
        "",
        "Maximum number of seconds to wait for graceful shutdown.",
        store!(|d, v| d.settings.timeouts.graceful => seconds(v)?),
    ),
    honoured(
        "timeout-worker-healthcheck",
        Kind::Integer,
        "5",
        "Maximum number of seconds to wait for a worker to respond to a healthcheck.",
        store!(|d, v| d.settings.timeouts.interpreter => Some(seconds(v)?)),
    ),
    no_tls("ssl-keyfile", Kind::Text, "", "SSL key file"),
    no_tls("ssl-certfile", Kind::Text, "", "SSL certificate file"),
    no_tls("ssl-keyfile-password", Kind::Text, "", "SSL keyfile password"),
    no_tls(
        "ssl-version",
        Kind::Integer,
        "17",
        "SSL version to use (see stdlib ssl module's)",
    ),
    no_tls(
        "ssl-cert-reqs",
        Kind::Integer,
        "0",
        "Whether client certificate is required (see stdlib ssl module's)",
    ),
    no_tls("ssl-ca-certs", Kind::Text, "", "CA certificates file"),
    no_tls(
        "ssl-ciphers",
        Kind::Text,
        "",
        "Ciphers to use (see stdlib ssl module's)",
    ),
    multiple(
        "header",
        Kind::Text,
        "Specify custom default HTTP response headers as a Name:Value pair",
        |d, v| match v.split_once(':') {
            Some((name, value)) => d.settings.added_headers.push(name, value),
            None => Err(format!("'{v}' has to be Name:Value")),
        },
    ),
    honoured(
        "app-dir",
        Kind::Text,
        "",
        "Look for APP in the specified directory, by adding this to the PYTHONPATH.",
        store!(|d, v| d.settings.pythonpath => vec![PathBuf::from(v)]),
    ),
    honoured(
        "h11-max-incomplete-event-size",
        Kind::Integer,
        "65536",
        "The maximum number of bytes of a request's head.",
        store!(|d, v| d.settings.limits.head => size(natural(v)?)),
    ),
    honoured(
        "reset-contextvars",
        Kind::Flag,
        "",
        "Run each ASGI request in a fresh contextvars.Context.",
        store!(|d, v| d.settings.asgi.reset_contextvars => on(v)),
    ),
    honoured(
        "factory",
        Kind::Flag,
        "",
        "Treat APP as an application factory, i.e. a () -> <ASGI app> callable.",
        store!(|d, v| d.is_factory => on(v)),
    ),
];
