//! The reactor over real sockets, with a gateway that is no Python: what it does about time and about leaving.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use config::{Dialect, Level, LogTarget, Settings};
use shared::Scoreboard;
use telemetry::ErrorLog;
use worker::{Conditions, Departure, Exchange, Front, Gateway, serve};

/// Longer than anything here takes unless something is broken.
const SAFETY: Duration = Duration::from_secs(60);
/// The server's patience where a test waits for its end; a client on a busy machine must keep within it.
const PATIENCE: Duration = Duration::from_secs(2);

/// More than the sockets of both sides take.
const LARGE: usize = 32 << 20;

/// What `/blocks` is answered with, one by one; it ends as every answer here does.
const BLOCKS: [&[u8]; 4] = [b"one", b"two", b"\r\n\r\n", b"ok"];
/// Longer than a call may take that the other requests wait for.
const SLOW: Duration = Duration::from_millis(3);

/// Answers every request with `ok`, and one for `/large` with more than a client can leave unread.
struct Fixed;

impl Gateway for Fixed {
    fn serve(&self, mut exchange: Exchange) -> Exchange {
        if exchange.head().path() == b"/large" {
            exchange.response().set_status(b"200 OK").expect("a valid status");
            exchange.response().set_content_length(LARGE as u64);
            exchange.begin();
            exchange.write(&vec![b'x'; LARGE]);
            exchange.finish();
            return exchange;
        }
        if exchange.head().path() == b"/slow" {
            std::thread::sleep(SLOW);
        }
        if exchange.head().path() == b"/blocks" {
            exchange.response().set_status(b"200 OK").expect("a valid status");
            exchange
                .response()
                .set_content_length(BLOCKS.concat().len() as u64);
            exchange.begin();
            for block in BLOCKS {
                exchange.write(block);
                exchange.flush_block();
                // What waits longer is sent by another thread.
                if block == b"two" {
                    std::thread::sleep(SLOW);
                }
            }
            exchange.finish();
            return exchange;
        }
        exchange.response().set_status(b"200 OK").expect("a valid status");
        exchange.response().set_content_length(2);
        exchange.begin();
        exchange.write(b"ok");
        exchange.finish();
        exchange
    }

    fn detached(&self, wait: &mut (dyn FnMut() + Send)) {
        wait();
    }

    fn enter_thread(&self, body: &mut dyn FnMut()) {
        body();
    }
}

fn settings(threads: u32, patience: Duration) -> Settings {
    let mut settings = Settings {
        threads,
        ..Settings::new(Dialect::Native)
    };
    settings.timeouts.head = patience;
    settings.timeouts.body = patience;
    settings.timeouts.write = patience;
    settings.timeouts.keep_alive = patience;
    settings.timeouts.graceful = SAFETY;
    settings.logs.level = Level::Critical;
    settings.logs.error = LogTarget::File("/dev/null".into());
    settings
}

/// A reactor in a thread of its own; it leaves when the lifeline is dropped.
struct Running {
    address: SocketAddr,
    lifeline: UnixStream,
    thread: JoinHandle<Departure>,
}

impl Running {
    fn start(threads: u32, patience: Duration) -> Running {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a bound listener");
        let (lifeline, workers_end) = UnixStream::pair().expect("a socket pair");
        let settings = settings(threads, patience);
        let error_log =
            ErrorLog::open(&settings.logs, settings.dialect).expect("a log that drops everything");
        let front = Front {
            first_line: protocol::gateway::FirstLine::StatusField,
            server_name: address.ip().to_string(),
            server_port: address.port().to_string(),
            is_unix: false,
            index: 0,
            shown: format!("http://{address}"),
            wire: config::Wire::Http1,
            allowed: worker::Peers::new(&["*".to_owned()]),
            proxy_protocol: None,
            commons: None,
        };
        let (ready, is_ready) = mpsc::channel();
        let conditions = Conditions {
            listeners: vec![(OwnedFd::from(listener), front)],
            scoreboard: Scoreboard::create(1, threads as usize).expect("shared memory"),
            slot: 0,
            number: 1,
            max_requests: None,
            settings: Arc::new(settings),
            lifeline: workers_end.into(),
            error_log,
            access_log: None,
            signals_installed: Box::new(|| {}),
            ready: Box::new(move || ready.send(()).expect("somebody waits")),
            ending: Box::new(|| {}),
            retire: Box::new(|_| {}),
            interrupted: Box::new(|| {}),
            errand: None,
            passage: None,
            server: "test",
        };
        let thread = std::thread::spawn(|| {
            let gateway: Arc<dyn Gateway> = Arc::new(Fixed);
            serve(conditions, &gateway).expect("a reactor")
        });
        is_ready.recv_timeout(SAFETY).expect("the reactor is ready");
        Running {
            address,
            lifeline,
            thread,
        }
    }

    fn connect(&self) -> TcpStream {
        let client = TcpStream::connect(self.address).expect("a connection");
        client.set_read_timeout(Some(SAFETY)).expect("a timeout is set");
        client
    }

