//! What is typed after `penstock uvicorn`, and what it comes to.

use std::path::PathBuf;
use std::time::Duration;

use super::{Directory, environment, words};
use crate::*;

type Check = fn(&Settings) -> bool;
type Variables = &'static [(&'static str, &'static str)];

fn uvicorn_here(
    directory: &Directory,
    line: &str,
    variables: &[(&str, &str)],
) -> Result<Outcome, ConfigError> {
    uvicorn(&words(line), &environment("uvicorn", &directory.0, variables))
}

fn served(what: &str, outcome: Result<Outcome, ConfigError>) -> Plan {
    match outcome {
        Ok(Outcome::Serve(plan)) => plan,
        other => panic!("{what}: {other:?}"),
    }
}

fn module(module: &str, callable: &str) -> Option<Application> {
    Some(Application::Module {
        module: module.to_owned(),
        callable: callable.to_owned(),
        callable_given: true,
    })
}

fn bind(address: Address) -> Vec<Bind> {
    vec![Bind::new(address, Wire::Http1)]
}

fn tcp(host: &str, port: u16) -> Vec<Bind> {
    bind(Address::Tcp(host.to_owned(), port))
}

#[test]
fn uvicorn_options_become_settings() {
    let directory = Directory::with(&[("log.json", "{}")]);
    let cases: &[(&str, Check)] = &[
        ("main:app", |s| {
            s.binds == tcp("127.0.0.1", 8000)
                && s.application == module("main", "app")
                && s.workers == 1
                && s.asgi.expected
                && s.timeouts.keep_alive == Duration::from_secs(5)
                && s.logs.access == Some(LogTarget::Stdout)
                && s.logs.processes == Processes::One
                && s.forwarded_allow_ips == ["127.0.0.1", "::1"]
        }),
        ("--host ::1 --port=9 a.b:c.d --factory", |s| {
            s.binds == tcp("::1", 9) && s.application == module("a.b", "c.d()")
        }),
        ("--uds x.sock a:b", |s| {
            s.binds == bind(Address::Unix(PathBuf::from("x.sock"))) && s.unix_sockets.mode == Some(0o666)
        }),
        ("--fd 3 a:b", |s| s.binds == bind(Address::Descriptor(3))),
        ("--workers 3 a:b", |s| {
            s.workers == 3 && s.logs.processes == Processes::Several
        }),
        ("--workers 0 a:b", |s| s.workers == 1),
        ("--reload --workers 3 a:b", |s| {
            s.workers == 1
                && s.reload_on_change
                && s.reload_watch.directories == [PathBuf::from(".")]
                && s.reload_watch.interval == Duration::from_millis(250)
                && s.logs.processes == Processes::Reloader
        }),
        (
            "--reload --reload-dir . --reload-include *.html --reload-exclude x* --reload-delay 2 a:b",
            |s| {
                s.reload_watch.include == ["*.html"]
                    && s.reload_watch.exclude == ["x*"]
                    && s.reload_watch.interval == Duration::from_secs(2)
            },
        ),
        ("--loop uvloop --lifespan on --interface asgi2 a:b", |s| {
            s.asgi.event_loop == "uvloop"
                && s.asgi.lifespan == Lifespan::On
                && s.interface == Interface::Asgi2
        }),
        ("--loop my.loops:make --ws none a:b", |s| {
            s.asgi.event_loop == "my.loops:make" && !s.asgi.websocket.enabled
        }),
        (
            "--ws-max-size 9 --ws-max-queue 4 --ws-ping-interval 1.5 --ws-ping-timeout 0 --ws-per-message-deflate no a:b",
            |s| {
                let websocket = &s.asgi.websocket;
                websocket.message_size == 9
                    && websocket.queue == 4
                    && websocket.ping_interval == Some(Duration::from_millis(1500))
                    && websocket.ping_timeout.is_none()
                    && !websocket.deflate
            },
        ),
        ("--no-access-log --use-colors --log-level debug a:b", |s| {
            s.logs.access.is_none() && s.logs.colors == Some(true) && s.logs.level == Level::Debug
        }),
        ("--log-level warning a:b", |s| {
            s.logs.access.is_none() && s.logs.level == Level::Warning
        }),
        ("--log-config log.json a:b", |s| {
            s.log_config == Some(PathBuf::from("log.json")) && s.logs.level == Level::Debug
        }),
        ("--no-proxy-headers --forwarded-allow-ips 10.0.0.0/8,x a:b", |s| {
            s.believed == Believed::NOTHING && s.forwarded_allow_ips == ["10.0.0.0/8", "x"]
        }),
        ("--no-server-header --no-date-header --header X-A:b:c a:b", |s| {
            !s.added_headers.server && !s.added_headers.date && s.added_headers.lines() == "X-A: b:c\r\n"
        }),
        ("--root-path /api/ --limit-concurrency 7 --backlog 9 a:b", |s| {
            s.script_name == "/api" && s.asgi.limit_concurrency == Some(7) && s.backlog == 9
        }),
        (
            "--limit-max-requests 5 --limit-max-requests-jitter 2 --timeout-keep-alive 1 --timeout-graceful-shutdown 3 a:b",
            |s| {
                s.max_requests == Some(5)
                    && s.max_requests_jitter == 2
                    && s.timeouts.keep_alive == Duration::from_secs(1)
                    && s.timeouts.graceful == Duration::from_secs(3)
            },
        ),
        (
            "--app-dir src --h11-max-incomplete-event-size 99 --reset-contextvars a:b",
            |s| s.pythonpath == [PathBuf::from("src")] && s.limits.head == 99 && s.asgi.reset_contextvars,
        ),
    ];
    for (line, check) in cases {
        let plan = served(line, uvicorn_here(&directory, line, &[]));
        assert!(check(&plan.settings), "{line}: {:?}", plan.settings);
    }
}

