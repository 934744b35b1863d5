//! What is typed and what it comes to, per dialect.

use std::path::PathBuf;
use std::time::Duration;

use super::{Directory, environment, words};
use crate::*;

type Check = fn(&Settings) -> bool;

fn gunicorn_here(
    directory: &Directory,
    line: &str,
    variables: &[(&str, &str)],
    file: &[(&str, RawValue)],
) -> Result<Outcome, ConfigError> {
    let environment = environment("gunicorn", &directory.0, variables);
    let globals: Vec<_> = file
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect();
    gunicorn(&words(line), &environment, &mut |_| Ok(globals.clone()))
}

fn uwsgi_here(directory: &Directory, line: &str, variables: &[(&str, &str)]) -> Result<Outcome, ConfigError> {
    uwsgi(&words(line), &environment("uwsgi", &directory.0, variables))
}

fn served(what: &str, outcome: Result<Outcome, ConfigError>) -> Plan {
    match outcome {
        Ok(Outcome::Serve(plan)) => plan,
        other => panic!("{what}: {other:?}"),
    }
}

fn tcp(host: &str, port: u16) -> Bind {
    Bind::new(Address::Tcp(host.to_owned(), port), Wire::Http1)
}

fn text(text: &str) -> RawValue {
    RawValue::Text(text.to_owned())
}

fn hook(positional: usize) -> RawValue {
    RawValue::Callable {
        name: "f".to_owned(),
        positional: Some(positional),
    }
}

#[test]
fn gunicorn_options_become_settings() {
    let directory = Directory::with(&[]);
    let cases: &[(&str, Check)] = &[
        ("-w 4 demo:app", |s| {
            s.workers == 4 && s.binds == [tcp("127.0.0.1", 8000)] && s.threads == 1
        }),
        ("-b 127.0.0.1:8001 -w 2 --threads 4 p.wsgi --env A=b", |s| {
            s.binds == [tcp("127.0.0.1", 8001)]
                && s.threads == 4
                && s.env == [("A".to_owned(), "b".to_owned())]
        }),
        ("-k gevent_wsgi a", |s| s.greenlets && s.connections == Some(1000)),
        ("-k gevent --worker-connections 7 a", |s| {
            s.greenlets && s.connections == Some(7)
        }),
        ("--bin=[::1]:80 -Dw4 -k gthread a", |s| {
            s.binds == [tcp("::1", 80)] && s.daemonize.is_some() && s.workers == 4
        }),
        ("-b fd://3 -b :80 a", |s| s.binds.len() == 1),
        ("a -t 0 --graceful-timeout 5 --keep-alive 7", |s| {
            s.timeouts.request_deadline.is_none()
                && s.timeouts.graceful == Duration::from_secs(5)
                && s.timeouts.keep_alive == Duration::from_secs(7)
        }),
        (
            "a --access-logfile - --log-file x --log-level DEBUG --capture-output",
            |s| {
                s.logs.access == Some(LogTarget::Stdout)
                    && s.logs.error == LogTarget::File(PathBuf::from("x"))
                    && s.logs.level == Level::Debug
                    && s.logs.capture_output
            },
        ),
        (
            "a -p x.pid -u 1 -g www -m 007 --no-sendfile --preload --reload",
            |s| {
                s.pidfile == Some(PathBuf::from("x.pid"))
                    && s.user.as_deref() == Some("1")
                    && s.group.as_deref() == Some("www")
                    && s.unix_sockets.umask == Some(7)
                    && !s.sendfile
                    && s.preload
                    && s.reload_on_change
            },
        ),
    ];
    for (line, check) in cases {
        let plan = served(line, gunicorn_here(&directory, line, &[], &[]));
        assert!(check(&plan.settings), "{line}: {:?}", plan.settings);
    }
}

#[test]
fn sendfile_is_the_variables_until_the_file_or_the_command_line_says() {
    let directory = Directory::with(&[("gunicorn.conf.py", "")]);
    let file = [("sendfile", RawValue::Bool(true))];
    for (line, word, file, expected) in [
        ("a", "y", &file[..0], true),
        ("a", "TRUE", &file[..0], true),
        ("a", "0", &file[..0], false),
        ("a", "no", &file[..0], false),
        ("a", "0", &file[..], true),
        ("--no-sendfile a", "1", &file[..], false),
    ] {
        let plan = served(line, gunicorn_here(&directory, line, &[("SENDFILE", word)], file));
        assert_eq!(
            plan.settings.sendfile, expected,
            "{line}, SENDFILE={word}, {file:?}"
        );
    }
}

