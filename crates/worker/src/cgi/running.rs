//! One script that runs for one request: its pipes, and what has passed through them. Another server that answers in the
//! place of this one is the same, with a socket for its pipes.
//!
//! [`Running::pump`] moves what can be moved without waiting: the body into the script, its output through the head's
//! parser to the client, its complaints into the log. Both directions go on side by side, so that a script may write
//! before it has read.

mod answer;
mod complaints;

use std::io::{self, Read, Write};
use std::process::Child;
use std::time::{Duration, Instant};

use mio::unix::pipe::{Receiver, Sender};
use mio::{Interest, Registry, Token};
use rustix::process::{Pid, Signal, kill_process_group};
use telemetry::ErrorLog;

use crate::exchange::{Exchange, Flow};
use crate::stream::Stream;
use complaints::Complaints;

/// What one read may bring.
const STEP: usize = 32 << 10;
/// Reads of a pump before others get their turn.
const READS: u32 = 32;

/// What is known of a script before it runs.
pub(super) struct Kind {
    /// Its file, for the log.
    pub(super) shown: String,
    /// What it writes.
    pub(super) output: Output,
}

/// What a script writes, and what becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Output {
    /// Header and document.
    Document,
    /// A whole HTTP answer, which is passed on as it comes.
    Raw,
    /// The same, for a web server that speaks another protocol: it is understood first.
    Whole,
}

/// A script and its request.
pub(super) struct Running {
    /// Its process; another server has none here.
    pub(super) child: Option<Child>,
    pub(super) exchange: Option<Exchange>,
    pub(super) shown: String,
    input: Option<Sender>,
    output: Option<Receiver>,
    complaints: Complaints,
    link: Option<Link>,
    /// What is written before the body.
    preface: Vec<u8>,
    /// Output before the end of the head.
    head: Vec<u8>,
    /// The head begins with a status line.
    has_status_line: bool,
    stage: Stage,
    pub(super) timeout: Duration,
    /// When it last read or wrote something; later, if nobody could have noticed for a time.
    pub(super) active: Instant,
}

/// A connection to another server.
struct Link {
    stream: Stream,
    /// The body has not been written to its end.
    sending: bool,
    /// What has gone wrong with it.
    fault: Option<io::Error>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Head,
    Document,
    /// Everything is passed on as it comes.
    Raw,
}

/// What a pump has come to.
pub(super) enum Progress {
    /// There is nothing more to move now.
    Waiting {
        /// More of the body is to come.
        for_body: bool,
        /// The client has to read first.
        for_client: bool,
    },
    /// There is more to move, once others have had their turn.
    More,
    /// The answer is complete, or the client is gone.
    Answered,
    /// Nothing was answered: answer with this status.
    Failed(u16),
    /// Serve this path instead.
    LocalRedirect(Vec<u8>),
}

/// Ends a script and whatever it has started.
pub(super) fn kill(child: &Child) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // It may be gone already.
        let _ = kill_process_group(group, Signal::KILL);
    }
}

impl Running {
    /// Takes the pipes of a script that has just been started.
    ///
    /// # Errors
    /// When a pipe cannot be made non-blocking; the script is killed then.
    pub(super) fn new(mut child: Child, kind: Kind, timeout: Duration, now: Instant) -> io::Result<Running> {
        let input = child.stdin.take().map(Sender::from);
        let output = child.stdout.take().map(Receiver::from);
        let complaints = child.stderr.take().map(Receiver::from);
        let prepared = input
            .iter()
            .try_for_each(|pipe| pipe.set_nonblocking(true))
            .and_then(|()| {
                let receivers = output.iter().chain(&complaints);
                receivers
                    .into_iter()
                    .try_for_each(|pipe| pipe.set_nonblocking(true))
            });
        if let Err(error) = prepared {
            kill(&child);
            let _ = child.wait();
            return Err(error);
        }
        Ok(Running {
            child: Some(child),
            exchange: None,
            shown: format!("the CGI script {}", kind.shown),
            input,
            output,
            complaints: Complaints::new(complaints),
            link: None,
            preface: Vec::new(),
            head: Vec::new(),
            has_status_line: kind.output == Output::Whole,
            stage: match kind.output {
                Output::Raw => Stage::Raw,
                Output::Document | Output::Whole => Stage::Head,
            },
            timeout,
            active: now,
        })
    }

    /// Another server, over a connection that may still be being made: `preface` is the request but for its body.
    pub(super) fn server(
        stream: Stream,
        preface: Vec<u8>,
        shown: String,
        timeout: Duration,
        now: Instant,
    ) -> Running {
        Running {
            child: None,
            exchange: None,
            shown,
            input: None,
            output: None,
            complaints: Complaints::new(None),
            link: Some(Link {
                stream,
                sending: true,
                fault: None,
            }),
            preface,
            head: Vec::new(),
            has_status_line: true,
            stage: Stage::Head,
            timeout,
            active: now,
        }
    }

