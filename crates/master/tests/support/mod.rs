//! A server without Python: this test binary started once more, with a trivial loop as its worker.
//!
//! What the "application" does is written in a file that each worker reads at boot: `serve VERSION`, `exit CODE`,
//! `hang`, or `retire COUNT` (serve, and ask for a replacement after COUNT requests).

use std::fs;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use config::{Address, Bind, Dialect, Level, LogTarget, Settings, Wire};
use master::{Host, Signals, WorkerSeat};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, test_kill_process, waitpid};

const DIRECTORY: &str = "PENSTOCK_TEST_DIRECTORY";
/// What a server that was ended by a signal is reported as.
pub(crate) const KILLED: i32 = 99;
/// Wide: nothing here waits that long unless something is broken.
const LIMIT: Duration = Duration::from_secs(60);

/// How a server is to be started.
#[derive(Clone, Copy)]
pub(crate) struct Start {
    pub(crate) dialect: Dialect,
    pub(crate) application: &'static str,
    /// `unix` or a TCP port.
    pub(crate) bind: Option<u16>,
    pub(crate) workers: u32,
}

impl Default for Start {
    fn default() -> Start {
        Start {
            dialect: Dialect::Gunicorn,
            application: "serve 1",
            bind: Some(0),
            workers: 2,
        }
    }
}

/// A running server and its directory, both gone when it is dropped.
pub(crate) struct Server {
    child: Child,
    directory: PathBuf,
}

impl Server {
    pub(crate) fn start(name: &str, start: Start) -> Server {
        let directory = prepare(name, start);
        Server::start_in(directory)
    }