#[test]
fn a_later_gunicorn_layer_replaces_an_earlier_one() {
    let directory = Directory::with(&[("gunicorn.conf.py", "")]);
    let file = [
        ("workers", text("5")),
        ("bind", RawValue::List(vec![text(":1"), text(":2")])),
        ("zzz", hook(0)),
    ];
    let variable = [
        ("PORT", "9"),
        ("WEB_CONCURRENCY", "2"),
        ("GUNICORN_CMD_ARGS", "-w 6 other:app"),
    ];
    for (line, variables, file, workers, binds) in [
        ("a", &variable[..2], &file[..0], 2, vec![tcp("0.0.0.0", 9)]),
        ("a", &variable[..2], &file[..], 5, vec![tcp("", 1), tcp("", 2)]),
        ("a", &variable[..], &file[..], 6, vec![tcp("", 1), tcp("", 2)]),
        ("-w 7 -b h:3 a", &variable[..], &file[..], 7, vec![tcp("h", 3)]),
    ] {
        let settings = served(line, gunicorn_here(&directory, line, variables, file)).settings;
        assert_eq!(
            (settings.workers, settings.binds),
            (workers, binds),
            "{line} {variables:?} {file:?}"
        );
    }
}

#[test]
fn gunicorn_refuses_with_its_exit_code_and_says_where() {
    let directory = Directory::with(&[("gunicorn.conf.py", "")]);
    let nothing: &[(&str, &str)] = &[];
    for (line, variables, file, code, part) in [
        (
            "--bindd x a",
            nothing,
            None,
            2,
            "unrecognized arguments: --bindd (did you mean --bind?)",
        ),
        (
            "-w x a",
            nothing,
            None,
            2,
            "argument -w/--workers: invalid int value: 'x'",
        ),
        ("-w", nothing, None, 2, "expected one argument"),
        ("--access-log x a", nothing, None, 2, "ambiguous option"),
        ("", nothing, None, 1, "No application module specified"),
        ("-w 0 a", nothing, None, 1, "workers, from command line"),
        ("-w -1 a", nothing, None, 1, "Value must be positive: -1"),
        ("-b a:b a", nothing, None, 1, "'b' is not a valid port number"),
        ("-k tornado a", nothing, None, 1, "gthread"),
        ("-c none.py a", nothing, None, 1, "'none.py' doesn't exist"),
        ("-e A a", nothing, None, 1, "'A' invalid"),
        ("--chdir none a", nothing, None, 1, "can't chdir to"),
        ("--certfile x a", nothing, None, 1, "TLS is not there yet"),
        (
            "a",
            &[("WEB_CONCURRENCY", "abc")],
            None,
            1,
            "environment variable WEB_CONCURRENCY",
        ),
        (
            "a",
            &[("GUNICORN_CMD_ARGS", "--zzzz")],
            None,
            2,
            "GUNICORN_CMD_ARGS",
        ),
        (
            "a",
            nothing,
            Some(("umask", text("007"))),
            1,
            "Invalid value for umask: 007",
        ),
        ("a", nothing, Some(("on_exit", RawValue::None)), 1, "not callable"),
        (
            "a",
            nothing,
            Some(("timeout", RawValue::Float(30.5))),
            1,
            "Invalid value for timeout: 30.5",
        ),
        (
            "a",
            nothing,
            Some(("forwarded_allow_ips", RawValue::List(vec![]))),
            1,
            "Not a string: []",
        ),
        (
            "a",
            nothing,
            Some(("reload", text("yes"))),
            1,
            "Invalid boolean: yes",
        ),
        ("a", nothing, Some(("post_fork", hook(1))), 1, "arity of: 2"),
    ] {
        let file: Vec<_> = file.into_iter().collect();
        let error = gunicorn_here(&directory, line, variables, &file).expect_err(part);
        assert_eq!(error.exit_code, code, "{line}: {error}");
        assert!(error.message.contains(part), "{line}: {error}");
    }
}

