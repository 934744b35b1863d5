//! The native dialect: `penstock [OPTIONS] MODULE:CALLABLE`, one table entry per option.
//!
//! There is no configuration file and no variable; the access log's notation is gunicorn's.

use std::path::PathBuf;
use std::time::Duration;

use lexopt::{Arg, Parser};

use crate::address::{self, application};
use crate::defaults::{count, size, unless_zero};
use crate::option::suggestion;
use crate::{
    Believed, CgiMount, ConfigError, Daemonize, Dialect, Environment, Interface, Level, Lifespan, LogTarget,
    Outcome, Plan, RawValue, Settings, Wire,
};

/// From the moment a request is interrupted to the one its worker is killed, should that not have helped.
const HARD_MARGIN: Duration = Duration::from_secs(5);

/// Acts on an option's value (empty for one without); the error is a sentence.
type Apply = fn(&mut Settings, &str) -> Result<(), String>;

/// One option.
struct Entry {
    long: &'static str,
    short: Option<char>,
    /// What the help text calls the value; empty: there is none.
    metavar: &'static str,
    /// As the help text shows it; empty: none.
    default: &'static str,
    help: &'static str,
    apply: Apply,
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

fn number(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| format!("'{text}' is not a whole number from 0 up"))
}

fn at_least_one(text: &str) -> Result<u32, String> {
    match number(text)? {
        0 => Err("at least 1".to_owned()),
        number => Ok(count(number)),
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>().map(Duration::try_from_secs_f64) {
        Ok(Ok(duration)) => Ok(duration),
        _ => Err(format!("'{text}' is not a number of seconds")),
    }
}

fn cgi_mount(text: &str) -> CgiMount {
    let (prefix, path) = match text.split_once('=') {
        Some((prefix, path)) if prefix.starts_with('/') => (prefix, path),
        _ => ("", text),
    };
    CgiMount {
        prefix: prefix.trim_end_matches('/').to_owned(),
        path: PathBuf::from(path),
    }
}

fn bind(settings: &mut Settings, text: &str) -> Result<(), String> {
    if text.starts_with("https://") {
        return Err("TLS is not there yet: use http:// behind a proxy that speaks TLS".to_owned());
    }
    settings.binds.push(address::bind(text, Wire::Http1)?);
    Ok(())
}

fn proxy_protocol(settings: &mut Settings, text: &str) -> Result<(), String> {
    let expected = &mut settings.proxy_protocol;
    (expected.v1, expected.v2) = match text {
        "off" => (false, false),
        "v1" => (true, false),
        "v2" => (false, true),
        "auto" => (true, true),
        _ => return Err(format!("'{text}' is none of off, v1, v2 and auto")),
    };
    Ok(())
}

/// What trusted peers are believed unless an option says otherwise.
const EVERYTHING: Believed = Believed {
    scheme: true,
    client: true,
    host: true,
    forwarded: true,
};

fn forwarded_headers(settings: &mut Settings, text: &str) -> Result<(), String> {
    let mut believed = Believed::NOTHING;
    for word in peers(text) {
        match word.as_str() {
            "for" => believed.client = true,
            "proto" => believed.scheme = true,
            "host" => believed.host = true,
            "forwarded" => believed.forwarded = true,
            "none" => {}
            _ => {
                return Err(format!(
                    "'{word}' is none of for, proto, host, forwarded and none"
                ));
            }
        }
    }
    settings.believed = believed;
    Ok(())
}

fn peers(text: &str) -> Vec<String> {
    text.split(',')
        .map(|item| item.trim().to_owned())
        .filter(|item| !item.is_empty())
        .collect()
}

fn target(text: &str, standard: LogTarget) -> LogTarget {
    if text == "-" {
        standard
    } else {
        LogTarget::File(PathBuf::from(text))
    }
}

fn level(text: &str) -> Result<Level, String> {
    Ok(match text.to_lowercase().as_str() {
        "debug" => Level::Debug,
        "info" => Level::Info,
        "warning" => Level::Warning,
        "error" => Level::Error,
        "critical" => Level::Critical,
        _ => {
            return Err(format!(
                "'{text}' is no level: debug, info, warning, error or critical"
            ));
        }
    })
}

fn variable(settings: &mut Settings, text: &str) -> Result<(), String> {
    match text.split_once('=').filter(|(name, _)| !name.is_empty()) {
        Some((name, value)) => {
            settings.env.push((name.to_owned(), value.to_owned()));
            Ok(())
        }
        None => Err(format!("'{text}' has to be NAME=VALUE")),
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

const OPTIONS: &[Entry] = &[
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

/// What a command line asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// `penstock MODULE:CALLABLE`: a server for an application.
    Server,
    /// `penstock cgi DIRECTORY`: a server for CGI scripts.
    Scripts,
    /// `penstock run-cgi MODULE:CALLABLE`: an application as a program that a web server starts.
    Program,
}

/// Reads the native command line (without the program's name).
///
/// # Errors
/// Exit code 2 for an option that is unknown or lacks its value, with a usage line; 1 for a value that is wrong.
pub fn native(args: &[String], environment: &Environment) -> Result<Outcome, ConfigError> {
    let program = &environment.program;
    if args.is_empty() {
        return Ok(Outcome::Print { text: help(program) });
    }
    let (role, args) = match args[0].as_str() {
        "cgi" => (Role::Scripts, &args[1..]),
        "run-cgi" => (Role::Program, &args[1..]),
        _ => (Role::Server, args),
    };
    let mut settings = Settings::new(Dialect::Native);
    settings.believed = EVERYTHING;
    let mut values = Vec::new();
    let mut specification: Option<String> = None;
    let mut parser = Parser::from_args(args);
    while let Some(argument) = parser
        .next()
        .map_err(|error| refuse(program, &error.to_string()))?
    {
        let entry = match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(Outcome::Print { text: help(program) }),
            Arg::Short('V') | Arg::Long("version") => {
                return Ok(Outcome::Print {
                    text: format!("penstock {}\n", env!("CARGO_PKG_VERSION")),
                });
            }
            Arg::Value(value) => {
                let value = value.to_string_lossy().into_owned();
                if let Some(first) = &specification {
                    let message =
                        format!("unexpected argument '{value}': the application is '{first}' already");
                    return Err(refuse(program, &message));
                }
                specification = Some(value);
                continue;
            }
            Arg::Short(letter) => OPTIONS
                .iter()
                .find(|entry| entry.short == Some(letter))
                .ok_or_else(|| refuse(program, &format!("unknown option '-{letter}'")))?,
            Arg::Long(name) => OPTIONS.iter().find(|entry| entry.long == name).ok_or_else(|| {
                let known: Vec<String> = OPTIONS.iter().map(|entry| format!("--{}", entry.long)).collect();
                let near = suggestion(&format!("--{name}"), known.iter().map(String::as_str));
                refuse(program, &format!("unknown option '--{name}'{near}"))
            })?,
        };
        let value = if entry.metavar.is_empty() {
            String::new()
        } else {
            let value = parser
                .value()
                .map_err(|error| refuse(program, &error.to_string()))?;
            value.to_string_lossy().into_owned()
        };
        (entry.apply)(&mut settings, &value).map_err(|reason| {
            ConfigError::new(format!("Error: --{} (command line): {reason}", entry.long))
        })?;
        values.push((entry.long.to_owned(), RawValue::Text(value)));
    }
    match (role, specification) {
        (Role::Scripts, Some(directory)) => {
            settings.process_name.get_or_insert_with(|| directory.clone());
            settings.cgi.mounts.push(cgi_mount(&directory));
        }
        (Role::Scripts, None) => {
            return Err(refuse(
                program,
                "no directory: name the one that holds the scripts",
            ));
        }
        (Role::Server, None) if !settings.cgi.mounts.is_empty() => {}
        (Role::Server | Role::Program, Some(specification)) => {
            settings.process_name.get_or_insert_with(|| specification.clone());
            settings.application = Some(application(&specification, "application"));
        }
        (Role::Server | Role::Program, None) => {
            return Err(refuse(
                program,
                "no application: name it, MODULE:CALLABLE, for example demo:app",
            ));
        }
    }
    if role == Role::Program {
        return Ok(Outcome::RunCgi(Plan {
            settings,
            notices: Vec::new(),
            remarks: Vec::new(),
            hooks: Vec::new(),
            values,
        }));
    }
    if settings.binds.is_empty() {
        bind(&mut settings, "127.0.0.1:8000").map_err(ConfigError::new)?;
    }
    Ok(Outcome::Serve(Plan {
        settings,
        notices: Vec::new(),
        remarks: Vec::new(),
        hooks: Vec::new(),
        values,
    }))
}

fn refuse(program: &str, message: &str) -> ConfigError {
    ConfigError {
        message: format!("usage: {program} [OPTIONS] MODULE:CALLABLE\n{program}: error: {message}"),
        exit_code: 2,
    }
}

fn help(program: &str) -> String {
    let mut out = format!(
        "usage: {program} [OPTIONS] MODULE:CALLABLE\n\nServes a Python web application, for example: {program} demo:app\n\n\
         commands:\n  {program} gunicorn ...      as gunicorn: its options, configuration file and signals\n  \
         {program} uvicorn ...       as uvicorn: its options and variables\n  {program} cgi DIRECTORY     the CGI scripts of a directory\n  \
         {program} run-cgi ...       MODULE:CALLABLE as a CGI program, started by a web server\n  {program} uwsgi ...         as uWSGI: its options, ini files and signals\n\noptions:\n"
    );
    for entry in OPTIONS {
        let short = entry
            .short
            .map_or_else(|| "    ".to_owned(), |letter| format!("-{letter}, "));
        let default = match entry.default {
            "" => String::new(),
            default => format!(" [{default}]"),
        };
        let flags = format!("{short}--{} {}", entry.long, entry.metavar);
        out.push_str(&format!("  {flags:38} {}{default}\n", entry.help));
    }
    out.push_str(&format!("  {:38} show this text and exit\n", "-h, --help"));
    out.push_str(&format!("  {:38} show the version and exit\n", "-V, --version"));
    out
}