    /// Starts in a directory that [`prepare`] has made.
    pub(crate) fn start_in(directory: PathBuf) -> Server {
        let child = Command::new(std::env::current_exe().expect("this binary"))
            // One test thread: the test then runs on the main thread, and the process has no other.
            .args(["--exact", "server_process", "--nocapture", "--test-threads=1"])
            .env(DIRECTORY, &directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("start the server");
        let server = Server { child, directory };
        server.wait_for("the process", || server.path("server").exists());
        server
    }

    /// A server whose workers are all ready.
    pub(crate) fn ready(name: &str, start: Start) -> Server {
        let server = Server::start(name, start);
        server.wait_for("all workers", || server.workers().len() == start.workers as usize);
        server
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    pub(crate) fn application(&self, application: &str) {
        // In one step: a worker that boots right now reads the old or the new.
        fs::write(self.path("application.new"), application).expect("write");
        fs::rename(self.path("application.new"), self.path("application")).expect("rename");
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.pid(), signal);
    }

    fn pid(&self) -> u32 {
        let text = fs::read_to_string(self.path("server")).expect("the process id");
        text.parse().expect("a number")
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Process ids of the workers that have been ready and live.
    pub(crate) fn workers(&self) -> Vec<u32> {
        let seen = fs::read_to_string(self.path("workers")).unwrap_or_default();
        seen.lines()
            .filter_map(|line| line.parse().ok())
            .filter(|pid| is_alive(*pid))
            .collect()
    }

    pub(crate) fn port(&self) -> u16 {
        let log = self.log();
        let (_, rest) = log.split_once("127.0.0.1:").expect("a listening line");
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().expect("a port")
    }

    /// What a new connection is answered: the application's version and the worker's pid.
    pub(crate) fn ask(&self) -> io::Result<String> {
        ask(self.port(), "/")
    }

    pub(crate) fn wait_for(&self, what: &str, condition: impl Fn() -> bool) {
        let begun = Instant::now();
        while !condition() {
            assert!(
                begun.elapsed() < LIMIT,
                "waited too long for {what}; the log:\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits for the server's end and for that of its workers.
    pub(crate) fn exit_code(&mut self) -> Option<i32> {
        let status = self.exit_status();
        self.wait_for("the workers' end", || self.workers().is_empty());
        status.code()
    }

    fn exit_status(&mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("wait") {
                return status;
            }
            assert!(
                begun.elapsed() < LIMIT,
                "the server does not end; the log:\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            self.signal(Signal::KILL);
            let _ = self.child.wait();
        }
        self.workers().into_iter().for_each(|pid| kill(pid, Signal::KILL));
        let _ = fs::remove_dir_all(&self.directory);
    }
}

pub(crate) fn prepare(name: &str, start: Start) -> PathBuf {
    let directory = std::env::temp_dir().join(format!("penstock-{name}-{}", std::process::id()));
    fs::create_dir_all(&directory).expect("create");
    let dialect = if start.dialect == Dialect::Uwsgi {
        "uwsgi"
    } else {
        "gunicorn"
    };
    let bind = start.bind.map_or("unix".to_owned(), |port| port.to_string());
    fs::write(directory.join("application"), start.application).expect("write");
    fs::write(
        directory.join("settings"),
        format!("{dialect} {bind} {}", start.workers),
    )
    .expect("write");
    directory
}

pub(crate) fn ask(port: u16, target: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(LIMIT))?;
    // In one write: unread bytes would turn the worker's close into a reset.
    stream.write_all(target.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    if answer.is_empty() {
        Err(io::Error::from(io::ErrorKind::UnexpectedEof))
    } else {
        Ok(answer)
    }
}

pub(crate) fn kill(pid: u32, signal: Signal) {
    let _ = kill_process(Pid::from_raw(pid.cast_signed()).expect("a pid"), signal);
}

/// A process that has ended and waits to be reaped (orphans do, where process 1 is slow) is not alive.
fn is_alive(pid: u32) -> bool {
    let state = fs::read_to_string(format!("/proc/{pid}/stat"));
    let ended = state.is_ok_and(|state| {
        state
            .rsplit(") ")
            .next()
            .is_some_and(|rest| rest.starts_with('Z'))
    });
    !ended && Pid::from_raw(pid.cast_signed()).is_some_and(|pid| test_kill_process(pid).is_ok())
}

/// The server process, if this is one.
pub(crate) fn serve_if_asked() {
    let Some(directory) = std::env::var_os(DIRECTORY).map(PathBuf::from) else {
        return;
    };
    // The test harness has a second thread, and a master must not: the fork leaves it behind.
    if let sys::Fork::Parent(server) = sys::fork().expect("fork") {
        std::process::exit(watch(&directory, server));
    }
    let signals = Signals::install().expect("signals");
    let settings = settings(&directory);
    let log = telemetry::ErrorLog::open(&settings.logs, settings.dialect).expect("log");
    let mut host = FakeHost { directory };
    sys::exit_now(master::serve(
        settings,
        signals,
        master::Inheritance::default(),
        log,
        &mut host,
    ));
}

/// Tells the server's process id, and how it ended.
fn watch(directory: &Path, server: u32) -> i32 {
    fs::write(directory.join("server.new"), server.to_string()).expect("write");
    fs::rename(directory.join("server.new"), directory.join("server")).expect("rename");
    let (_, status) = waitpid(Pid::from_raw(server.cast_signed()), WaitOptions::empty())
        .expect("wait")
        .expect("it ended");
    status.exit_status().unwrap_or(KILLED)
}

fn settings(directory: &Path) -> Settings {
    let text = fs::read_to_string(directory.join("settings")).expect("settings");
    let words: Vec<&str> = text.split_whitespace().collect();
    let address = match words[1] {
        "unix" => Address::Unix(directory.join("socket")),
        port => Address::Tcp("127.0.0.1".into(), port.parse().expect("port")),
    };
    let dialect = if words[0] == "uwsgi" {
        Dialect::Uwsgi
    } else {
        Dialect::Gunicorn
    };
    let mut settings = Settings {
        binds: vec![Bind::new(address, Wire::Http1)],
        workers: words[2].parse().expect("workers"),
        pidfile: Some(directory.join("pid")),
        touch_reload: vec![directory.join("touch-me")],
        ..Settings::new(dialect)
    };
    settings.unix_sockets.mode = Some(0o600);
    settings.timeouts.graceful = Duration::from_secs(10);
    settings.timeouts.request_deadline = Some(Duration::from_secs(1));
    settings.logs.level = Level::Debug;
    settings.logs.error = LogTarget::File(directory.join("log"));
    settings
}

struct FakeHost {
    directory: PathBuf,
}

impl Host for FakeHost {
    fn fork(&mut self) -> io::Result<sys::Fork> {
        sys::fork()
    }

    fn run_worker(&mut self, seat: WorkerSeat) -> i32 {
        let application = fs::read_to_string(self.directory.join("application")).expect("application");
        match application.split_once(' ') {
            Some(("exit", code)) => code.parse().expect("a code"),
            Some(("serve", version)) => self.work(&seat, version, u64::MAX),
            Some(("retire", count)) => self.work(&seat, "retiring", count.parse().expect("a count")),
            _ => loop {
                std::thread::sleep(Duration::from_secs(60));
            },
        }
    }

    fn leave(&mut self, code: i32) -> ! {
        sys::exit_now(code)
    }

    fn reread(&mut self) -> Result<Settings, String> {
        Ok(settings(&self.directory))
    }
}

impl FakeHost {
    fn work(&self, seat: &WorkerSeat, version: &str, retire_after: u64) -> i32 {
        let leave = Arc::new(AtomicBool::new(false));
        for signal in [15, 2, 3] {
            signal_hook::flag::register(signal, Arc::clone(&leave)).expect("handler");
        }
        seat.signals_installed();
        let listener = TcpListener::from(seat.listeners[0].socket.try_clone().expect("clone"));
        seat.ready();
        let mut pids = fs::File::options()
            .append(true)
            .create(true)
            .open(self.directory.join("workers"));
        // In one write: other workers append to the same file.
        pids.as_mut()
            .expect("pids")
            .write_all(format!("{}\n", std::process::id()).as_bytes())
            .expect("write");
        let row = seat.share.scoreboard.thread(seat.slot, 0);
        loop {
            let asked_to_leave = leave.load(Ordering::SeqCst);
            while let Ok((stream, _)) = listener.accept() {
                answer(stream, version, row);
                if row.requests() == retire_after {
                    seat.ask_to_retire();
                }
                if leave.load(Ordering::SeqCst) {
                    break; // the others share the queue
                }
            }
            let hang_up = poll_once(&listener, seat);
            if asked_to_leave || hang_up {
                return 0;
            }
        }
    }
}

/// Waits a moment; tells whether the master is gone.
fn poll_once(listener: &TcpListener, seat: &WorkerSeat) -> bool {
    let mut sources = [
        PollFd::new(listener, PollFlags::IN),
        PollFd::new(&seat.share.lifeline, PollFlags::IN),
    ];
    let timeout = Timespec {
        tv_sec: 0,
        tv_nsec: 10_000_000,
    };
    let _ = poll(&mut sources, Some(&timeout));
    !sources[1].revents().is_empty()
}

fn answer(mut stream: TcpStream, version: &str, row: shared::ThreadRow) {
    stream.set_nonblocking(false).expect("blocking");
    let mut request = [0; 64];
    let length = stream.read(&mut request).unwrap_or(0);
    let target = request[..length].trim_ascii();
    row.begin(sys::monotonic_ms(), b"GET", target, b"127.0.0.1");
    if target == b"/hang" {
        std::thread::sleep(Duration::from_secs(60));
    }
    let _ = write!(stream, "{version} {}", std::process::id());
    row.end();
}