#[test]
fn gunicorn_hooks_and_what_is_not_there_yet_are_reported() {
    let directory = Directory::with(&[("gunicorn.conf.py", "")]);
    let file = [
        ("post_fork", hook(2)),
        ("pre_request", hook(2)),
        ("proxy_protocol", RawValue::Bool(false)),
        ("http2_max_frame_size", RawValue::Int(20_000)),
        ("user", RawValue::None),
        ("http_parser", text("python")),
        ("worker_tmp_dir", text("/dev/shm")),
    ];
    let plan = served("hooks", gunicorn_here(&directory, "a:b", &[], &file));
    assert_eq!(plan.hooks, ["post_fork", "pre_request"]);
    let about = |name: &str| {
        plan.notices
            .iter()
            .filter(|notice| notice.starts_with(name))
            .count()
    };
    assert_eq!(
        [
            about("http_parser"),
            about("http2_max_frame_size"),
            about("worker_tmp_dir"),
            about("proxy_protocol")
        ],
        [1, 1, 1, 0],
        "{:?}",
        plan.notices
    );
}

#[test]
fn gunicorn_prints_120_settings_and_its_version() {
    let directory = Directory::with(&[]);
    let outcome = gunicorn_here(&directory, "--print-config -m 022 -b :1 -b :2 a:b", &[], &[]);
    let Ok(Outcome::PrintConfig { text, .. }) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(text.lines().count(), 120);
    for line in [
        "umask                              = 18",
        "bind                               = [':1', ':2']",
        "child_exit                         = <ChildExit.child_exit()>",
        "config                             = ./gunicorn.conf.py",
        "default_proc_name                  = a:b",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}");
    }
    let version = gunicorn_here(&directory, "--version", &[], &[]);
    assert_eq!(
        version,
        Ok(Outcome::Print {
            text: "gunicorn (version 27.0.1)\n".to_owned()
        })
    );
    assert!(matches!(
        gunicorn_here(&directory, "--check-config a", &[], &[]),
        Ok(Outcome::CheckConfig(_))
    ));
}

const INI: &str = "\
[other]
processes = 9
[uwsgi]
; a comment
base = app
master = true
module = %(base).wsgi:application # the app
http-socket = :$(PORT)
processes = %(1 + 2)
threads=2
pidfile = %d%n.pid
vaccum = true
die-on-term
static-map = /s=/t
offload-threads = 0
log-format = %(method) %(uri)
if-env = PORT
env = SEEN=%(_)
endif =
for = a b
touch-reload = %(_).txt
end =
ini = :more
[more]
harakiri = 30
";

#[test]
fn a_uwsgi_file_is_read_with_its_whole_grammar() {
    let directory = Directory::with(&[("site.ini", INI)]);
    let plan = served(
        "site.ini",
        uwsgi_here(&directory, "--ini site.ini", &[("PORT", "8080")]),
    );
    let settings = &plan.settings;
    assert_eq!(settings.binds, [tcp("", 8080)]);
    assert_eq!((settings.workers, settings.threads), (3, 2));
    assert_eq!(settings.pidfile, Some(directory.0.join("site.pid")));
    assert_eq!(settings.env, [("SEEN".to_owned(), "8080".to_owned())]);
    assert_eq!(
        settings.touch_reload,
        [PathBuf::from("a.txt"), PathBuf::from("b.txt")]
    );
    assert_eq!(settings.timeouts.request_deadline, Some(Duration::from_secs(30)));
    assert_eq!(settings.logs.access_format, "%(method) %(uri)");
    assert_eq!(settings.logs.access, Some(LogTarget::Stderr));
    let module = address::application("app.wsgi:application", "");
    assert_eq!(settings.application, Some(module));
    assert!(!settings.term_reloads && !settings.preload && !settings.need_application);
    assert_eq!(
        plan.notices,
        [
            "site.ini:7: module: '# the app' is taken for a comment: put it on a line of its own",
            "site.ini:12: unknown option vaccum is ignored (did you mean vacuum?)",
        ]
    );
}

