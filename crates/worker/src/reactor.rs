//! The reactor: one loop that turns readiness into requests and answers into writes.
//!
//! A turn is: wait; read whatever is ready; take back what other threads have served; write what the turn has queued;
//! look at the deadlines; accept. Whoever leads (`crew.rs`) then calls the application for the requests that are whole,
//! or has others call it. Readiness is edge-triggered: what a turn leaves unread it notes and comes back to. Answers of a
//! turn are written together at its end, because alternating between the application and the kernel costs both their
//! caches; but nothing ready waits for an application that is slow.
//!
//! Here are the reactor and its turn. What happens to one connection in it is in `traffic.rs`, new ones are in `accepting`, and
//! signals and the end in `leaving`.

mod accepting;
mod conditions;
mod desk;
mod leaving;
mod standstill;

use std::collections::VecDeque;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};
use protocol::Limits;
use slab::Slab;

use crate::acceptor::Acceptor;
use crate::cgi::Scripts;
use crate::clock::Clock;
use crate::connection::{Bounds, Connection, Front, Workspace};
use crate::crew::{self, Helm};
use crate::deadlines::{Deadlines, Wait};
use crate::driven::Happening;
use crate::exchange::Exchange;
use crate::files::Files;
use crate::gateway::Gateway;
use crate::gather::Gatherer;
use crate::origin::Origins;
use crate::parcel::Passage;
use crate::routes::Router;
use crate::signals::Signals;

pub use conditions::{Conditions, Departure, Errand};
pub(crate) use desk::Desk;
pub(crate) use leaving::Leaving;
pub(crate) use standstill::FAR_TOO_LATE;

/// What one read may bring.
const SCRATCH: usize = 64 << 10;
/// How long a closed connection is kept to let the client read the answer.
const LINGER: Duration = Duration::from_secs(2);
/// How long a WebSocket's client may take to answer a close; as long as with the `websockets` library.
const CLOSE: Duration = Duration::from_secs(10);
/// Bytes of an answer that are queued before a task, or a greenlet, waits for its client. A thread that waits is missed, and
/// may queue more; tasks wait by the thousand.
const BUFFER_OF_A_TASK: u64 = 64 << 10;
/// How long accepting pauses when descriptors or memory are used up.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Least time between two complaints about failing accepts.
pub(crate) const COMPLAINT_INTERVAL: Duration = Duration::from_secs(60);

const SIGNALS: Token = Token(usize::MAX - 1);
const LIFELINE: Token = Token(usize::MAX - 2);
const SERVED: Token = Token(usize::MAX - 3);
/// Whoever sends on an errand.
const ERRAND: Token = Token(usize::MAX - 4);
/// Requests of other workers.
const PASSED_ON: Token = Token(usize::MAX - 5);
/// Listeners have the tokens from here on, downwards.
const LISTENERS: usize = usize::MAX - 16;
/// Below the tokens of this many, there are the pipes of CGI scripts.
const MOST_LISTENERS: usize = 1 << 16;
/// Events taken from one poll.
pub(crate) const EVENTS: usize = 1024;
/// Connections have the tokens up to here.
pub(crate) const CONNECTIONS: usize = u32::MAX as usize - 1;

/// Serves until asked to leave, with answers from `gateway`.
///
/// # Errors
/// When the reactor cannot be set up; nothing has been accepted then.
pub fn serve(conditions: Conditions, gateway: &Arc<dyn Gateway>) -> io::Result<Departure> {
    let (reactor, helm) = Reactor::for_crew(conditions)?;
    crew::serve(Box::new(reactor), &helm, gateway)
}

/// Who answers requests.
pub(crate) enum Answering {
    /// The threads of the crew.
    Crew {
        /// Where they meet.
        helm: Arc<Helm>,
        /// The helper leads: requests go to application threads, and do not wait for the leader.
        handed: bool,
    },
    /// Whoever turns the reactor; what it has yet to be told.
    Driver(Vec<Happening>),
}

impl Answering {
    /// Whether requests go to others than the one who has the reactor.
    pub(crate) fn elsewhere(&self) -> bool {
        !matches!(self, Answering::Crew { handed: false, .. })
    }
}

/// The place of a connection in the table.
#[derive(Debug)]
pub(crate) enum Slot {
    /// Nothing is going on.
    Idle(Box<Connection>),
    /// Bytes have come or have to go.
    Active(Exchange),
    /// Whoever answers has it, or this thread while it works on it; what becomes possible meanwhile is noted.
    Away(Readiness),
}

