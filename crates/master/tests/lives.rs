//! Lives of real servers with real processes and signals, and a trivial worker in place of Python.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicBool, Ordering};

use config::Dialect;
use rustix::process::Signal;
use support::{Server, Start, ask, kill, prepare};

/// Not a test of its own: the server that the others start.
#[test]
fn server_process() {
    support::serve_if_asked();
}

fn left_behind(server: &Server) -> Vec<&'static str> {
    ["pid", "socket"]
        .into_iter()
        .filter(|name| server.path(name).exists())
        .collect()
}

#[test]
fn it_boots_answers_and_stops_without_a_trace() {
    for (signal, name) in [
        (Signal::TERM, "term"),
        (Signal::INT, "int"),
        (Signal::QUIT, "quit"),
    ] {
        let mut server = Server::ready(name, Start::default());
        assert!(server.ask().expect("an answer").starts_with("1 "));
        assert!(server.path("pid").exists());
        server.signal(signal);
        assert_eq!(server.exit_code(), Some(0), "{name}");
        assert!(left_behind(&server).is_empty(), "{name}");
    }
}

#[test]
fn workers_that_cannot_boot_end_it_with_the_dialects_code() {
    let cases = [
        (Dialect::Gunicorn, "exit 3", 3),
        (Dialect::Gunicorn, "exit 4", 4),
        (Dialect::Uwsgi, "exit 22", 22),
        (Dialect::Uwsgi, "exit 9", 1),
    ];
    for (dialect, application, code) in cases {
        let mut server = Server::start(
            "noboot",
            Start {
                dialect,
                application,
                ..Start::default()
            },
        );
        assert_eq!(server.exit_code(), Some(code), "{application}");
        assert!(left_behind(&server).is_empty(), "{application}");
    }
}

#[test]
fn a_stop_in_the_first_moments_is_obeyed() {
    for delay_ms in [0, 2, 5, 10, 20, 50] {
        let mut server = Server::start(
            "early",
            Start {
                application: "hang",
                ..Start::default()
            },
        );
        server.wait_for("the handlers", || server.path("log").exists());
        std::thread::sleep(std::time::Duration::from_millis(delay_ms));
        server.signal(Signal::TERM);
        assert_eq!(server.exit_code(), Some(0), "{delay_ms} ms");
        assert!(
            !server.log().contains("SIGKILL"),
            "nobody had to be killed: {}",
            server.log()
        );
        assert!(left_behind(&server).is_empty());
    }
}

#[test]
fn a_killed_worker_is_replaced() {
    let server = Server::ready("kill", Start::default());
    for _ in 0..3 {
        let victim = server.workers()[0];
        kill(victim, Signal::KILL);
        server.wait_for("a replacement", || {
            let workers = server.workers();
            workers.len() == 2 && !workers.contains(&victim)
        });
    }
    assert!(server.ask().is_ok());
}

/// Ends the clients when it goes.
struct StopClients<'a>(&'a AtomicBool);

impl Drop for StopClients<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn reloads_lose_no_request() {
    let server = Server::ready("reload", Start::default());
    let old = server.workers();
    let port = server.port();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _stop = StopClients(&done); // also when the test fails
        let clients = [(); 2].map(|()| {
            scope.spawn(|| {
                let mut failed = 0;
                while !done.load(Ordering::SeqCst) {
                    failed += usize::from(ask(port, "/").is_err());
                }
                failed
            })
        });
        for version in ["2", "3", "4"] {
            server.application(&format!("serve {version}"));
            let before = server.workers();
            server.signal(Signal::HUP);
            server.wait_for("the new generation", || {
                let now = server.workers();
                now.len() == 2 && now.iter().all(|pid| !before.contains(pid))
            });
        }
        done.store(true, Ordering::SeqCst);
        clients
            .into_iter()
            .for_each(|client| assert_eq!(client.join().expect("client"), 0));
    });
    assert!(server.ask().expect("an answer").starts_with("4 "));
    assert!(server.workers().iter().all(|pid| !old.contains(pid)));
}

#[test]
fn a_reload_that_cannot_boot_keeps_the_old_workers() {
    let server = Server::ready("badreload", Start::default());
    let old = server.workers();
    server.application("exit 3");
    server.signal(Signal::HUP);
    server.wait_for("the reason", || {
        server.log().contains("exited with code 3 before it was ready")
    });
    assert_eq!(server.workers(), old);
    assert!(server.ask().expect("an answer").starts_with("1 "));
    server.application("serve 2");
    server.signal(Signal::HUP);
    server.wait_for("the good reload", || {
        server.ask().is_ok_and(|answer| answer.starts_with("2 "))
    });
}