#[test]
fn uwsgi_options_become_settings() {
    let directory = Directory::with(&[
        (
            "a.ini",
            "[uwsgi]\nworkers = 2\nhttp = 127.0.0.1:1\nwsgi-file = w.py\n",
        ),
        ("number", "7\n"),
    ]);
    let cases: &[(&str, Check)] = &[
        (
            "--http 127.0.0.1:3031 --file demo/wsgi.py --master --workers 2",
            |s| s.binds == [tcp("127.0.0.1", 3031)] && s.workers == 2 && s.limits.head == 65536,
        ),
        ("--ini a.ini -p 5", |s| s.workers == 5),
        ("a.ini -p 5", |s| s.workers == 2),
        ("--http-socket :1 -ML -w a:b", |s| {
            s.logs.only.is_some_and(|only| only.is_empty())
        }),
        ("-s 127.0.0.1:1 --protocol=http a:b", |s| {
            s.binds == [tcp("127.0.0.1", 1)]
        }),
        (
            "--http :1 --listen @(number) --chmod-socket=660 --chown-socket a:b --vacuum",
            |s| s.backlog == 7 && s.unix_sockets.mode == Some(0o660) && s.remove_files_at_exit,
        ),
        ("--http :1 --set die-on-term=false", |s| s.term_reloads),
        ("--http :1 --http-keepalive=0", |s| {
            s.timeouts.keep_alive.is_zero()
        }),
        ("--http :1 --buffer-size 32768", |s| {
            s.limits.request_line == 32768
        }),
    ];
    for (line, check) in cases {
        let plan = served(line, uwsgi_here(&directory, line, &[]));
        assert!(check(&plan.settings), "{line}: {:?}", plan.settings);
    }
    let variables = [
        ("UWSGI_HTTP", ":1"),
        ("UWSGI_MODULE", "a"),
        ("UWSGI_WORKERS", "3"),
    ];
    assert_eq!(
        served("variables", uwsgi_here(&directory, "", &variables))
            .settings
            .workers,
        3
    );
}

#[test]
fn uwsgi_refuses_and_names_file_and_line() {
    let directory = Directory::with(&[
        ("strict.ini", "[uwsgi]\nstrict = true\nharakari = 3\n"),
        ("nested.ini", "[uwsgi]\nif-env = PATH\nif-env = PATH\n"),
        ("socket.ini", "[uwsgi]\nsocket = /tmp/x.sock\nprotocol = raw\n"),
        ("loop.ini", "[uwsgi]\nini = loop.ini\n"),
        ("zero.ini", "[uwsgi]\nhttp = :1\nprocesses = $(NONE)\n"),
    ]);
    for (line, part) in [
        (
            "--ini strict.ini",
            "strict.ini:3: [strict-mode] unknown config directive: harakari (did you mean harakiri",
        ),
        ("--ini nested.ini", "nested.ini:3: if-env: recursive logic"),
        (
            "--ini socket.ini",
            "socket.ini:3: protocol: the protocol raw is not there: uwsgi, http, fastcgi and scgi are",
        ),
        ("--ini loop.ini", "loop.ini:2: ini: files include each other"),
        ("--ini zero.ini", "zero.ini:3: processes: '$(NONE)' is no number"),
        ("--ini none.ini", "cannot read none.ini"),
        ("--yaml x.yaml", "cannot read x.yaml"),
        ("x.yml", "cannot read x.yml"),
        ("whatever", "unable to load configuration from whatever"),
        (
            "--vaccum",
            "unrecognized option '--vaccum' (did you mean vacuum?)",
        ),
        ("--http-s x", "ambiguous"),
        ("--master=1", "doesn't allow an argument"),
        ("--module", "requires an argument"),
        ("-w a:b", "nothing to listen on"),
        ("--http 8080", "write :8080"),
        ("--https :1,a,b", "TLS is not there yet"),
        ("--http :1 --chmod-socket=6666", "three octal digits"),
    ] {
        let error = uwsgi_here(&directory, line, &[("PATH", "x")]).expect_err(line);
        assert_eq!(error.exit_code, 1, "{line}");
        assert!(error.message.contains(part), "{line}: {error}");
    }
}

#[test]
fn uwsgi_commands_do_not_start_a_server() {
    let directory = Directory::with(&[]);
    let signal = |request| {
        Ok(Outcome::SignalPidfile {
            pidfile: PathBuf::from("u.pid"),
            request,
        })
    };
    assert_eq!(
        uwsgi_here(&directory, "--reload u.pid", &[]),
        signal(PidfileRequest::Reload)
    );
    assert_eq!(
        uwsgi_here(&directory, "--stop u.pid", &[]),
        signal(PidfileRequest::Stop)
    );
    assert_eq!(
        uwsgi_here(&directory, "--version", &[]),
        Ok(Outcome::Print {
            text: "2.0.31\n".to_owned()
        })
    );
}