    /// Has readiness of the pipes reported: of input, output and complaints, in this order.
    pub(super) fn register(&mut self, registry: &Registry, tokens: [Token; 3]) -> io::Result<()> {
        if let Some(link) = &mut self.link {
            link.stream.register_both(registry, tokens[1])?;
        }
        if let Some(input) = &mut self.input {
            registry.register(input, tokens[0], Interest::WRITABLE)?;
        }
        if let Some(output) = &mut self.output {
            registry.register(output, tokens[1], Interest::READABLE)?;
        }
        self.complaints.register(registry, tokens[2])
    }

    /// Until when it may be silent.
    pub(super) fn deadline(&self) -> Instant {
        self.active + self.timeout
    }

    /// Its name and its process; the pipes are closed.
    pub(super) fn into_child(self) -> Option<(String, Child)> {
        Some((self.shown, self.child?))
    }

    /// What takes the body; `None` once that is over.
    fn input(&mut self) -> Option<&mut dyn Write> {
        match (&mut self.input, &mut self.link) {
            (Some(pipe), _) => Some(pipe),
            (None, Some(link)) if link.sending => Some(&mut link.stream),
            (None, _) => None,
        }
    }

    fn close_input(&mut self) {
        self.input = None;
        if let Some(link) = &mut self.link {
            link.sending = false;
        }
    }

    /// What the answer comes by.
    fn output(&mut self) -> Option<&mut dyn Read> {
        match (&mut self.output, &mut self.link) {
            (Some(pipe), _) => Some(pipe),
            (None, Some(link)) => Some(&mut link.stream),
            (None, None) => None,
        }
    }

    /// The first thing that has gone wrong with a connection tells why the rest has, too.
    fn note_fault(&mut self, error: io::Error) {
        if let Some(link) = &mut self.link {
            link.fault.get_or_insert(error);
        }
    }

    /// Moves what can be moved.
    pub(super) fn pump(&mut self, now: Instant, head_limit: usize, log: &ErrorLog) -> Progress {
        let Some(mut exchange) = self.exchange.take() else {
            return Progress::Answered;
        };
        let progress = self.pump_exchange(&mut exchange, now, head_limit, log);
        self.exchange = Some(exchange);
        progress
    }

    fn pump_exchange(
        &mut self,
        exchange: &mut Exchange,
        now: Instant,
        head_limit: usize,
        log: &ErrorLog,
    ) -> Progress {
        self.complaints.hear(&self.shown, log);
        let for_body = match self.feed(exchange, now) {
            Ok(for_body) => for_body,
            // The client is gone, or its body is none: nobody waits for an answer.
            Err(()) => {
                exchange.give_up();
                return Progress::Answered;
            }
        };
        let for_client = match self.listen(exchange, now, head_limit, log) {
            Ok(Heard::Silence) => false,
            Ok(Heard::TooMuch) => true,
            Ok(Heard::Plenty) => return Progress::More,
            Ok(Heard::End) => {
                self.complaints.hear(&self.shown, log);
                return self.ended(exchange, log);
            }
            Err(progress) => return progress,
        };
        Progress::Waiting { for_body, for_client }
    }

    /// Writes the body into the script; true when more of it is to come from the client.
    fn feed(&mut self, exchange: &mut Exchange, now: Instant) -> Result<bool, ()> {
        let mut preface = std::mem::take(&mut self.preface);
        while let Some(input) = self.input() {
            if preface.is_empty() && exchange.body().is_empty() {
                if !exchange.body_arriving() {
                    self.close_input();
                    return Ok(false);
                }
                match exchange.receive_body_now() {
                    Ok(true) => continue,
                    Ok(false) => return Ok(true),
                    Err(_) => return Err(()),
                }
            }
            let written = match preface.is_empty() {
                true => input.write(exchange.body()),
                false => input.write(&preface),
            };
            match written {
                Ok(count) => {
                    self.active = now;
                    if preface.is_empty() {
                        exchange.consume_body(count);
                    } else {
                        preface.drain(..count);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.preface = preface;
                    return Ok(false);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // It does not want the rest, which is its right.
                Err(error) => {
                    self.note_fault(error);
                    self.close_input();
                }
            }
        }
        Ok(false)
    }

    fn listen(
        &mut self,
        exchange: &mut Exchange,
        now: Instant,
        head_limit: usize,
        log: &ErrorLog,
    ) -> Result<Heard, Progress> {
        let mut buffer = [0; STEP];
        for _ in 0..READS {
            match exchange.flush() {
                Flow::Open => {}
                Flow::Full => return Ok(Heard::TooMuch),
                Flow::Gone => return Err(Progress::Answered),
            }
            let Some(output) = self.output() else {
                return Ok(Heard::End);
            };
            match output.read(&mut buffer) {
                Ok(0) => return Ok(Heard::End),
                Ok(count) => {
                    self.active = now;
                    self.heard(exchange, &buffer[..count], head_limit, log)?;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Heard::Silence),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.note_fault(error);
                    return Ok(Heard::End);
                }
            }
        }
        Ok(Heard::Plenty)
    }
}

/// What a script's output has come to.
enum Heard {
    /// There is no more now.
    Silence,
    /// As much is queued as may be.
    TooMuch,
    /// Enough for this time.
    Plenty,
    /// It is complete.
    End,
}
