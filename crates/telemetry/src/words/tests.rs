//! The table of events and their lines in each dialect.

use std::path::PathBuf;
use std::time::Duration;

use config::Dialect::{self, Gunicorn, Native, Uvicorn, Uwsgi};
use config::Processes::{One, Reloader, Several};

use super::{Moment, lines};
use crate::event::{Event, ExitStatus, LateRequest, LifespanStep, Linger, StopKind, UwsgiEvent, WorkerLimit};
use crate::surroundings::Surroundings;

fn told(dialect: Dialect, event: &Event, moment: &Moment) -> String {
    let lines = lines(dialect, event, moment);
    let told: Vec<String> = lines
        .iter()
        .map(|(level, text)| format!("{level:?} {text}"))
        .collect();
    told.join("|")
}

fn exited(status: ExitStatus, expected: bool) -> Event {
    Event::WorkerExited {
        pid: 20,
        number: 1,
        status,
        expected,
        after: Duration::from_millis(1500),
        leaving: Duration::from_millis(2500),
    }
}

#[test]
fn each_event_has_the_words_of_its_dialect() {
    let prepared = |workers, threads| Event::Prepared {
        workers,
        threads,
        worker_class: "sync".to_owned(),
        preloaded: false,
        backlog: 100,
        graceful: Duration::from_secs(60),
    };
    let surroundings = Event::Uwsgi(UwsgiEvent::Surroundings(Surroundings {
        system: "Linux-6.1 #1 SMP".to_owned(),
        node: "vm".to_owned(),
        machine: "x86_64".to_owned(),
        processors: 2,
        directory: PathBuf::from("/srv/run"),
        program: PathBuf::from("/venv/bin/penstock"),
        stays_root: true,
        processes: Some(96_365),
        page: 4096,
        descriptors: None,
    }));
    let listening = Event::Listening {
        addresses: vec!["http://127.0.0.1:8000".to_owned(), "unix:/run/a.sock".to_owned()],
        descriptors: vec![3, 4],
        pid: 10,
    };
    let late = |thread, age| LateRequest {
        pid: 20,
        number: 1,
        thread,
        request: "GET /slow".to_owned(),
        client: "127.0.0.1".to_owned(),
        age,
    };
    let deadline = Event::RequestDeadline {
        late: late(0, Duration::from_secs(30)),
        kernel: vec![("wchan", "do_wait".to_owned())],
    };
    let interrupted = Event::RequestInterrupted(late(2, Duration::from_millis(2040)));
    let ready = Event::WorkerReady {
        pid: 20,
        number: 1,
        threads: 1,
        boot: Duration::from_millis(40),
        has_application: true,
        addresses: vec!["http://127.0.0.1:8000".to_owned()],
    };
    let socket = Event::FileRemoved {
        path: PathBuf::from("/run/a.sock"),
        socket: true,
    };
    let retiring = Event::WorkerRetiring {
        pid: 20,
        number: 1,
        kind: StopKind::Graceful,
    };
    let table = [
        (
            Gunicorn,
            Event::Starting { version: "0.1.0" },
            "Info Starting gunicorn 27.0.1|Info Served by Penstock 0.1.0",
        ),
        (
            Uwsgi,
            Event::Starting { version: "0.1.0" },
            "Info *** Starting uWSGI 2.0.31 (64bit) on [Sun Nov 22 09:33:39 2026] ***|Info *** served by Penstock 0.1.0 ***",
        ),
        (
            Uwsgi,
            surroundings.clone(),
            "Info os: Linux-6.1 #1 SMP|Info nodename: vm|Info machine: x86_64|Info detected number of CPU cores: 2|\
             Info current working directory: /srv/run|Info detected binary path: /venv/bin/penstock|\
             Info uWSGI running as root, you can use --uid/--gid/--chroot options|\
             Info *** WARNING: you are running uWSGI as root !!! (use the --uid flag) ***|\
             Info your processes number limit is 96365|Info your memory page size is 4096 bytes",
        ),
        (Gunicorn, surroundings, ""),
        (
            Native,
            Event::Starting { version: "0.1.0" },
            "Info Penstock 0.1.0",
        ),
        (
            Gunicorn,
            listening.clone(),
            "Info Listening at: http://127.0.0.1:8000,unix:/run/a.sock (10)",
        ),
        (
            Uwsgi,
            listening.clone(),
            "Info uwsgi socket 0 bound to TCP address 127.0.0.1:8000 fd 3|Info uwsgi socket 1 bound to UNIX address /run/a.sock fd 4",
        ),
        (
            Native,
            listening,
            "Info Listening at http://127.0.0.1:8000, unix:/run/a.sock",
        ),
        (Gunicorn, prepared(2, 1), "Info Using worker: sync"),
        (
            Uwsgi,
            prepared(1, 1),
            "Info your server socket listen backlog is limited to 100 connections|\
             Info your mercy for graceful operations on workers is 60 seconds|Info *** Operational MODE: single process ***",
        ),
        (
            Uwsgi,
            prepared(2, 1),
            "Info your server socket listen backlog is limited to 100 connections|\
             Info your mercy for graceful operations on workers is 60 seconds|Info *** Operational MODE: preforking ***",
        ),
        (
            Uwsgi,
            prepared(1, 2),
            "Info your server socket listen backlog is limited to 100 connections|\
             Info your mercy for graceful operations on workers is 60 seconds|Info *** Operational MODE: threaded ***",
        ),
        (
            Uwsgi,
            prepared(2, 2),
            "Info your server socket listen backlog is limited to 100 connections|\
             Info your mercy for graceful operations on workers is 60 seconds|Info *** Operational MODE: preforking+threaded ***",
        ),
        (
            Native,
            prepared(2, 1),
            "Info Starting 2 workers with 1 thread each",
        ),
        (
            Uwsgi,
            Event::PidfileWritten {
                path: PathBuf::from("/u.pid"),
            },
            "Info writing pidfile to /u.pid",
        ),
        (
            Uwsgi,
            Event::MasterSpawned { pid: 10 },
            "Info spawned uWSGI master process (pid: 10)",
        ),
        (
            Gunicorn,
            Event::WorkerBooting { pid: 20, number: 1 },
            "Info Booting worker with pid: 20",
        ),
        (
            Uwsgi,
            ready.clone(),
            "Info WSGI app 0 (mountpoint='') ready in 0 seconds on interpreter 0x0 pid: 20 (default app)|Info spawned uWSGI worker 1 (pid: 20, cores: 1)",
        ),
        (
            Native,
            ready,
            "Info Worker 1 ready (pid 20, 1 thread, application in 0.04 s)",
        ),
        (
            Gunicorn,
            Event::WorkerExiting {
                pid: 20,
                served: true,
            },
            "Info Worker exiting (pid: 20)",
        ),
        (
            Gunicorn,
            Event::WorkerRecycling { pid: 20, requests: 9 },
            "Info Autorestarting worker after current request.",
        ),
        (
            Uwsgi,
            Event::WorkerRecycling { pid: 20, requests: 9 },
            "Info ...The work of process 20 is done. Seeya!",
        ),
        (
            Uwsgi,
            Event::WorkerLimit(WorkerLimit::TooOld {
                number: 2,
                after: Duration::from_secs(61),
            }),
            "Info worker 2 lifetime reached, it was running for 61 second(s)",
        ),
        (
            Uwsgi,
            Event::WorkerLimit(WorkerLimit::TooLarge {
                pid: 20,
                number: 2,
                what: "RSS",
                bytes: 1 << 20,
                brutal: true,
            }),
            "Warning *** EVIL RELOAD ON WORKER 2 RSS: 1048576 (pid: 20) ***",
        ),
        (Gunicorn, exited(ExitStatus::Code(0), true), ""),
        (
            Gunicorn,
            exited(ExitStatus::Code(1), false),
            "Error Worker (pid:20) exited with code 1.",
        ),
        (
            Gunicorn,
            exited(ExitStatus::Signal(9), false),
            "Error Worker (pid:20) was sent SIGKILL! Perhaps out of memory?",
        ),
        (
            Gunicorn,
            exited(ExitStatus::Signal(11), false),
            "Warning Worker (pid:20) was sent SIGSEGV!",
        ),
        (
            Uwsgi,
            exited(ExitStatus::Code(0), true),
            "Info worker 1 buried after 2 seconds",
        ),
        (
            Uwsgi,
            exited(ExitStatus::Code(0), false),
            "Info worker 1 killed successfully (pid: 20)",
        ),
        (
            Uwsgi,
            exited(ExitStatus::Code(1), false),
            "Error DAMN ! worker 1 (pid: 20) died :( trying respawn ...",
        ),
        (
            Uwsgi,
            exited(ExitStatus::Signal(9), false),
            "Error DAMN ! worker 1 (pid: 20) died, killed by signal 9 :( trying respawn ...",
        ),
        (
            Native,
            exited(ExitStatus::Signal(64), false),
            "Error Worker 1 (pid 20) was killed by signal 64",
        ),
        (
            Uwsgi,
            Event::WorkerRespawned { pid: 21, number: 1 },
            "Info Respawned uWSGI worker 1 (new pid: 21)",
        ),
        (
            Uwsgi,
            Event::RespawnDelayed {
                delay: Duration::from_secs(2),
            },
            "Warning worker respawning too fast !!! i have to sleep a bit (2 seconds)...",
        ),
        (
            Gunicorn,
            Event::BootFailed { exit_code: 3 },
            "Error Reason: Worker failed to boot.",
        ),
        (
            Gunicorn,
            Event::BootFailed { exit_code: 4 },
            "Error Reason: App failed to load.",
        ),
        (
            Uwsgi,
            Event::BootFailed { exit_code: 22 },
            "Error *** no app loaded. GAME OVER ***",
        ),
        (
            Gunicorn,
            deadline.clone(),
            "Critical WORKER TIMEOUT (pid:20)|Error Worker (pid:20) has spent 30.0 s in GET /slow from 127.0.0.1, longer than the timeout allows",
        ),
        (
            Native,
            interrupted,
            "Error GET /slow from 127.0.0.1 is interrupted after 2.0 s, longer than the deadline allows (worker 1, pid 20, thread 2)",
        ),
        (
            Uwsgi,
            deadline,
            "Error Sun Nov 22 09:33:39 2026 - *** HARAKIRI ON WORKER 1 (pid: 20, try: 1, graceful: yes) ***|Error HARAKIRI: -- wchan> do_wait|Error HARAKIRI !!! worker 1 status !!!|Error HARAKIRI [core 0] 127.0.0.1 - GET /slow since 970|Error HARAKIRI !!! end of worker 1 status !!!|Error Sun Nov 22 09:33:39 2026 - HARAKIRI triggered by worker 1 core 0 !!!",
        ),
        (
            Uwsgi,
            Event::WorkerKilled { pid: 20, number: 1 },
            "Warning Sun Nov 22 09:33:39 2026 - worker 1 (pid: 20) is taking too much time to die...NO MERCY !!!",
        ),
        (
            Uvicorn,
            Event::WebSocketAccepted {
                client: "127.0.0.1:54321".to_owned(),
                target: "/ws?a=b".to_owned(),
            },
            "Info 127.0.0.1:54321 - \"WebSocket /ws?a=b\" [accepted]|Info connection open",
        ),
        (Uvicorn, Event::WebSocketClosed, "Info connection closed"),
        (
            Uvicorn,
            Event::WebSocketRejected {
                client: "127.0.0.1:54321".to_owned(),
                target: "/ws".to_owned(),
                status_line: "403 Forbidden".to_owned(),
                by_application: true,
            },
            "Info 127.0.0.1:54321 - \"WebSocket /ws\" 403|Info connection rejected (403 Forbidden)",
        ),
        (
            Uvicorn,
            Event::Lingering(Linger::Connections),
            "Info Waiting for connections to close. (CTRL+C to force quit)",
        ),
        (
            Uvicorn,
            Event::Lingering(Linger::Tasks),
            "Info Waiting for background tasks to complete. (CTRL+C to force quit)",
        ),
        (Gunicorn, Event::Lingering(Linger::Tasks), ""),
        (
            Gunicorn,
            Event::Lingering(Linger::Cancelled(2)),
            "Error Cancel 2 running task(s), timeout graceful shutdown exceeded",
        ),
        (
            Gunicorn,
            Event::SignalHandled { name: "hup" },
            "Info Handling signal: hup",
        ),
        (
            Gunicorn,
            Event::ReloadStarting { pid: 10 },
            "Info Hang up: Master",
        ),
        (
            Uwsgi,
            Event::ReloadStarting { pid: 10 },
            "Info ...gracefully killing workers...",
        ),
        (
            Uwsgi,
            Event::ReloadFinished { workers: 2 },
            "Info gracefully (RE)spawned uWSGI master process (pid: 10)",
        ),
        (
            Native,
            Event::ReloadFinished { workers: 1 },
            "Info Reloaded: 1 new worker ready",
        ),
        (
            Native,
            Event::ReloadFailed {
                reason: "boom".to_owned(),
            },
            "Error Reload failed, the old workers go on serving: boom",
        ),
        (Uwsgi, retiring, "Info Gracefully killing worker 1 (pid: 20)..."),
        (
            Uwsgi,
            Event::Touched {
                path: PathBuf::from("/t"),
            },
            "Info Sun Nov 22 09:33:39 2026 - *** /t has been touched... grace them all !!! ***",
        ),
        (
            Uwsgi,
            Event::Stopping {
                kind: StopKind::Graceful,
            },
            "Info Sun Nov 22 09:33:39 2026 - graceful shutdown triggered...",
        ),
        (
            Uwsgi,
            Event::Stopping {
                kind: StopKind::Quick,
            },
            "Info SIGINT/SIGTERM received...killing workers...",
        ),
        (Gunicorn, Event::Stopped { pid: 10 }, "Info Shutting down: Master"),
        (Uwsgi, Event::Stopped { pid: 10 }, "Info goodbye to uWSGI."),
        (Uwsgi, socket, "Info VACUUM: unix socket /run/a.sock removed."),
        (
            Uwsgi,
            Event::FileRemoved {
                path: PathBuf::from("/u.pid"),
                socket: false,
            },
            "Info VACUUM: pidfile removed.",
        ),
    ];
    let moment = Moment {
        unix_seconds: 1000,
        ctime: "Sun Nov 22 09:33:39 2026".to_owned(),
        pid: 10,
        processes: Several,
    };
    for (dialect, event, expected) in table {
        assert_eq!(told(dialect, &event, &moment), expected, "{dialect:?} {event:?}");
    }
}

