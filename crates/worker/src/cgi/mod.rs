//! The CGI host: scripts that are run for requests, beside whatever else answers them (RFC 3875).
//!
//! A script gets a process and a process group of its own, the body through a pipe, and a second and third pipe for what
//! it says. All pipes belong to the reactor: a script that is slow, silent or stuck holds up nobody but its client. The
//! exchange stays with its [`Running`] until the answer is complete.
//!
//! What does hold others up is the starting of a process. So a turn of the reactor starts one script at the most; the others wait
//! for the next turns, and whatever else has come by then is served in between.
//!
//! ```text
//! run -> due --(a turn)--> Running --(pipes ready, client ready, time)--> pump -> ... -> answered | local redirect | killed
//! ```

mod environment;
mod find;
mod relay;
mod running;

use std::collections::{HashMap, VecDeque};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mio::Token;
use protocol::BodyLength;
use slab::Slab;
use telemetry::{ErrorLog, Via};

use self::find::{Found, NotFound};
use self::running::{Progress, Running};
use crate::deadlines::Wait;
use crate::exchange::{Exchange, Flow};
use crate::reactor::{CONNECTIONS, Reactor, Readiness, Slot};

/// Pipes have the tokens from here on: three for each script.
const PIPES: usize = CONNECTIONS + 1;
/// How often a script that has said everything is looked at until it has ended.
const REAP_INTERVAL: Duration = Duration::from_millis(50);
/// Local redirects followed for one request.
const REDIRECTS: u8 = 10;

/// The scripts that are running in this worker.
#[derive(Default)]
pub(crate) struct Scripts {
    /// Requests whose script has not been started yet, the oldest first.
    due: VecDeque<Exchange>,
    running: Slab<Running>,
    /// Which script a connection is waiting for.
    by_connection: HashMap<usize, usize>,
    /// Scripts that have said everything and have not ended yet.
    ending: Vec<Ending>,
    /// Scripts to come back to without waiting.
    again: Vec<usize>,
    /// How many local redirects a connection's request has gone through.
    redirects: HashMap<usize, u8>,
    /// Where other servers have been found.
    servers: relay::Servers,
}

/// A script whose pipes are closed.
struct Ending {
    child: Child,
    shown: String,
    /// Until when it may go on.
    until: Instant,
    /// It was told to end: how it does is no news.
    killed: bool,
}

impl Ending {
    /// Whether it has ended; a failure is told to the log.
    fn has_ended(&mut self, log: &ErrorLog) -> bool {
        let status = match self.child.try_wait() {
            Ok(None) => return false,
            Ok(Some(status)) => status,
            // It was somebody else's to wait for.
            Err(_) => return true,
        };
        if !status.success() && !self.killed {
            log.warning(format_args!("{} ended with {status}", self.shown));
        }
        true
    }
}

impl Scripts {
    /// Whether a connection's exchange is with a script, or will be.
    pub(crate) fn have(&self, connection: usize) -> bool {
        let is_due = || self.due.iter().any(|exchange| exchange.token() == connection);
        self.by_connection.contains_key(&connection) || is_due()
    }

    /// When something is to be done that no descriptor tells of.
    pub(crate) fn next_deadline(&self, now: Instant) -> Option<Instant> {
        if !self.again.is_empty() || !self.due.is_empty() {
            return Some(now);
        }
        let reap = (!self.ending.is_empty()).then(|| now + REAP_INTERVAL);
        [reap, self.end_of_patience()].into_iter().flatten().min()
    }

    /// When the first of the scripts has been silent for too long.
    pub(crate) fn end_of_patience(&self) -> Option<Instant> {
        self.running.iter().map(|(_, running)| running.deadline()).min()
    }

    /// All of them have so much longer.
    pub(crate) fn postpone(&mut self, by: Duration) {
        for (_, running) in &mut self.running {
            running.active += by;
        }
        for ending in &mut self.ending {
            ending.until += by;
        }
    }

    /// Collects the scripts that have ended.
    fn reap(&mut self, now: Instant, log: &ErrorLog) {
        self.ending.retain_mut(|ending| {
            if now >= ending.until && !ending.killed {
                running::kill(&ending.child);
                ending.killed = true;
            }
            !ending.has_ended(log)
        });
    }
}

/// A worker that leaves leaves no scripts behind.
impl Drop for Scripts {
    fn drop(&mut self) {
        let running = self.running.drain().filter_map(|running| running.child);
        for mut child in running.chain(self.ending.drain(..).map(|ending| ending.child)) {
            running::kill(&child);
            // It has just been killed.
            let _ = child.wait();
        }
    }
}

impl Reactor {
    /// Whether a request is a script's, or another server's.
    pub(crate) fn is_for_script(&self, exchange: &Exchange) -> bool {
        let cgi = &self.conditions.settings.cgi;
        exchange.work.routed.relay.is_some()
            || !cgi.mounts.is_empty() && find::mount(cgi, exchange.head().path()).is_some()
    }

