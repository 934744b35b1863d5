//! The native options: one entry each, with its name, its help and what it does to the settings.

use std::path::PathBuf;
use std::time::Duration;

use super::values::{
    at_least_one, at_least_one_byte, bind, cgi_mount, forwarded_headers, level, number, peers,
    proxy_protocol, seconds, some_time, target, variable,
};
use crate::defaults::{count, size, unless_zero};
use crate::{Daemonize, Interface, Lifespan, LogTarget, Settings};

/// From the moment a request is interrupted to the one its worker is killed, should that not have helped.
const HARD_MARGIN: Duration = Duration::from_secs(5);

/// Acts on an option's value (empty for one without); the error is a sentence.
type Apply = fn(&mut Settings, &str) -> Result<(), String>;

/// One option.
pub(super) struct Entry {
    pub(super) long: &'static str,
    pub(super) short: Option<char>,
    /// What the help text calls the value; empty: there is none.
    pub(super) metavar: &'static str,
    /// As the help text shows it; empty: none.
    pub(super) default: &'static str,
    pub(super) help: &'static str,
    pub(super) apply: Apply,
}

const fn option(
    long: &'static str,
    short: Option<char>,
    metavar: &'static str,
    default: &'static str,
    help: &'static str,
    apply: Apply,
) -> Entry {
    Entry {
        long,
        short,
        metavar,
        default,
        help,
        apply,
    }
}

/// Stores what cannot fail.
macro_rules! store {
    (|$settings:ident, $text:ident| $place:expr => $value:expr) => {
        |$settings, $text| {
            $place = $value;
            Ok(())
        }
    };
}