/// What has become possible for a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// There may be bytes to read, or the end of the stream.
    pub readable: bool,
    /// The socket takes more again.
    pub writable: bool,
    /// The peer has ended its stream, or is gone.
    pub peer_closed: bool,
}

pub(crate) struct Reactor {
    pub(crate) poll: Poll,
    pub(crate) conditions: Conditions,
    pub(crate) bounds: Arc<Bounds>,
    pub(crate) limits: Limits,
    pub(crate) acceptors: Vec<Acceptor>,
    /// What connections share, by listener, also when those are left.
    pub(crate) fronts: Vec<Arc<Front>>,
    pub(crate) signals: Signals,
    pub(crate) slots: Slab<Slot>,
    #[expect(clippy::vec_box, reason = "a workspace is lent by pointer, never moved")]
    pub(crate) spares: Vec<Box<Workspace>>,
    pub(crate) scratch: Vec<u8>,
    pub(crate) deadlines: Deadlines,
    pub(crate) clock: Clock,
    /// When it was last let run: at its last turn.
    pub(crate) ran_at: Instant,
    /// Connections to come back to without waiting for readiness; each knows that it is here (`queued`).
    pub(crate) again: Vec<usize>,
    /// Connections with answers to write at the end of the turn.
    pub(crate) dirty: Vec<usize>,
    /// When the first of them was queued.
    pub(crate) dirty_since: Instant,
    pub(crate) desk: Desk,
    pub(crate) answering: Answering,
    /// What is answered from files, before the application.
    pub(crate) files: Option<Files>,
    pub(crate) scripts: Scripts,
    /// Requests that whoever leads is to serve.
    pub(crate) jobs: VecDeque<Exchange>,
    /// What others have served.
    pub(crate) served: Vec<Exchange>,
    /// Why the worker has left, or what made it stop.
    pub(crate) departure: Option<io::Result<Departure>>,
    pub(crate) requests: u64,
    pub(crate) asked_to_retire: bool,
    pub(crate) leaving: Option<Leaving>,
    /// When accepting goes on, after it has failed.
    pub(crate) accept_again: Option<Instant>,
    /// Until when new clients are left to others.
    pub(crate) polite_until: Option<Instant>,
    pub(crate) complained: Option<Instant>,
    /// When the log was last told that too many requests wait.
    pub(crate) overloaded: Option<Instant>,
    /// Until when nothing is said of lost lines of the access log, and how many have been lost since it was.
    pub(crate) lines_lost: (Option<Instant>, u64),
    /// When somebody was last turned away, and the log was told.
    pub(crate) turned_away: Option<Instant>,
    /// The log has been told of variables that would instruct uWSGI.
    pub(crate) told_of_instructions: bool,
    /// What a trusted proxy says has been ignored, and the log has been told.
    pub(crate) told_of_forwarded: bool,
    /// A signal has come while it waited.
    pub(crate) interrupted: bool,
    /// Where requests that wait go, and come from.
    pub(crate) passage: Option<Passage>,
    /// There may be some, since then: readiness is reported only once.
    pub(crate) passed_on_since: Option<Instant>,
}

impl Reactor {
    /// One that a driver turns and answers.
    pub(crate) fn for_driver(conditions: Conditions) -> io::Result<Reactor> {
        Reactor::new(conditions, Poll::new()?, Answering::Driver(Vec::new()))
    }

    /// One for threads, and where they meet.
    fn for_crew(conditions: Conditions) -> io::Result<(Reactor, Arc<Helm>)> {
        let poll = Poll::new()?;
        let threads = conditions.settings.threads.max(1) as usize;
        let helm = Arc::new(Helm::new(threads, Waker::new(poll.registry(), SERVED)?)?);
        let answering = Answering::Crew {
            helm: Arc::clone(&helm),
            handed: false,
        };
        Ok((Reactor::new(conditions, poll, answering)?, helm))
    }

