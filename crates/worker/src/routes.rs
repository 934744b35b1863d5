//! Internal routing: a table of rules is gone through for each request before a file or the application answers it, for its
//! answer before that is sent, and for both once it is over.
//!
//! [`follow`] goes through the rules and comes to a [`Decision`]; what it decides is then done. Rules are followed in order,
//! and each sees what those before it have made of the request; `goto` jumps, and a chain of jumps without end is cut. How
//! another server is asked for its answer is in `cgi/relay`.

mod actions;
mod answers;
mod conditions;
mod shared;
mod subject;
mod texts;
mod users;

use config::{RouteAction, RouteChain, RouteServer, Routes};

use crate::commons::Commons;
use crate::exchange::Exchange;
use actions::act;
use conditions::holds;
use texts::expand;

pub(crate) use answers::Outcome;

/// Rules that one request may come by: more is a circle of jumps.
const MOST_STEPS: usize = 1000;

/// The rules of a worker.
#[derive(Debug)]
pub(crate) struct Router {
    routes: Routes,
    /// The worker's, from 1.
    number: u32,
}

/// Which rules are gone through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Request,
    Error,
    Response,
    Last,
}

/// What is remembered with a request until it is answered and logged.
#[derive(Debug, Default)]
pub(crate) struct Routed {
    /// It gets no line in the log.
    pub(crate) unlogged: bool,
    /// It gets one, whatever the options say of it.
    pub(crate) wanted: bool,
    /// Fields to add to the answer.
    pub(crate) added: Vec<(String, String)>,
    /// Names of fields to take out of the application's answer.
    pub(crate) removed: Vec<String>,
    /// What to put into the log under a name.
    pub(crate) noted: Vec<(String, String)>,
    /// Lines for the log.
    pub(crate) lines: Vec<String>,
    /// Seconds after which the worker ends with the request.
    pub(crate) harakiri: Option<u32>,
    /// Another server is to answer.
    pub(crate) relay: Option<RouteServer>,
    /// The rules about answers have been gone through.
    pub(crate) judged: bool,
    /// What the client gets in the place of the answer that was begun.
    pub(crate) instead: Option<Outcome>,
}

/// What the rules come to for one request.
#[derive(Debug, Default)]
pub(crate) struct Decision {
    /// What to remember.
    pub(crate) routed: Routed,
    /// The answer, if the rules give one.
    pub(crate) outcome: Option<Outcome>,
}

/// A request as rules see it.
trait Subject {
    /// The value of a variable; empty where there is none.
    fn variable(&self, name: &str) -> String;
    /// Gives a variable a value; false when it cannot have that one.
    fn set(&mut self, name: &str, value: &str) -> bool;
    /// The answer's status; 0 while there is none.
    fn status(&self) -> u16;
    /// A field of the answer; empty where there is none.
    fn answer_field(&self, name: &str) -> String;
    /// What is known of the server and this request under uWSGI's short names; empty where nothing is.
    fn own(&self, key: &str) -> String;
    /// The media type of a path.
    fn media_type(&self, path: &str) -> String;
    /// What processes share.
    fn commons(&self) -> Option<&dyn Commons>;
}

impl Router {
    /// `None` when there are no rules.
    pub(crate) fn new(routes: &Routes, number: u32) -> Option<Router> {
        (!routes.is_empty()).then(|| Router {
            routes: routes.clone(),
            number,
        })
    }

    /// Whether there are rules about answers.
    pub(crate) fn judges_answers(&self) -> bool {
        !self.routes.error.rules.is_empty() || !self.routes.response.rules.is_empty()
    }

    /// Goes through the rules for a request, and remembers with it what they say.
    pub(crate) fn decide(&self, phase: Phase, exchange: &mut Exchange) -> Option<Outcome> {
        let chain = match phase {
            Phase::Request => &self.routes.request,
            Phase::Error => &self.routes.error,
            Phase::Response => &self.routes.response,
            Phase::Last => &self.routes.last,
        };
        if chain.rules.is_empty() {
            return None;
        }
        let mut decision = follow(
            chain,
            &mut subject::Request {
                exchange,
                number: self.number,
            },
        );
        exchange.work.routed.take_over(&mut decision.routed);
        decision.outcome
    }
}

impl Routed {
    fn take_over(&mut self, other: &mut Routed) {
        self.unlogged |= other.unlogged;
        self.added.append(&mut other.added);
        self.removed.append(&mut other.removed);
        self.noted.append(&mut other.noted);
        self.lines.append(&mut other.lines);
        self.harakiri = other.harakiri.or(self.harakiri);
        self.relay = other.relay.take().or(self.relay.take());
    }
}

/// An answer of the rules' own, as far as it has been put together.
#[derive(Default)]
struct Sent {
    status: Option<String>,
    body: Option<String>,
}

impl Sent {
    /// The answer, if anything of one was given.
    fn outcome(self) -> Option<Outcome> {
        let body = self.body?;
        Some(Outcome::Text {
            status: self.status.unwrap_or_else(|| "200 OK".to_owned()),
            body,
            close: false,
        })
    }
}

/// What a rule has come to.
enum Step {
    Next,
    Done,
    Answer(Outcome),
}

/// Goes through the rules.
fn follow(chain: &RouteChain, subject: &mut dyn Subject) -> Decision {
    let mut decision = Decision::default();
    let mut sent = Sent::default();
    let mut index = 0;
    for _ in 0..MOST_STEPS {
        let Some(route) = chain.rules.get(index) else {
            decision.outcome = sent.outcome();
            return decision;
        };
        index += 1;
        let Some(groups) = holds(&route.condition, subject) else {
            continue;
        };
        let step = match &route.action {
            RouteAction::GoTo(label) => match target(chain, &expand(label, &groups, subject)) {
                Some(target) => {
                    index = target;
                    Step::Next
                }
                None => {
                    let line =
                        format!("goto:{label}: there is no such label: the request is answered with 500");
                    decision.routed.lines.push(line);
                    Step::Answer(Outcome::Status(500))
                }
            },
            action => act(action, &groups, subject, &mut decision.routed, &mut sent),
        };
        match step {
            Step::Next => {}
            Step::Done => {
                decision.outcome = sent.outcome();
                return decision;
            }
            Step::Answer(outcome) => {
                decision.outcome = match outcome {
                    Outcome::Close => Some(sent.outcome().unwrap_or(Outcome::Close)),
                    outcome => Some(outcome),
                };
                return decision;
            }
        }
    }
    decision
        .routed
        .lines
        .push("the rules of routing lead in a circle: the request goes on without them".to_owned());
    decision
}

/// A label, or the number of a rule.
fn target(chain: &RouteChain, label: &str) -> Option<usize> {
    chain.labels.get(label).copied().or_else(|| label.parse().ok())
}

#[cfg(test)]
mod tests;