/// In the order of the help text.
pub(super) const OPTIONS: &[Entry] = &[
    option(
        "bind",
        Some('b'),
        "ADDRESS",
        "127.0.0.1:8000",
        "HOST:PORT, unix:PATH or fd://N, for a web server with uwsgi://, fastcgi:// or scgi:// in front; may be repeated",
        bind,
    ),
    option(
        "workers",
        Some('w'),
        "N",
        "1",
        "worker processes",
        store!(|s, v| s.workers => at_least_one(v)?),
    ),
    option(
        "threads",
        None,
        "N",
        "1",
        "application threads in each worker",
        store!(|s, v| s.threads => at_least_one(v)?),
    ),
    option(
        "backlog",
        None,
        "N",
        "2048",
        "length of the accept queue",
        store!(|s, v| s.backlog => count(number(v)?)),
    ),
    option(
        "request-queue",
        None,
        "N",
        "no limit",
        "requests in a worker that wait for one of several threads; further ones get 503 with Retry-After; 0 is no limit",
        store!(|s, v| s.request_queue => unless_zero(number(v)?).map(count)),
    ),
    option(
        "request-deadline",
        Some('t'),
        "SECONDS",
        "none",
        "time a request may take: then it is interrupted and answered with 504; 5 s later its worker is replaced; 0 is none",
        |settings, value| {
            let soft = Some(seconds(value)?).filter(|time| !time.is_zero());
            settings.timeouts.soft_deadline = soft;
            settings.timeouts.request_deadline = soft.map(|time| time.saturating_add(HARD_MARGIN));
            Ok(())
        },
    ),
    option(
        "graceful-timeout",
        None,
        "SECONDS",
        "30",
        "time for requests in progress on a stop or reload",
        store!(|s, v| s.timeouts.graceful => seconds(v)?),
    ),
    option(
        "keep-alive",
        None,
        "SECONDS",
        "60",
        "time an idle connection stays open; 0 closes after each answer",
        store!(|s, v| s.timeouts.keep_alive => seconds(v)?),
    ),
    option(
        "max-requests",
        None,
        "N",
        "none",
        "replace a worker after this many requests; 0 is never",
        store!(|s, v| s.max_requests => unless_zero(number(v)?)),
    ),
    option(
        "max-requests-jitter",
        None,
        "N",
        "0",
        "add up to this many to max-requests, at random",
        store!(|s, v| s.max_requests_jitter => number(v)?),
    ),
    option(
        "max-body",
        None,
        "BYTES",
        "none",
        "largest request body; over it the answer is 413",
        store!(|s, v| s.limits.body => unless_zero(number(v)?)),
    ),
    option(
        "max-request-line",
        None,
        "BYTES",
        "8190",
        "longest request line; over it the answer is 414",
        store!(|s, v| s.limits.request_line => at_least_one_byte(v)?),
    ),
    option(
        "max-fields",
        None,
        "N",
        "100",
        "header fields of a request; over it the answer is 431",
        store!(|s, v| s.limits.fields => at_least_one(v)? as usize),
    ),
    option(
        "max-field-size",
        None,
        "BYTES",
        "8190",
        "longest header field, its name included; over it the answer is 431",
        store!(|s, v| s.limits.field_size => at_least_one_byte(v)?),
    ),
    option(
        "max-head",
        None,
        "BYTES",
        "65536",
        "request line and header fields together; over it the answer is 431",
        store!(|s, v| s.limits.head => at_least_one_byte(v)?),
    ),
    option(
        "head-timeout",
        None,
        "SECONDS",
        "30",
        "time for the whole head of a request; over it the answer is 408",
        store!(|s, v| s.timeouts.head => some_time(v)?),
    ),
    option(
        "body-timeout",
        None,
        "SECONDS",
        "60",
        "time a body may not go on; over it the answer is 408",
        store!(|s, v| s.timeouts.body => some_time(v)?),
    ),
    option(
        "write-timeout",
        None,
        "SECONDS",
        "60",
        "time a client may take nothing of its answer, before its connection is closed",
        store!(|s, v| s.timeouts.write => some_time(v)?),
    ),
    option(
        "preload",
        None,
        "",
        "",
        "import the application before the workers are forked",
        store!(|s, _v| s.preload => true),
    ),
    option(
        "chdir",
        None,
        "DIRECTORY",
        "",
        "directory to work in",
        store!(|s, v| s.chdir => Some(PathBuf::from(v))),
    ),
    option(
        "pythonpath",
        None,
        "DIRECTORY",
        "",
        "put in front of sys.path; may be repeated",
        |s, v| {
            s.pythonpath.push(PathBuf::from(v));
            Ok(())
        },
    ),
    option(
        "virtualenv",
        None,
        "DIRECTORY",
        "",
        "virtual environment to use",
        store!(|s, v| s.virtualenv => Some(PathBuf::from(v))),
    ),
    option(
        "env",
        Some('e'),
        "NAME=VALUE",
        "",
        "put in the environment; may be repeated",
        variable,
    ),
    option(
        "gateway-allow-from",
        None,
        "PEERS",
        "127.0.0.1,::1",
        "web servers that may connect to uwsgi, fastcgi and scgi sockets: addresses, networks, *",
        store!(|s, v| s.gateways.allow_from => peers(v)),
    ),
    option(
        "fastcgi-stderr",
        None,
        "",
        "",
        "send wsgi.errors to the web server's error log, over FastCGI",
        store!(|s, _v| s.gateways.fastcgi_stderr => true),
    ),
    option(
        "proxy-protocol",
        None,
        "VERSION",
        "off",
        "connections may begin with a PROXY header: v1, v2, auto or off",
        proxy_protocol,
    ),
    option(
        "proxy-allow-from",
        None,
        "PEERS",
        "127.0.0.1,::1",
        "peers that may send PROXY headers: addresses, networks, *",
        store!(|s, v| s.proxy_protocol.allow_from => peers(v)),
    ),
    option(
        "forwarded-allow-ips",
        None,
        "ADDRESSES",
        "127.0.0.1,::1",
        "peers trusted for forwarded headers, with commas between; * is everybody",
        store!(|s, v| s.forwarded_allow_ips => peers(v)),
    ),
    option(
        "forwarded-headers",
        None,
        "LIST",
        "for,proto,host,forwarded",
        "which they are: X-Forwarded-For, -Proto, -Host, and Forwarded; none is none",
        forwarded_headers,
    ),
    option(
        "cgi",
        None,
        "[/PREFIX=]PATH",
        "",
        "run CGI scripts of a directory, or one script; may be repeated",
        |s, v| {
            s.cgi.mounts.push(cgi_mount(v));
            Ok(())
        },
    ),
    option(
        "cgi-helper",
        None,
        ".ENDING=COMMAND",
        "",
        "run scripts with that ending by COMMAND; may be repeated",
        |s, v| match v.split_once('=') {
            Some((ending, command)) => {
                s.cgi.helpers.push((ending.to_owned(), PathBuf::from(command)));
                Ok(())
            }
            None => Err(format!("'{v}' has to be .ENDING=COMMAND")),
        },
    ),
    option(
        "cgi-index",
        None,
        "NAME",
        "",
        "script looked for where a path is a directory; may be repeated",
        |s, v| {
            s.cgi.index.push(v.to_owned());
            Ok(())
        },
    ),
    option(
        "cgi-allowed-ext",
        None,
        ".ENDING",
        "",
        "run only scripts with this ending; may be repeated",
        |s, v| {
            s.cgi.allowed_endings.push(v.to_owned());
            Ok(())
        },
    ),
    option(
        "cgi-timeout",
        None,
        "SECONDS",
        "60",
        "time a script may be silent before it is killed",
        store!(|s, v| s.cgi.timeout => seconds(v)?),
    ),
    option(
        "cgi-document-root",
        None,
        "DIRECTORY",
        "",
        "what scripts get as DOCUMENT_ROOT",
        store!(|s, v| s.cgi.document_root => Some(PathBuf::from(v))),
    ),
    option(
        "cgi-unset",
        None,
        "VARIABLE",
        "",
        "keep a variable from scripts; may be repeated",
        |s, v| {
            s.cgi.unset.push(v.to_owned());
            Ok(())
        },
    ),
    option(
        "interface",
        None,
        "KIND",
        "auto",
        "how the application is called: auto, wsgi, asgi3 or asgi2",
        store!(|s, v| s.interface => match v {
            "auto" => Interface::Auto,
            "wsgi" => Interface::Wsgi,
            "asgi3" | "asgi" => Interface::Asgi3,
            "asgi2" => Interface::Asgi2,
            _ => return Err(format!("'{v}' is no interface: auto, wsgi, asgi3 or asgi2")),
        }),
    ),
    option(
        "loop",
        None,
        "LOOP",
        "auto",
        "event loop of an ASGI application: auto, asyncio, uvloop or MODULE:FACTORY",
        store!(|s, v| s.asgi.event_loop => v.to_owned()),
    ),
    option(
        "lifespan",
        None,
        "WHEN",
        "auto",
        "tell an ASGI application of start and end: auto, on or off",
        store!(|s, v| s.asgi.lifespan => match v {
            "auto" => Lifespan::Auto,
            "on" => Lifespan::On,
            "off" => Lifespan::Off,
            _ => return Err(format!("'{v}' is neither auto nor on nor off")),
        }),
    ),
    option(
        "root-path",
        None,
        "PATH",
        "",
        "where the application is mounted: SCRIPT_NAME, or root_path of the scope",
        store!(|s, v| s.script_name => v.trim_end_matches('/').to_owned()),
    ),
    option(
        "connections",
        None,
        "N",
        "none",
        "connections a worker has at once; 0 is no limit",
        store!(|s, v| s.connections => unless_zero(number(v)?).map(count)),
    ),
    option(
        "limit-concurrency",
        None,
        "N",
        "none",
        "ASGI requests in progress in a worker, beyond which 503 is answered; 0 is no limit",
        store!(|s, v| s.asgi.limit_concurrency => unless_zero(number(v)?).map(count)),
    ),
    option(
        "ws-max-size",
        None,
        "BYTES",
        "16777216",
        "largest WebSocket message",
        store!(|s, v| s.asgi.websocket.message_size => size(number(v)?)),
    ),
    option(
        "ws-max-queue",
        None,
        "N",
        "32",
        "WebSocket messages that wait for the application, before no more are read",
        store!(|s, v| s.asgi.websocket.queue => size(number(v)?).max(1)),
    ),
    option(
        "ws-ping-interval",
        None,
        "SECONDS",
        "20",
        "how often a silent WebSocket client is pinged; 0 is never",
        store!(|s, v| s.asgi.websocket.ping_interval => Some(seconds(v)?).filter(|time| !time.is_zero())),
    ),
    option(
        "ws-ping-timeout",
        None,
        "SECONDS",
        "20",
        "how long it may take to answer; 0 is for ever",
        store!(|s, v| s.asgi.websocket.ping_timeout => Some(seconds(v)?).filter(|time| !time.is_zero())),
    ),
    option(
        "header",
        None,
        "NAME:VALUE",
        "",
        "add a header to every answer; may be repeated",
        |s, v| match v.split_once(':') {
            Some((name, value)) => s.added_headers.push(name, value),
            None => Err(format!("'{v}' has to be NAME:VALUE")),
        },
    ),
    option(
        "pidfile",
        Some('p'),
        "FILE",
        "",
        "file for the master's process id",
        store!(|s, v| s.pidfile => Some(PathBuf::from(v))),
    ),
    option(
        "daemon",
        Some('D'),
        "",
        "",
        "go on in the background",
        store!(|s, _v| s.daemonize => Some(Daemonize { output: None, keep_output: false })),
    ),
    option(
        "user",
        Some('u'),
        "USER",
        "",
        "user that workers run as",
        |s, v| {
            s.user = Some(v.to_owned());
            s.unix_sockets.user = s.user.clone();
            Ok(())
        },
    ),
    option(
        "group",
        Some('g'),
        "GROUP",
        "",
        "group that workers run as",
        |s, v| {
            s.group = Some(v.to_owned());
            s.unix_sockets.group = s.group.clone();
            Ok(())
        },
    ),
    option(
        "socket-mode",
        None,
        "MODE",
        "",
        "rights of unix sockets, octal",
        store!(|s, v| s.unix_sockets.mode => Some(
            u32::from_str_radix(v, 8)
                .ok()
                .filter(|mode| *mode <= 0o777)
                .ok_or_else(|| format!("'{v}' is not an octal mode"))?
        )),
    ),
    option(
        "name",
        Some('n'),
        "NAME",
        "",
        "name in the process list",
        store!(|s, v| s.process_name => Some(v.to_owned())),
    ),
    option(
        "log-level",
        None,
        "LEVEL",
        "info",
        "least severity: debug, info, warning, error, critical",
        store!(|s, v| s.logs.level => level(v)?),
    ),
    option(
        "access-log",
        None,
        "FILE",
        "off",
        "access log; - is standard output",
        store!(|s, v| s.logs.access => Some(target(v, LogTarget::Stdout))),
    ),
    option(
        "access-log-format",
        None,
        "FORMAT",
        "",
        "format of an access line, in gunicorn's notation",
        store!(|s, v| s.logs.access_format => v.to_owned()),
    ),
    option(
        "error-log",
        None,
        "FILE",
        "-",
        "error log; - is standard error",
        store!(|s, v| s.logs.error => target(v, LogTarget::Stderr)),
    ),
    option(
        "reload",
        None,
        "",
        "",
        "reload when an imported Python file changes",
        store!(|s, _v| s.reload_on_change => true),
    ),
];