#[test]
fn uvicorn_speaks_of_the_processes_that_its_users_know() {
    let addresses = vec!["http://127.0.0.1:8000".to_owned(), "unix:/run/a.sock".to_owned()];
    let running = "Info Uvicorn running on http://127.0.0.1:8000 (Press CTRL+C to quit)|\
                   Info Uvicorn running on unix socket /run/a.sock (Press CTRL+C to quit)";
    let listening = Event::Listening {
        addresses: addresses.clone(),
        descriptors: Vec::new(),
        pid: 10,
    };
    let ready = Event::WorkerReady {
        pid: 20,
        number: 1,
        threads: 1,
        boot: Duration::from_millis(40),
        has_application: true,
        addresses,
    };
    let exiting = |served| Event::WorkerExiting { pid: 20, served };
    let retiring = Event::WorkerRetiring {
        pid: 20,
        number: 1,
        kind: StopKind::Graceful,
    };
    let stopping = Event::Stopping {
        kind: StopKind::Graceful,
    };
    let recycling = Event::WorkerRecycling { pid: 20, requests: 9 };
    let parent = Event::MasterSpawned { pid: 10 };
    let stopped = Event::Stopped { pid: 10 };
    let signal = |name| Event::SignalHandled { name };
    let table = [
        (One, listening.clone(), ""),
        (Several, listening.clone(), running),
        (Reloader, listening, running),
        (One, ready.clone(), running),
        (Several, ready, ""),
        (One, parent.clone(), "Debug Started parent process [10]"),
        (Several, parent.clone(), "Info Started parent process [10]"),
        (
            Reloader,
            parent,
            "Info Started reloader process [10] using Penstock",
        ),
        (
            One,
            Event::WorkerBooting { pid: 20, number: 1 },
            "Info Started server process [20]",
        ),
        (One, exiting(true), "Info Finished server process [20]"),
        (One, exiting(false), ""),
        (One, signal("term"), "Debug Received SIGTERM, exiting."),
        (Several, signal("term"), "Info Received SIGTERM, exiting."),
        (One, signal("hup"), "Info Received SIGHUP, restarting processes."),
        (One, stopping.clone(), "Info Shutting down"),
        (Several, stopping, ""),
        (
            Several,
            retiring.clone(),
            "Info Terminated child process [20]|Info Waiting for child process [20]",
        ),
        (
            One,
            retiring,
            "Debug Terminated child process [20]|Debug Waiting for child process [20]",
        ),
        (Several, stopped.clone(), "Info Stopping parent process [10]"),
        (Reloader, stopped.clone(), "Info Stopping reloader process [10]"),
        (One, stopped, "Debug Stopping parent process [10]"),
        (One, exited(ExitStatus::Code(3), false), ""),
        (
            Several,
            exited(ExitStatus::Code(3), false),
            "Error Child process [20] failed to start, stopping the parent process.",
        ),
        (
            Several,
            exited(ExitStatus::Signal(9), false),
            "Info Child process [20] died of SIGKILL",
        ),
        (Several, exited(ExitStatus::Signal(9), true), ""),
        (
            Several,
            recycling,
            "Info Maximum request limit of 9 exceeded. Terminating process.",
        ),
        (
            One,
            Event::Lifespan(LifespanStep::Unsupported),
            "Info ASGI 'lifespan' protocol appears unsupported.|Info Application startup complete.",
        ),
        (
            One,
            Event::Lifespan(LifespanStep::Started),
            "Info Application startup complete.",
        ),
    ];
    for (processes, event, expected) in table {
        let moment = Moment {
            unix_seconds: 1000,
            ctime: String::new(),
            pid: 10,
            processes,
        };
        assert_eq!(
            told(Uvicorn, &event, &moment),
            expected,
            "{processes:?} {event:?}"
        );
    }
}
