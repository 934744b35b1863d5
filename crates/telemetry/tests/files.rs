//! Logs on real files: lines arrive whole, follow a rotation, and a target that fails stops nobody.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use config::{Dialect, Level, LogTarget, Logs, Settings};
use protocol::http1::Codec;
use protocol::{Limits, RequestHead, ResponseHead};
use telemetry::{AccessLog, AccessRecord, AccessedRequest, ErrorLog, Event, Relay};

/// A directory of its own, removed at the end.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Directory {
        let path = std::env::temp_dir().join(format!("penstock-telemetry-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a directory in the temporary directory");
        Directory(path)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn logs(path: &Path) -> Logs {
    Logs {
        error: LogTarget::File(path.to_owned()),
        access: Some(LogTarget::File(path.to_owned())),
        access_format: "%(m)s %(s)s".to_owned(),
        ..Settings::new(Dialect::Gunicorn).logs
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).expect("the log can be read")
}

fn record_one(log: &mut AccessLog) {
    let mut head = RequestHead::default();
    Codec::new(Limits::default()).receive(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", &mut head);
    log.record(&AccessRecord {
        head: &head,
        status: 200,
        response_fields: &ResponseHead::default(),
        body_bytes: 0,
        head_bytes: 0,
        duration: Duration::ZERO,
        waited: Duration::ZERO,
        client: "127.0.0.1",
        client_port: 1,
        scheme: "http",
        worker_number: 1,
        thread: 0,
        requests_of_worker: 1,
        requests_total: 1,
        noted: &[],
        via: telemetry::Via::Application,
        is_wanted: false,
        read_failed: false,
        write_failed: false,
    });
}

#[test]
fn lines_have_gunicorns_prefix_and_stay_one_line() {
    let directory = Directory::new("prefix");
    let path = directory.file("error.log");
    let log = ErrorLog::open(&logs(&path), Dialect::Gunicorn).expect("the log opens");
    log.debug("below the level");
    log.warning("from\na client");
    log.error_with_details("Error handling request GET /", "Traceback\n  boom");
    log.raw(b"raw\n\ttext\n");
    let text = read(&path);
    let lines: Vec<&str> = text.lines().collect();
    let prefix = format!("] [{}] ", std::process::id());
    assert!(lines[0].starts_with('[') && lines[0].contains(&prefix), "{text}");
    assert!(lines[0].ends_with("[WARNING] from\\x0aa client"), "{text}");
    assert!(
        lines[1].ends_with("[ERROR] Error handling request GET /"),
        "{text}"
    );
    assert_eq!(lines[2..], ["Traceback", "  boom", "raw", "\ttext"]);
}

#[test]
fn uwsgi_lines_have_no_prefix() {
    let directory = Directory::new("uwsgi");
    let path = directory.file("uwsgi.log");
    let log = ErrorLog::open(&logs(&path), Dialect::Uwsgi).expect("the log opens");
    log.event(&Event::MasterSpawned { pid: 5 });
    log.error("!!! trouble !!!");
    assert_eq!(
        read(&path),
        "spawned uWSGI master process (pid: 5)\n!!! trouble !!!\n"
    );
    let mode = fs::metadata(&path)
        .expect("the log is there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o137, 0, "others may not read it, as with uWSGI");
}

#[test]
fn reopening_after_a_rename_goes_on_in_a_new_file() {
    let directory = Directory::new("rotate");
    let (path, rotated) = (directory.file("log"), directory.file("log.1"));
    let log = ErrorLog::open(&logs(&path), Dialect::Uwsgi).expect("the log opens");
    let clone = log.clone();
    let mut access = AccessLog::open(&logs(&path), Dialect::Gunicorn)
        .expect("the log opens")
        .expect("there is one");
    log.info("before");
    fs::rename(&path, &rotated).expect("rotated");
    log.info("between");
    record_one(&mut access);
    log.reopen().expect("the file can be made again");
    access.reopen().expect("the file can be made again");
    clone.info("after");
    record_one(&mut access);
    access.flush();
    assert_eq!(read(&rotated), "before\nbetween\nGET 200\n");
    assert_eq!(read(&path), "after\nGET 200\n");
}

#[test]
fn a_reopening_that_fails_keeps_the_old_file() {
    let directory = Directory::new("keep");
    let (path, rotated) = (directory.file("log"), directory.file("log.1"));
    let log = ErrorLog::open(&logs(&path), Dialect::Uwsgi).expect("the log opens");
    fs::rename(&path, &rotated).expect("rotated");
    fs::create_dir(&path).expect("something in the way");
    log.reopen().expect_err("a directory cannot be written");
    log.info("still here");
    assert_eq!(read(&rotated), "still here\n");
}

#[test]
fn access_lines_wait_for_the_flush_and_for_the_end() {
    let directory = Directory::new("flush");
    let path = directory.file("access.log");
    let mut log = AccessLog::open(&logs(&path), Dialect::Gunicorn)
        .expect("the log opens")
        .expect("there is one");
    record_one(&mut log);
    record_one(&mut log);
    assert!(log.pending());
    assert_eq!(read(&path), "");
    log.flush();
    assert!(!log.pending());
    assert_eq!(read(&path), "GET 200\nGET 200\n");
    record_one(&mut log);
    drop(log);
    assert_eq!(read(&path), "GET 200\nGET 200\nGET 200\n");
}

#[test]
fn there_is_no_access_log_unless_it_is_asked_for() {
    let mut logs = logs(Path::new("unused"));
    logs.access = None;
    assert!(
        AccessLog::open(&logs, Dialect::Gunicorn)
            .expect("nothing to fail")
            .is_none()
    );
}

#[test]
fn a_full_disk_loses_lines_and_counts_them() {
    let mut log = AccessLog::open(&logs(Path::new("/dev/full")), Dialect::Gunicorn)
        .expect("it opens")
        .expect("there is one");
    record_one(&mut log);
    record_one(&mut log);
    log.flush();
    assert!(!log.pending(), "what cannot be written is not kept");
    assert_eq!(log.take_lost(), 2);
    assert_eq!(log.take_lost(), 0);
    let log = ErrorLog::open(&logs(Path::new("/dev/full")), Dialect::Gunicorn).expect("it opens");
    log.error("nobody reads this");
    log.raw(b"nor this");
}

#[test]
fn a_log_that_cannot_be_opened_names_the_file_the_option_and_the_reason() {
    let directory = Directory::new("refused");
    let path = directory.file("missing/error.log");
    let table = [
        (Dialect::Gunicorn, "--error-logfile: "),
        (Dialect::Uwsgi, "logto: "),
    ];
    for (dialect, option) in table {
        let message = ErrorLog::open(&logs(&path), dialect)
            .expect_err("no directory")
            .to_string();
        assert!(message.starts_with(option), "{message}");
        assert!(
            message.contains("missing/error.log") && message.contains("Create its directory"),
            "{message}"
        );
    }
    let mut broken = logs(&directory.file("access.log"));
    broken.access_format = "%h".to_owned();
    let message = AccessLog::open(&broken, Dialect::Gunicorn)
        .expect_err("a bad format")
        .to_string();
    assert!(message.starts_with("--access-logformat: "), "{message}");
}

/// Remembers what it was told; takes requests themselves if it is told to.
#[derive(Debug)]
struct Listener {
    takes_requests: bool,
    told: Mutex<Vec<String>>,
}

impl Listener {
    fn tell(&self, what: String) {
        self.told.lock().expect("nobody panics with it").push(what);
    }
}

impl Relay for Listener {
    fn line(&self, level: Level, text: &str, details: &str) -> bool {
        self.tell(format!("{level:?} {text} {details}"));
        true
    }

    fn access(&self, text: &str) {
        self.tell(text.to_owned());
    }

    fn request(&self, request: &AccessedRequest<'_>) -> bool {
        if self.takes_requests {
            let AccessedRequest {
                client,
                client_port,
                http_version,
                status,
                ..
            } = request;
            self.tell(format!("{client} {client_port} {http_version} {status}"));
        }
        self.takes_requests
    }

    fn reopen(&self) {}
}

#[test]
fn a_relay_gets_lines_and_requests_or_their_lines() {
    let directory = Directory::new("relay");
    let path = directory.file("log");
    let log = ErrorLog::open(&logs(&path), Dialect::Uvicorn).expect("the log opens");
    for (takes_requests, request) in [(true, "127.0.0.1 1 1.1 200"), (false, "GET 200")] {
        let listener = Arc::new(Listener {
            takes_requests,
            told: Mutex::default(),
        });
        log.set_relay(Some(listener.clone()));
        log.warning("careful");
        log.error_with_details("failed", "why");
        let relay = log.relay().expect("it was set");
        let mut access = AccessLog::relayed(&logs(&path), Dialect::Gunicorn, relay).expect("a good format");
        record_one(&mut access);
        access.flush();
        let told = listener.told.lock().expect("nobody panics with it");
        assert_eq!(*told, ["Warning careful ", "Error failed why", request]);
    }
    assert_eq!(read(&path), "");
}