    fn stop(self) -> Departure {
        drop(self.lifeline);
        self.thread.join().expect("the reactor does not panic")
    }
}

fn read_to_end(client: &mut TcpStream) -> String {
    let mut text = String::new();
    client.read_to_string(&mut text).expect("a clean end");
    text
}

/// Reads the answer of [`Fixed`], which ends in its body.
fn read_answer(client: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.ends_with(b"\r\n\r\nok") {
        client.read_exact(&mut byte).expect("an answer");
        answer.push(byte[0]);
    }
    String::from_utf8(answer).expect("text")
}

#[test]
fn a_head_that_does_not_end_in_time_is_answered_with_408_however_busily_it_drips() {
    let running = Running::start(1, PATIENCE);
    let mut client = running.connect();
    client
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n")
        .expect("a beginning");
    let mut dripping = client.try_clone().expect("a second handle");
    let drips = std::thread::spawn(move || {
        while dripping.write_all(b"X: y\r\n").is_ok() {
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    let mut answer = [0; 12];
    client.read_exact(&mut answer).expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 408");
    drop(client);
    running.stop();
    drips.join().expect("the drips end with the connection");
}

#[test]
fn a_silent_client_and_an_idle_one_are_closed_without_a_word() {
    let running = Running::start(1, PATIENCE);
    assert_eq!(read_to_end(&mut running.connect()), "");
    let mut client = running.connect();
    client
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        .expect("a request");
    assert!(read_answer(&mut client).starts_with("HTTP/1.1 200 OK\r\n"));
    assert_eq!(read_to_end(&mut client), "");
    running.stop();
}

#[test]
fn a_body_that_stops_coming_is_answered_with_408() {
    let running = Running::start(1, PATIENCE);
    let mut client = running.connect();
    client
        .write_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345")
        .expect("half a body");
    assert!(read_to_end(&mut client).starts_with("HTTP/1.1 408 "));
    running.stop();
}

#[test]
fn a_client_that_has_ended_its_side_still_gets_its_answers() {
    for threads in [1, 3] {
        let running = Running::start(threads, SAFETY);
        let mut client = running.connect();
        client
            .write_all(&b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".repeat(100))
            .expect("requests");
        client.shutdown(std::net::Shutdown::Write).expect("half closed");
        assert_eq!(read_to_end(&mut client).matches("\r\n\r\nok").count(), 100);
        running.stop();
    }
}

#[test]
fn a_leaving_worker_answers_what_was_begun_and_says_that_it_closes() {
    for threads in [1, 3] {
        let running = Running::start(threads, SAFETY);
        let mut half = running.connect();
        half.write_all(b"GET / HTTP/1.1\r\nHost").expect("half a head");
        let mut idle = running.connect();
        idle.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            .expect("a request");
        read_answer(&mut idle);
        let Running { lifeline, thread, .. } = running;
        drop(lifeline);
        // It has begun to leave when idle clients are sent away.
        assert_eq!(read_to_end(&mut idle), "");
        half.write_all(b": x\r\n\r\n").expect("the other half");
        let answer = read_to_end(&mut half);
        assert!(answer.contains("Connection: close\r\n"), "{answer}");
        assert!(answer.ends_with("\r\n\r\nok"), "{answer}");
        assert_eq!(thread.join().expect("no panic"), Departure::MasterGone);
    }
}

#[test]
fn a_client_that_reads_nothing_is_let_go_after_its_time_and_holds_nobody_up() {
    for threads in [1, 2] {
        let running = Running::start(threads, PATIENCE);
        let mut deaf = running.connect();
        deaf.write_all(b"GET /large HTTP/1.1\r\nHost: t\r\n\r\n")
            .expect("it is sent");
        let mut good = running.connect();
        for _ in 0..20 {
            good.write_all(b"GET / HTTP/1.1\r\nHost: t\r\n\r\n")
                .expect("it is sent");
            assert!(read_answer(&mut good).starts_with("HTTP/1.1 200 OK"));
        }
        // It leaves only when the answer has come to its end, one way or the other.
        running.stop();
        let mut rest = Vec::new();
        // Whether it sees an end or a reset is the system's affair.
        let _ = deaf.read_to_end(&mut rest);
        assert!(
            rest.starts_with(b"HTTP/1.1 200 OK") && rest.len() < LARGE,
            "{} bytes came",
            rest.len()
        );
    }
}

#[test]
fn whichever_thread_leads_each_request_is_answered_once_and_in_its_turn() {
    for threads in [1, 2, 4] {
        let running = Running::start(threads, SAFETY);
        std::thread::scope(|scope| {
            for first in 0..4 {
                let mut client = running.connect();
                scope.spawn(move || {
                    for turn in first..first + 60 {
                        let path = ["/", "/", "/slow", "/", "/", "/", "/", "/blocks"][turn % 8];
                        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
                        client.write_all(request.as_bytes()).expect("a request");
                        let blocks = read_answer(&mut client).ends_with("onetwo\r\n\r\nok");
                        assert_eq!(blocks, path == "/blocks");
                    }
                });
            }
        });
        assert_eq!(running.stop(), Departure::MasterGone);
    }
}