    fn new(mut conditions: Conditions, poll: Poll, answering: Answering) -> io::Result<Reactor> {
        let registry = poll.registry();
        let mut signals = Signals::install(conditions.settings.dialect)?;
        (conditions.signals_installed)();
        registry.register(&mut signals.wake, SIGNALS, Interest::READABLE)?;
        let lifeline = conditions.lifeline.as_raw_fd();
        registry.register(&mut SourceFd(&lifeline), LIFELINE, Interest::READABLE)?;
        let errand = conditions.errand.iter().flat_map(|errand| &errand.descriptors);
        for descriptor in errand.map(|descriptor| descriptor.as_raw_fd()) {
            registry.register(&mut SourceFd(&descriptor), ERRAND, Interest::READABLE)?;
        }
        let mut acceptors = Vec::new();
        for (index, (socket, front)) in std::mem::take(&mut conditions.listeners).into_iter().enumerate() {
            let mut acceptor = Acceptor::new(socket, front)?;
            acceptor.register(registry, Token(LISTENERS - index))?;
            acceptors.push(acceptor);
        }
        let is_driven = matches!(answering, Answering::Driver(_));
        let passage = conditions.passage.take().filter(|_| !is_driven);
        if let Some(descriptor) = passage.as_ref().map(Passage::descriptor) {
            registry.register(&mut SourceFd(&descriptor), PASSED_ON, Interest::READABLE)?;
        }
        let settings = Arc::clone(&conditions.settings);
        let clock = Clock::new(conditions.server, &settings.added_headers);
        let threads = settings.threads as usize;
        let desk = Desk {
            row: conditions.scoreboard.thread(conditions.slot, 0),
            thread: 0,
        };
        let router = Router::new(&settings.routes, conditions.number);
        let files = Files::new(&settings.static_files);
        let timeouts = settings.timeouts.clone();
        let websocket = settings.asgi.websocket.clone();
        let deadlines = Deadlines::new(clock.now, |wait| match wait {
            Wait::Head => timeouts.head,
            Wait::Body => timeouts.body,
            Wait::Write => timeouts.write,
            Wait::KeepAlive => timeouts.keep_alive,
            Wait::Linger => LINGER,
            // Nobody waits for what has no limit.
            Wait::Ping => websocket.ping_interval.unwrap_or_default(),
            Wait::Pong => websocket.ping_timeout.unwrap_or_default(),
            Wait::Close => CLOSE,
        });
        Ok(Reactor {
            poll,
            bounds: Arc::new(Bounds {
                body_buffer: settings.limits.body_buffer,
                // A script is told how long its body is.
                await_body: !is_driven || !settings.cgi.mounts.is_empty(),
                response_buffer: match settings.limits.response_buffer as u64 {
                    most if is_driven => most.min(BUFFER_OF_A_TASK),
                    most => most,
                },
                body_patience: settings.timeouts.body,
                write_patience: settings.timeouts.write,
                header_rules: settings.header_rules.clone(),
                origins: Origins::new(&settings),
                router,
                error_pages: settings.error_pages.clone(),
                gatherer: Gatherer::new(threads.max(1)),
                leaving: AtomicBool::new(false),
                told_to_leave: signals.told_to_leave(),
                hurry: AtomicBool::new(settings.greenlets),
            }),
            limits: Limits {
                request_line: settings.limits.request_line,
                fields: settings.limits.fields,
                field_size: settings.limits.field_size,
                head: settings.limits.head,
                block: settings.limits.block,
                body: settings.limits.body,
            },
            conditions,
            fronts: acceptors
                .iter()
                .map(|acceptor| Arc::clone(acceptor.front()))
                .collect(),
            acceptors,
            signals,
            slots: Slab::new(),
            spares: Vec::new(),
            scratch: vec![0; SCRATCH],
            deadlines,
            dirty_since: clock.now,
            ran_at: clock.now,
            clock,
            again: Vec::new(),
            dirty: Vec::new(),
            desk,
            answering,
            files,
            scripts: Scripts::default(),
            jobs: VecDeque::new(),
            served: Vec::new(),
            departure: None,
            requests: 0,
            asked_to_retire: false,
            leaving: None,
            accept_again: None,
            polite_until: None,
            complained: None,
            overloaded: None,
            lines_lost: (None, 0),
            turned_away: None,
            told_of_instructions: false,
            told_of_forwarded: false,
            interrupted: false,
            passage,
            passed_on_since: None,
        })
    }

    /// The desk of an application thread.
    pub(crate) fn desk_of(&self, thread: usize) -> Desk {
        let Conditions { scoreboard, slot, .. } = &self.conditions;
        Desk {
            row: scoreboard.thread(*slot, thread),
            thread: thread as u32,
        }
    }

    /// The same as [`Reactor::turn`] for threads that hand it on: what it comes to is noted.
    pub(crate) fn turn_after(&mut self, polled: io::Result<()>, events: &Events) {
        self.departure = match polled {
            Ok(()) => self.turn(events).map(Ok),
            Err(error) => Some(Err(error)),
        };
    }