#[test]
fn a_reload_of_a_boot_that_hangs_is_obeyed() {
    let server = Server::start(
        "hup",
        Start {
            application: "hang",
            ..Start::default()
        },
    );
    server.wait_for("the banner", || {
        server.path("pid").exists() && server.log().contains("127.0.0.1:")
    });
    server.application("serve 2");
    server.signal(Signal::HUP);
    server.wait_for("the new workers", || server.workers().len() == 2);
    assert!(server.ask().expect("an answer").starts_with("2 "));
}

#[test]
fn a_touched_file_reloads() {
    let server = Server::ready("touch", Start::default());
    server.application("serve 2");
    fs::write(server.path("touch-me"), "").expect("touch");
    server.wait_for("the reload", || {
        server.ask().is_ok_and(|answer| answer.starts_with("2 "))
    });
}

#[test]
fn ttin_and_ttou_change_the_number_of_workers() {
    let server = Server::ready("tt", Start::default());
    server.signal(Signal::TTIN);
    server.wait_for("one more", || server.workers().len() == 3);
    server.signal(Signal::TTOU);
    server.wait_for("one less", || server.workers().len() == 2);
}

#[test]
fn retiring_workers_leave_no_gap() {
    let server = Server::ready(
        "retire",
        Start {
            application: "retire 20",
            workers: 1,
            ..Start::default()
        },
    );
    let first = server.workers();
    let failed = (0..500).filter(|_| server.ask().is_err()).count();
    assert_eq!(failed, 0, "{}", server.log());
    assert_ne!(server.workers(), first);
}

#[test]
fn a_request_past_its_deadline_costs_only_its_worker() {
    let server = Server::ready("deadline", Start::default());
    let before = server.workers();
    assert!(ask(server.port(), "/hang").is_err());
    server.wait_for("the replacement", || {
        let workers = server.workers();
        workers.len() == 2 && workers != before
    });
    assert!(server.log().contains("/hang"), "{}", server.log());
    assert!(server.ask().is_ok());
}

#[test]
fn workers_leave_when_the_master_is_gone() {
    let mut server = Server::ready("orphans", Start::default());
    server.signal(Signal::KILL);
    assert_eq!(server.exit_code(), Some(support::KILLED));
    let again = Server::ready(
        "again",
        Start {
            bind: Some(server.port()),
            ..Start::default()
        },
    );
    assert!(again.ask().is_ok(), "the port is free");
}

#[test]
fn a_port_in_use_ends_the_start_with_the_dialects_words() {
    let holder = Server::ready("holder", Start::default());
    let bind = Some(holder.port());
    let mut server = Server::start(
        "inuse",
        Start {
            dialect: Dialect::Uwsgi,
            bind,
            ..Start::default()
        },
    );
    assert_eq!(server.exit_code(), Some(1));
    let words = "probably another instance of uWSGI is running on the same address";
    assert!(server.log().contains(words), "{}", server.log());
    let mut server = Server::start(
        "inuse",
        Start {
            bind,
            ..Start::default()
        },
    );
    assert_eq!(server.exit_code(), Some(1));
    assert_eq!(
        server.log().matches("Connection in use:").count(),
        5,
        "{}",
        server.log()
    );
    assert!(server.log().contains("Can't connect to"), "{}", server.log());
    assert!(left_behind(&server).is_empty());
}

#[test]
fn the_pidfile_of_a_living_server_is_refused_and_stays() {
    let directory = prepare("pid", Start::default());
    fs::write(directory.join("pid"), "1\n").expect("write");
    let mut server = Server::start_in(directory);
    assert_eq!(server.exit_code(), Some(1));
    assert!(
        server.log().contains("Already running on PID 1"),
        "{}",
        server.log()
    );
    assert_eq!(fs::read_to_string(server.path("pid")).expect("it stays"), "1\n");
}

#[test]
fn unix_sockets_are_made_replaced_refused_and_removed() {
    let start = Start {
        bind: None,
        ..Start::default()
    };
    let directory = prepare("unix", start);
    drop(UnixListener::bind(directory.join("socket")).expect("a stale socket"));
    let mut server = Server::start_in(directory);
    server.wait_for("the workers", || server.workers().len() == 2);
    let mode = fs::metadata(server.path("socket"))
        .expect("the socket")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    server.signal(Signal::TERM);
    assert_eq!(server.exit_code(), Some(0));
    assert!(left_behind(&server).is_empty());

    let directory = prepare("unixfile", start);
    fs::write(directory.join("socket"), "precious").expect("write");
    let mut server = Server::start_in(directory);
    assert_eq!(server.exit_code(), Some(1));
    assert_eq!(
        fs::read_to_string(server.path("socket")).expect("it stays"),
        "precious"
    );
    assert!(server.log().contains("not a socket"), "{}", server.log());
}