    /// Runs the script that a request is for, when its turn comes; another server is asked at once.
    pub(crate) fn run_script(&mut self, mut exchange: Exchange) {
        if let Some(server) = exchange.work.routed.relay.take() {
            exchange.work.via = Via::Rule;
            return self.relay(exchange, &server);
        }
        let known = self.scripts.running.len() + self.scripts.due.len();
        if known >= self.conditions.settings.cgi.concurrency {
            return self.script_failed(exchange, 503);
        }
        self.scripts.due.push_back(exchange);
    }

    /// Starts the script that has been due for longest.
    fn start_script(&mut self) {
        let Some(mut exchange) = self.scripts.due.pop_front() else {
            return;
        };
        if let Some(Slot::Away(noted)) = self.slots.get(exchange.token()) {
            exchange.notice(*noted);
        }
        let settings = &self.conditions.settings;
        let cgi = &settings.cgi;
        let path = exchange.head().path().to_vec();
        let Some(mount) = find::mount(cgi, &path) else {
            return self.script_failed(exchange, 404);
        };
        let found = match find::script(cgi, mount, &path) {
            Ok(found) => found,
            Err(NotFound::Status(status, said)) => {
                if let Some(said) = said {
                    self.conditions
                        .error_log
                        .error(format_args!("cannot run a CGI script: {said}"));
                }
                return self.script_failed(exchange, status);
            }
            Err(NotFound::Redirect(place)) => {
                redirect(&mut exchange, &place);
                return self.welcome_back(exchange);
            }
        };
        let Some(body_length) = body_length(&exchange) else {
            return self.script_failed(exchange, 411);
        };
        let variables = environment::variables(&exchange, &found, settings, body_length);
        let spawned = command(&found, variables.into_inner()).spawn();
        let timeout = cgi.timeout;
        match spawned.and_then(|child| Running::new(child, kind(&found, &exchange), timeout, self.clock.now))
        {
            Ok(running) => self.begin_script(running, exchange),
            Err(error) => {
                let shown = found.file.display();
                self.conditions
                    .error_log
                    .error(format_args!("cannot run the CGI script {shown}: {error}"));
                self.script_failed(exchange, 500);
            }
        }
    }

    fn begin_script(&mut self, mut running: Running, exchange: Exchange) {
        let connection = exchange.token();
        running.exchange = Some(exchange);
        let key = self.scripts.running.insert(running);
        self.scripts.by_connection.insert(connection, key);
        let base = PIPES + key * 3;
        let tokens = [Token(base), Token(base + 1), Token(base + 2)];
        let registered = self.scripts.running[key].register(self.poll.registry(), tokens);
        if registered.is_err() {
            return self.end_script(key, Some(500));
        }
        self.pump_script(key);
    }

    fn script_failed(&mut self, mut exchange: Exchange, status: u16) {
        exchange.fail(status);
        self.welcome_back(exchange);
    }

    /// A pipe of a script is ready.
    pub(crate) fn script_ready(&mut self, token: usize) {
        let key = (token - PIPES) / 3;
        if self.scripts.running.contains(key) {
            self.pump_script(key);
        }
    }

    /// Something has become possible for a client that waits for a script.
    pub(crate) fn script_client_ready(&mut self, connection: usize, readiness: Readiness) {
        let Some(&key) = self.scripts.by_connection.get(&connection) else {
            return;
        };
        if let Some(exchange) = &mut self.scripts.running[key].exchange {
            exchange.notice(readiness);
        }
        self.pump_script(key);
    }

    /// A client has taken too long, to send its body or to read its answer.
    pub(crate) fn script_client_overdue(&mut self, connection: usize) {
        if let Some(&key) = self.scripts.by_connection.get(&connection) {
            if let Some(exchange) = &mut self.scripts.running[key].exchange {
                exchange.give_up();
            }
            self.end_script(key, None);
        }
    }

    /// Moves what can be moved between a script and its client.
    fn pump_script(&mut self, key: usize) {
        let now = self.clock.now;
        let head_limit = self.conditions.settings.cgi.head;
        let running = &mut self.scripts.running[key];
        match running.pump(now, head_limit, &self.conditions.error_log) {
            Progress::Waiting { for_body, for_client } => {
                let Some(exchange) = &mut running.exchange else {
                    return;
                };
                let token = exchange.token();
                if for_client && exchange.watch_writable(self.poll.registry()) == Flow::Gone {
                    return self.end_script(key, None);
                }
                match (for_client, for_body) {
                    (true, _) => self.deadlines.wait(token, Wait::Write, now),
                    (false, true) => self.deadlines.wait(token, Wait::Body, now),
                    (false, false) => self.deadlines.clear(token),
                }
            }
            Progress::More => self.scripts.again.push(key),
            Progress::Answered => self.end_script(key, None),
            Progress::Failed(status) => self.end_script(key, Some(status)),
            // Another server's answer always has a status.
            Progress::LocalRedirect(target) => self.redirect_locally(key, &target),
        }
    }

    /// Takes a script out of the table: its exchange goes on, and it is collected when it has ended. `failure`: the status
    /// of the answer, if nothing has been answered; the script is killed then.
    fn end_script(&mut self, key: usize, failure: Option<u16>) {
        let Some(mut exchange) = self.let_go(key, failure.is_some()) else {
            return;
        };
        match failure {
            Some(status) => exchange.fail(status),
            None if exchange.is_given_up() => exchange.abort(),
            None => {}
        }
        self.welcome_back(exchange);
    }

