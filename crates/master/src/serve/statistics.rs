//! Tells others about the server: whoever connects to a `stats` socket, and whoever is to be told again and again.
//!
//! Rules: nobody is waited for. An answer that a peer does not take is kept for some seconds, for so many peers at the
//! most, then dropped. What a worker has counted is added up under its number when it ends, so that numbers only grow.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use config::{Bind, Settings, StatisticsSettings, Wire};
use rustix::event::{PollFd, PollFlags};
use rustix::net::{RecvFlags, SendFlags, Shutdown, SocketFlags, accept_with, recv, send, shutdown};
use shared::{Past, WorkerRow};
use sys::monotonic_ms;
use telemetry::statistics::{Pusher, document};
use telemetry::{ErrorLog, Event};

use super::Master;
use crate::listener::{Listener, Patience, bind_all};
use crate::start::StartError;

/// How long a peer may take to take its answer.
const PATIENCE_MS: u64 = 5000;
/// Peers that have not taken all of their answer.
const MOST_ANSWERS: usize = 64;

/// What uWSGI puts in front of the document with `stats-http`.
const HTTP_HEAD: &str = "HTTP/1.0 200 OK\r\nConnection: close\r\nAccess-Control-Allow-Origin: *\r\n\
                         Content-Type: application/json\r\n\r\n";

/// Opens the sockets of `stats`, or takes over those of `open`.
///
/// # Errors
/// As for the sockets of the service.
pub(super) fn open(
    settings: &Settings,
    open: &[Arc<Listener>],
    patience: Patience,
    log: &ErrorLog,
) -> Result<Vec<Arc<Listener>>, StartError> {
    let servers = settings.statistics.servers.iter();
    let servers = servers.map(|address| Bind::new(address.clone(), Wire::Http1));
    bind_all(&servers.collect::<Vec<_>>(), settings, open, patience, log)
}

/// Who is being told.
#[derive(Debug, Default)]
pub(super) struct Teller {
    answers: Vec<Answer>,
    pushers: Vec<Pusher>,
}

/// A document on its way to a peer.
#[derive(Debug)]
struct Answer {
    peer: OwnedFd,
    text: Vec<u8>,
    sent: usize,
    until_ms: u64,
}

impl Teller {
    /// For the settings that are in force from now on; the numbers stay.
    pub(super) fn adopt(&mut self, settings: &StatisticsSettings) {
        let pushers = settings
            .pushes
            .iter()
            .map(|push| Pusher::new(push, monotonic_ms()));
        self.pushers = pushers.collect();
    }

    /// In a child: none of it is the child's.
    pub(super) fn leave(&mut self) {
        *self = Teller::default();
    }

    /// When something is to be done without anybody having asked.
    pub(super) fn next_ms(&self) -> Option<u64> {
        let answers = self.answers.iter().map(|answer| answer.until_ms);
        answers.chain(self.pushers.iter().map(Pusher::next_ms)).min()
    }

    /// What to wait for on behalf of the peers.
    pub(super) fn sources(&self) -> impl Iterator<Item = PollFd<'_>> {
        self.answers.iter().map(|answer| {
            let wanted = if answer.sent < answer.text.len() {
                PollFlags::OUT
            } else {
                PollFlags::IN
            };
            PollFd::new(&answer.peer, wanted)
        })
    }

    fn go_on(&mut self) {
        let now_ms = monotonic_ms();
        self.answers
            .retain_mut(|answer| now_ms < answer.until_ms && answer.go_on());
    }
}

impl Answer {
    /// Sends more, then waits for the peer to close: closing first would lose what it has not read, if it has sent
    /// something that nobody reads. False once it is over.
    fn go_on(&mut self) -> bool {
        while let Some(rest) = self.text.get(self.sent..).filter(|rest| !rest.is_empty()) {
            match send(&self.peer, rest, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
                Ok(count) => self.sent += count,
                Err(error) => return is_temporary(error),
            }
            if self.sent == self.text.len() {
                let _ = shutdown(&self.peer, Shutdown::Write); // it may be gone: then there is nothing to end
            }
        }
        loop {
            match recv(&self.peer, &mut [0; 4096][..], RecvFlags::DONTWAIT) {
                Ok((0, _)) => return false,
                Ok(_) => {}
                Err(error) => return is_temporary(error),
            }
        }
    }
}

fn is_temporary(error: rustix::io::Errno) -> bool {
    matches!(error, rustix::io::Errno::AGAIN | rustix::io::Errno::INTR)
}

impl Master<'_> {
    /// A worker is about to be started.
    pub(super) fn note_spawn(&self, number: u32) {
        let past = self.scoreboard.past(number);
        let (spawns, last_spawn) = (past.spawns + 1, epoch());
        let past = Past {
            spawns,
            last_spawn,
            ..past
        };
        self.scoreboard.set_past(number, past);
    }

    /// A worker has ended; its row is about to be given to another.
    pub(super) fn note_end(&self, row: &WorkerRow) {
        let mut past = self.scoreboard.past(row.number());
        past.requests += row.requests();
        past.exceptions += row.exceptions();
        past.running_us += row.running_us();
        past.sent += row.sent();
        self.scoreboard.set_past(row.number(), past);
    }

    /// Something has been logged that is counted too.
    pub(super) fn note_event(&self, event: &Event) {
        if let Event::RequestDeadline { late, .. } = event {
            let mut past = self.scoreboard.past(late.number);
            past.harakiri += 1;
            self.scoreboard.set_past(late.number, past);
        }
    }

    /// Answers whoever has come, and tells those whose time it is.
    pub(super) fn tell_statistics(&mut self) {
        let sockets = self.era.statistics.clone();
        for socket in &sockets {
            while let Ok(peer) = accept_with(&socket.socket, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
                let text = self.statistics_text();
                if self.teller.answers.len() >= MOST_ANSWERS {
                    self.teller.answers.remove(0);
                }
                self.teller.answers.push(Answer {
                    peer,
                    text,
                    sent: 0,
                    until_ms: monotonic_ms() + PATIENCE_MS,
                });
            }
        }
        self.teller.go_on();
        let now_ms = monotonic_ms();
        if self
            .teller
            .pushers
            .iter()
            .any(|pusher| pusher.next_ms() <= now_ms)
        {
            self.push_statistics(now_ms);
        }
    }

    fn push_statistics(&mut self, now_ms: u64) {
        let statistics = self.numbers();
        let host = rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .replace('.', "_");
        for pusher in &mut self.teller.pushers {
            if pusher.next_ms() <= now_ms
                && let Some(failure) = pusher.push(&statistics, &host, epoch(), now_ms)
            {
                self.log.warning(failure);
            }
        }
    }

    fn statistics_text(&self) -> Vec<u8> {
        let settings = &self.era.settings.statistics;
        let head = if settings.http { HTTP_HEAD } else { "" };
        let text = document(&self.numbers(), settings.minified, !settings.without_cores);
        format!("{head}{text}").into_bytes()
    }
}

/// Seconds since the beginning of 1970.
pub(super) fn epoch() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_secs())
}