#[test]
fn uvicorn_reads_its_variables_and_the_command_line_wins() {
    let directory = Directory::with(&[]);
    let cases: &[(&str, Variables, Check)] = &[
        ("", &[("UVICORN_APP", "a:b"), ("UVICORN_PORT", "9")], |s| {
            s.application == module("a", "b") && s.binds == tcp("127.0.0.1", 9)
        }),
        ("--port 7 a:b", &[("UVICORN_PORT", "9"), ("PORT", "8")], |s| {
            s.binds == tcp("127.0.0.1", 7)
        }),
        ("a:b", &[("WEB_CONCURRENCY", "3")], |s| s.workers == 3),
        (
            "a:b",
            &[("WEB_CONCURRENCY", "3"), ("UVICORN_WORKERS", "2")],
            |s| s.workers == 2,
        ),
        ("--workers 1 a:b", &[("WEB_CONCURRENCY", "3")], |s| s.workers == 1),
        ("a:b", &[("FORWARDED_ALLOW_IPS", "*")], |s| {
            s.forwarded_allow_ips == ["*"]
        }),
        (
            "a:b",
            &[("UVICORN_ACCESS_LOG", "0"), ("UVICORN_FACTORY", "yes")],
            |s| s.logs.access.is_none() && s.application == module("a", "b()"),
        ),
        ("a:b", &[("UVICORN_HEADERS", "A:1 B:2")], |s| {
            s.added_headers.lines() == "A: 1\r\nB: 2\r\n"
        }),
    ];
    for (line, variables, check) in cases {
        let plan = served(line, uvicorn_here(&directory, line, variables));
        assert!(check(&plan.settings), "{line} {variables:?}: {:?}", plan.settings);
    }
}

#[test]
fn uvicorn_refuses_in_clicks_words_and_with_its_exit_codes() {
    let directory = Directory::with(&[]);
    let usage = "Usage: uvicorn [OPTIONS] APP\nTry 'uvicorn --help' for help.\n\nError: ";
    for (line, code, message) in [
        ("", 2, "Missing argument 'APP'."),
        (
            "--port abc a:b",
            2,
            "Invalid value for '--port': 'abc' is not a valid integer.",
        ),
        (
            "--reload-delay x a:b",
            2,
            "Invalid value for '--reload-delay': 'x' is not a valid float.",
        ),
        ("--por 1 a:b", 2, "No such option '--por'. Did you mean '--port'?"),
        (
            "--no-use-color a:b",
            2,
            "No such option '--no-use-color'. Did you mean '--no-use-colors'?",
        ),
        ("--no-reload a:b", 2, "No such option '--no-reload'."),
        ("-x a:b", 2, "No such option '-x'."),
        ("a:b extra", 2, "Got unexpected extra argument (extra)"),
        ("a:b extra more", 2, "Got unexpected extra arguments (extra more)"),
        (
            "--lifespan x a:b",
            2,
            "Invalid value for '--lifespan': 'x' is not one of 'auto', 'on', 'off'.",
        ),
        (
            "--ws-per-message-deflate x a:b",
            2,
            "Invalid value for '--ws-per-message-deflate': 'x' is not a valid boolean. Recognized values: 0, 1, f, false, n, no, off, on, t, true, y, yes",
        ),
        (
            "--env-file gone a:b",
            2,
            "Invalid value for '--env-file': Path 'gone' does not exist.",
        ),
        (
            "--reload-dir gone a:b",
            2,
            "Invalid value for '--reload-dir': Path 'gone' does not exist.",
        ),
    ] {
        let error = uvicorn_here(&directory, line, &[]).expect_err(line);
        assert_eq!(
            (error.exit_code, error.message.as_str()),
            (code, &*format!("{usage}{message}")),
            "{line}"
        );
    }
    for (line, code, message) in [
        ("--port", 2, "Error: Option '--port' requires an argument."),
        (
            "--reload=1 a:b",
            2,
            "Error: Option '--reload' does not take a value.",
        ),
        (
            "main",
            3,
            "ERROR:    Error loading ASGI app. Import string \"main\" must be in format \"<module>:<attribute>\".",
        ),
        (
            "--loop foo a:b",
            3,
            "ERROR:    --loop (command line): Error loading custom loop setup function. Import string \"foo\" must be in format \"<module>:<attribute>\".",
        ),
        (
            "--ssl-keyfile k a:b",
            3,
            "ERROR:    --ssl-keyfile (command line) is refused: TLS is not there yet",
        ),
        (
            "--header foo a:b",
            3,
            "ERROR:    --header (command line): 'foo' has to be Name:Value",
        ),
        (
            "--port 99999 a:b",
            3,
            "ERROR:    --port (command line): '99999' is no port",
        ),
        (
            "--limit-max-requests 0 a:b",
            3,
            "ERROR:    --limit-max-requests (command line): no process could",
        ),
        (
            "--http foo a:b",
            3,
            "ERROR:    --http (command line): Import string \"foo\" must be in format",
        ),
    ] {
        let error = uvicorn_here(&directory, line, &[]).expect_err(line);
        assert_eq!(error.exit_code, code, "{line}");
        assert!(error.message.starts_with(message), "{line}: {}", error.message);
    }
    let error = uvicorn_here(&directory, "a:b", &[("UVICORN_PORT", "x")]).expect_err("no port");
    assert!(
        error.message.ends_with("(environment variable UVICORN_PORT)"),
        "{}",
        error.message
    );
}