    /// What is to be done after a poll; says when the worker has left.
    pub(crate) fn turn(&mut self, events: &Events) -> Option<Departure> {
        self.advance_clock();
        let polled = self.clock.now;
        let again = std::mem::take(&mut self.again);
        let (mut signalled, mut is_sent_for) = (false, false);
        for event in events {
            match event.token() {
                SERVED => {}
                SIGNALS => signalled = true,
                ERRAND => is_sent_for = true,
                PASSED_ON => self.something_was_passed_on(),
                LIFELINE => self.leave(Departure::MasterGone),
                Token(token) if token <= CONNECTIONS => {
                    let readiness = Readiness {
                        readable: event.is_readable(),
                        writable: event.is_writable(),
                        peer_closed: event.is_read_closed(),
                    };
                    self.noticed(token, readiness);
                }
                Token(pipe) if pipe < LISTENERS - MOST_LISTENERS => self.script_ready(pipe),
                // None when this very turn began to leave.
                Token(listener) => {
                    if let Some(acceptor) = self.acceptors.get_mut(LISTENERS - listener) {
                        acceptor.pending = true;
                    }
                }
            }
        }
        for token in again {
            self.continued(token);
        }
        self.take_back();
        self.look_after_scripts();
        self.flush_dirty();
        if let Answering::Crew { helm, .. } = &self.answering
            && is_sent_for
        {
            helm.errand_due.store(true, Ordering::Relaxed);
        }
        // What came while an application kept this thread is in time: only silence up to the poll counts, and
        // only when the poll had room to tell of everything.
        if events.iter().count() < EVENTS {
            self.end_waits(polled);
        }
        let leaves_now = signalled && self.obey_signals();
        // Served first, if there is something to serve: meanwhile idle workers have the first go at who is new. Nobody is
        // accepted by a worker that leaves now, to be dropped at once.
        if self.jobs.is_empty() && !leaves_now {
            self.accept();
        }
        self.relieve();
        let departure = if leaves_now {
            Some(Departure::Quick)
        } else {
            self.farewell()
        };
        if departure.is_some() {
            // Those that are still running are killed.
            self.scripts = Scripts::default();
        }
        departure
    }

    /// Writes the access lines that have gathered: before whatever comes next may take long.
    pub(crate) fn flush_access_log(&mut self) {
        if self
            .conditions
            .access_log
            .as_ref()
            .is_none_or(|log| !log.pending())
        {
            return;
        }
        // What could not be said before has its try first: a small pipe has no room for both at once.
        self.mourn(0);
        if let Some(log) = &mut self.conditions.access_log {
            log.flush();
            let lost = log.take_lost();
            self.mourn(lost);
        }
    }

    /// Tells the error log of access lines that nobody will read, once a minute.
    fn mourn(&mut self, lost: u64) {
        let (silent_until, total) = &mut self.lines_lost;
        *total += lost;
        let now = self.clock.now;
        if *total == 0 || silent_until.is_some_and(|until| now < until) {
            return;
        }
        let arrived = self.conditions.error_log.try_error(format_args!(
            "{total} lines of the access log were lost: it is full, or nobody reads it. Requests are served all the same \
             (said once a minute)"
        ));
        // Where both logs are the same pipe, nobody has heard it.
        let silence = if arrived { COMPLAINT_INTERVAL } else { ACCEPT_PAUSE };
        *silent_until = Some(now + silence);
        if arrived {
            *total = 0;
        }
    }

    /// Takes what is ready, after at most `timeout`.
    pub(crate) fn poll(&mut self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        self.flush_access_log();
        let polled = if timeout == Some(Duration::ZERO) {
            self.poll.poll(events, timeout)
        } else {
            self.wait_visibly(|reactor| reactor.poll.poll(events, timeout))
        };
        match polled {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                self.interrupted = true;
                Ok(())
            }
            result => result,
        }
    }

    /// How long nothing needs to be done.
    pub(crate) fn patience(&self) -> Option<Duration> {
        let pending = self.accept_again.is_none()
            && self.polite_until.is_none()
            && self.has_room()
            && self.are_clients_waiting();
        let has_left = self.leaving.is_some() && self.slots.is_empty() && self.acceptors.is_empty();
        if pending || has_left || !self.again.is_empty() || !self.jobs.is_empty() {
            return Some(Duration::ZERO);
        }
        let scripts = self.scripts.next_deadline(Instant::now());
        let next = [
            self.deadlines.next(),
            self.next_of_leaving(self.clock.now),
            self.accept_again.max(self.polite_until),
            scripts,
        ]
        .into_iter()
        .flatten()
        .min();
        let next = next.map(|next| next.saturating_duration_since(Instant::now()));
        [next, self.passing_due()].into_iter().flatten().min()
    }

    // Coming and going
}