    /// Frees what a script had, but for its process, which may end in its own time unless it is to be killed.
    fn let_go(&mut self, key: usize, kill: bool) -> Option<Exchange> {
        let mut running = self.scripts.running.remove(key);
        let exchange = running.exchange.take()?;
        self.scripts.by_connection.remove(&exchange.token());
        self.scripts.redirects.remove(&exchange.token());
        self.deadlines.clear(exchange.token());
        let killed = kill || exchange.is_given_up();
        if let Some(child) = running.child.as_ref().filter(|_| killed) {
            running::kill(child);
        }
        if let Some((shown, child)) = running.into_child() {
            let mut ending = Ending {
                child,
                shown,
                until: self.clock.now + self.conditions.settings.cgi.timeout,
                killed,
            };
            if !ending.has_ended(&self.conditions.error_log) {
                self.scripts.ending.push(ending);
            }
        }
        Some(exchange)
    }

    /// Serves another path of this server in the place of the script's answer.
    fn redirect_locally(&mut self, key: usize, target: &[u8]) {
        let connection = self.scripts.running[key].exchange.as_ref().map(Exchange::token);
        let before = connection.and_then(|token| self.scripts.redirects.get(&token).copied());
        let Some(mut exchange) = self.let_go(key, false) else {
            return;
        };
        let count = before.unwrap_or_default() + 1;
        if count > REDIRECTS || !exchange.redirect_locally(target) {
            let shown = target.escape_ascii();
            self.conditions.error_log.error(format_args!(
                "a CGI script's local redirect to {shown} cannot be followed"
            ));
            return self.script_failed(exchange, 502);
        }
        self.scripts.redirects.insert(exchange.token(), count);
        if self.is_for_script(&exchange) {
            return self.run_script(exchange);
        }
        self.scripts.redirects.remove(&exchange.token());
        self.submit(exchange);
    }

    /// Starts the next script, goes on with those that were interrupted, ends those that have been silent for too long, and
    /// collects those that have ended.
    pub(crate) fn look_after_scripts(&mut self) {
        self.start_script();
        let now = self.clock.now;
        for key in std::mem::take(&mut self.scripts.again) {
            if self.scripts.running.contains(key) {
                self.pump_script(key);
            }
        }
        self.scripts.reap(now, &self.conditions.error_log);
        let silent = |(key, running): (usize, &Running)| (running.deadline() <= now).then_some(key);
        for key in self.scripts.running.iter().filter_map(silent).collect::<Vec<_>>() {
            let running = &self.scripts.running[key];
            let end = running.child.as_ref().map_or(
                "is not waited for any longer",
                |_| "is killed with its process group",
            );
            let (shown, seconds) = (&running.shown, running.timeout.as_secs_f64());
            self.conditions
                .error_log
                .error(format_args!("{shown} has said nothing for {seconds} s and {end}"));
            self.end_script(key, Some(504));
        }
    }
}

/// How long the body is that the script will get: `Some(None)` when there is none, `None` when that cannot be told.
fn body_length(exchange: &Exchange) -> Option<Option<u64>> {
    match exchange.head().body_length() {
        BodyLength::None => Some(None),
        BodyLength::Known(length) => Some(Some(length)),
        BodyLength::Chunked if exchange.body_arriving() => None,
        BodyLength::Chunked => Some(Some(exchange.body().len() as u64)),
    }
}

fn kind(found: &Found, exchange: &Exchange) -> running::Kind {
    running::Kind {
        shown: found.file.display().to_string(),
        output: match found.is_nph {
            false => running::Output::Document,
            true if exchange.front().wire.is_gateway() => running::Output::Whole,
            true => running::Output::Raw,
        },
    }
}

/// Sends a client to the directory's own path, with its slash.
fn redirect(exchange: &mut Exchange, place: &[u8]) {
    let query = exchange.head().query().to_vec();
    let mut location = place.to_vec();
    if !query.is_empty() {
        location.push(b'?');
        location.extend_from_slice(&query);
    }
    let response = exchange.response();
    // A path that a client has sent holds nothing that a header may not.
    let _ = response.set_status_code(301);
    let _ = response.push(b"Location", &location);
    response.set_content_length(0);
    exchange.begin();
    exchange.finish();
}

/// The script's process, in its own directory and process group, with pipes for all it reads and writes. Nothing here keeps the
/// standard library from posix_spawn, which does not copy this process's page tables as a fork does.
fn command(found: &Found, variables: Vec<(std::ffi::OsString, std::ffi::OsString)>) -> Command {
    let mut command = match &found.helper {
        Some(helper) => {
            let mut command = Command::new(environment::program(helper));
            command.arg(&found.file);
            command
        }
        None => Command::new(&found.file),
    };
    if let Some(directory) = found.file.parent() {
        command.current_dir(directory);
    }
    command
        .env_clear()
        .envs(variables)
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}