#[test]
fn the_native_command_line_has_good_defaults() {
    let directory = Directory::with(&[]);
    let here = |line: &str| native(&words(line), &environment("penstock", &directory.0, &[]));
    let settings = served("demo:app", here("demo:app")).settings;
    assert_eq!(settings.binds, [tcp("127.0.0.1", 8000)]);
    assert_eq!(
        (settings.workers, settings.timeouts.keep_alive),
        (1, Duration::from_secs(60))
    );
    assert_eq!(settings.logs.access, None);
    let settings = served("options", here("-b http://127.0.0.1:1 -w2 --access-log - a:b")).settings;
    assert_eq!((settings.binds, settings.workers), (vec![tcp("127.0.0.1", 1)], 2));
    assert_eq!(
        served("queue", here("--request-queue 5 a"))
            .settings
            .request_queue,
        Some(5)
    );
    let timeouts = served("deadline", here("-t 2.5 a")).settings.timeouts;
    assert_eq!(timeouts.soft_deadline, Some(Duration::from_millis(2500)));
    assert_eq!(timeouts.request_deadline, Some(Duration::from_millis(7500)));
    let timeouts = served("no deadline", here("-t 0 a")).settings.timeouts;
    assert_eq!((timeouts.soft_deadline, timeouts.request_deadline), (None, None));
    let line = "--max-request-line 1 --max-fields 2 --max-field-size 3 --max-head 4 --max-body 5 a";
    let limits = served("limits", here(line)).settings.limits;
    let sizes = [limits.request_line, limits.fields, limits.field_size, limits.head];
    assert_eq!((sizes, limits.body), ([1, 2, 3, 4], Some(5)));
    let line = "--head-timeout 1.5 --body-timeout 2 --write-timeout 3 a";
    let timeouts = served("times", here(line)).settings.timeouts;
    assert_eq!(
        [timeouts.head, timeouts.body, timeouts.write],
        [1500, 2000, 3000].map(Duration::from_millis)
    );
    for (line, code, part) in [
        ("--worker 2 a", 2, "did you mean --workers"),
        ("-w 0 a", 1, "at least 1"),
        ("--max-head 0 a", 1, "at least 1"),
        ("--head-timeout 0 a", 1, "more than 0"),
        ("-w 2", 2, "no application"),
        ("a b", 2, "unexpected argument 'b'"),
    ] {
        let error = here(line).expect_err(line);
        assert_eq!(error.exit_code, code, "{line}");
        assert!(error.message.contains(part), "{line}: {error}");
    }
    assert!(matches!(here(""), Ok(Outcome::Print { text }) if text.contains("penstock gunicorn")));
}

#[test]
fn sockets_for_web_servers_are_written_in_each_dialect() {
    let bind = Bind::new;
    let tcp = |port| Address::Tcp("127.0.0.1".to_owned(), port);
    let unix = || Address::Unix(PathBuf::from("/run/x.sock"));
    for (text, expected) in [
        ("uwsgi://127.0.0.1:1", bind(tcp(1), Wire::Uwsgi)),
        ("fastcgi://127.0.0.1:1", bind(tcp(1), Wire::Fastcgi)),
        ("scgi://127.0.0.1:1", bind(tcp(1), Wire::Scgi)),
        ("http://127.0.0.1:1/", bind(tcp(1), Wire::Http1)),
        ("uwsgi://unix:/run/x.sock", bind(unix(), Wire::Uwsgi)),
        ("scgi:unix:/run/x.sock", bind(unix(), Wire::Scgi)),
        ("unix:/run/x.sock", bind(unix(), Wire::Http1)),
        ("uwsgi:1", bind(Address::Tcp("uwsgi".to_owned(), 1), Wire::Http1)),
    ] {
        assert_eq!(crate::address::bind(text, Wire::Http1), Ok(expected), "{text}");
    }
    let directory = Directory::with(&[]);
    let line = "--socket 127.0.0.1:1 --fastcgi-socket /run/x.sock --scgi-socket 127.0.0.1:2 --http-socket 127.0.0.1:3 \
                --uwsgi-socket 127.0.0.1:4 --buffer-size 32768 -w a:b";
    let settings = served(line, uwsgi_here(&directory, line, &[])).settings;
    assert_eq!(
        settings.binds,
        [
            bind(tcp(1), Wire::Uwsgi),
            bind(unix(), Wire::Fastcgi),
            bind(tcp(2), Wire::Scgi),
            bind(tcp(3), Wire::Http1),
            bind(tcp(4), Wire::Uwsgi)
        ]
    );
    assert_eq!(settings.limits.block, 32768);
    let line = "--protocol uwsgi --uwsgi-allow-from 10.0.0.0/8,::1 --proxy-protocol -b 127.0.0.1:1 a";
    let settings = served(line, gunicorn_here(&directory, line, &[], &[])).settings;
    assert_eq!(settings.binds, [bind(tcp(1), Wire::Uwsgi)]);
    assert_eq!(settings.gateways.allow_from, ["10.0.0.0/8", "::1"]);
    assert!(settings.proxy_protocol.v1 && settings.proxy_protocol.v2);
}