#[test]
fn uvicorn_says_what_has_no_effect_and_what_it_has_read() {
    let directory = Directory::with(&[(".env", "FROM_FILE=1\nGIVEN=file\n")]);
    let here = std::fs::canonicalize(&directory.0).expect("it exists");
    let plan = served(
        "env",
        uvicorn_here(&directory, "--env-file .env a:b", &[("GIVEN", "environment")]),
    );
    assert_eq!(plan.settings.env, [("FROM_FILE".to_owned(), "1".to_owned())]);
    assert_eq!(plan.remarks, ["Loading environment from '.env'"]);
    let plan = served("reload", uvicorn_here(&directory, "--reload a:b", &[]));
    let watched = format!(
        "Will watch for changes in these directories: ['{}']",
        here.display()
    );
    assert_eq!(plan.remarks, [watched]);
    for (line, part) in [
        (
            "--reload-include *.x a:b",
            "Current configuration will not reload",
        ),
        (
            "--reload --workers 2 a:b",
            "\"workers\" flag is ignored when reloading is enabled.",
        ),
        ("--http h11 a:b", "accepted without effect: --http h11"),
        ("--ws wsproto a:b", "accepted without effect: --ws wsproto"),
    ] {
        let plan = served(line, uvicorn_here(&directory, line, &[]));
        assert!(
            plan.notices.iter().any(|notice| notice.starts_with(part)),
            "{line}: {:?}",
            plan.notices
        );
    }
    assert!(
        served("auto", uvicorn_here(&directory, "--http auto --ws auto a:b", &[]))
            .notices
            .is_empty()
    );
}

#[test]
fn uvicorns_help_names_every_option() {
    let directory = Directory::with(&[]);
    let Ok(Outcome::Print { text }) = uvicorn_here(&directory, "--help", &[]) else {
        panic!("no help");
    };
    // What `uvicorn --help` of 0.54 lists.
    for option in [
        "host",
        "port",
        "uds",
        "fd",
        "reload",
        "reload-dir",
        "reload-include",
        "reload-exclude",
        "reload-delay",
        "workers",
        "loop",
        "http",
        "http2",
        "ws",
        "ws-max-size",
        "ws-max-queue",
        "ws-ping-interval",
        "ws-ping-timeout",
        "ws-per-message-deflate",
        "lifespan",
        "interface",
        "env-file",
        "log-config",
        "log-level",
        "access-log",
        "no-access-log",
        "use-colors",
        "no-use-colors",
        "proxy-headers",
        "no-proxy-headers",
        "server-header",
        "no-server-header",
        "date-header",
        "no-date-header",
        "forwarded-allow-ips",
        "root-path",
        "limit-concurrency",
        "backlog",
        "limit-max-requests",
        "limit-max-requests-jitter",
        "timeout-keep-alive",
        "timeout-graceful-shutdown",
        "timeout-worker-healthcheck",
        "ssl-keyfile",
        "ssl-certfile",
        "ssl-keyfile-password",
        "ssl-version",
        "ssl-cert-reqs",
        "ssl-ca-certs",
        "ssl-ciphers",
        "header",
        "version",
        "app-dir",
        "h11-max-incomplete-event-size",
        "reset-contextvars",
        "factory",
        "help",
    ] {
        assert!(text.contains(&format!("--{option} ")), "--{option} is missing");
    }
    assert!(
        text.starts_with("Usage: uvicorn [OPTIONS] APP\n\nOptions:\n  --host TEXT"),
        "{text}"
    );
}
