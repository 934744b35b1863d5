//! Who leads: the protocol by which a worker's threads hand over the reactor instead of requests.
//!
//! One thread has the reactor. An application thread that has it lays it down for the time of each call, and the helper,
//! which never calls the application, takes it up when a call outlives a tick: it goes on reading, and hands requests to
//! whichever application thread is free. The thread left behind gives its exchange back like all others.
//!
//! ```text
//!            lay_down                 watch, a tick later
//!   Led ───────────────▶ InCall ─────────────────────────▶ Helped
//!    ▲ ◀─────────────────                                    ▲ │
//!    │       take_up          hand_over, watch               │ │
//!    ├─────────▶ ForHelper ──────────────────────────────────┘ │
//!    └───────── ForApplication ◀──────────────────────────────-┘   depart: Over, from Led and Helped
//!       next                                  yield_lead
//! ```
//!
//! All of it is decided here, behind one lock, without a thread or a clock: `crew.rs` waits, wakes and keeps the time. The
//! tests walk through every order in which the steps can follow each other.

use std::collections::VecDeque;

/// How calls of the application are judged, by how long they have taken lately.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Caution {
    /// After a slow call, so many are expected to be slow as well.
    pub(crate) least: u32,
    /// The same at the most: the number grows fourfold with each slow call that follows soon on another.
    pub(crate) most: u32,
    /// Not soon: after so many quick ones.
    pub(crate) forget: u32,
}

/// The reactor `R`, the requests `J`, and who has what.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Lead<R, J> {
    place: Place<R>,
    /// Calls made by leaders so far: the number of the current one.
    calls: u64,
    /// Requests for application threads, while the helper leads.
    jobs: VecDeque<J>,
    /// Requests answered by threads that do not lead.
    served: Vec<J>,
    /// The leader waits, or is about to: it has to be woken for what is new here.
    is_polling: bool,
    /// Other workers have been told, and not otherwise since, that every application thread has something to do.
    says_busy: bool,
    /// An application thread waits for the lead.
    is_wanted: bool,
    /// The helper sleeps until it is woken.
    is_parked: bool,
    /// Application threads that wait for a request.
    idle: usize,
    /// How many application threads there are.
    threads: usize,
    /// Calls still expected to be slow.
    distrust: u32,
    /// What `distrust` was last set to.
    suspicion: u32,
    /// Quick calls since the last slow one.
    quick: u32,
    caution: Caution,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Place<R> {
    /// An application thread has it.
    Led,
    /// Its leader calls the application.
    InCall(R),
    /// The helper is to take it.
    ForHelper(R),
    /// The helper has it.
    Helped,
    /// An application thread is to take it.
    ForApplication(R),
    /// The worker has left.
    Over(Option<R>),
}

/// What an application thread does next.
#[derive(Debug)]
pub(crate) enum Next<R, J> {
    /// It serves this one.
    Serve(J),
    /// It leads, with the requests that nobody has taken yet.
    Lead(R, VecDeque<J>),
    /// It waits for a request.
    Wait,
    /// It waits for the lead; the helper has to be woken to give it if that is true.
    WaitForLead(bool),
    /// It ends.
    Leave,
}

/// What the helper does next.
#[derive(Debug)]
pub(crate) enum Watch<R> {
    /// It leads.
    Lead(R),
    /// It looks again in a tick: the number is that of the latest call.
    Tick(u64),
    /// It sleeps until it is woken.
    Park(u64),
    /// It ends.
    Leave,
}

impl<R, J> Lead<R, J> {
    /// Nobody can take the reactor yet: [`Lead::yield_lead`] begins.
    pub(crate) fn new(threads: usize, caution: Caution) -> Lead<R, J> {
        Lead {
            place: Place::Helped,
            calls: 0,
            jobs: VecDeque::new(),
            served: Vec::new(),
            is_polling: false,
            says_busy: false,
            is_wanted: false,
            is_parked: false,
            idle: 0,
            threads,
            distrust: 0,
            suspicion: 0,
            quick: caution.forget,
            caution,
        }
    }

    // The leading application thread

    /// The leader calls the application now. Returns the call's number, and whether the helper has to be woken to watch.
    pub(crate) fn lay_down(&mut self, reactor: R) -> (u64, bool) {
        self.calls += 1;
        self.place = Place::InCall(reactor);
        (self.calls, std::mem::take(&mut self.is_parked))
    }

    /// The call is over: the reactor, unless somebody else leads by now.
    pub(crate) fn take_up(&mut self, call: u64, was_slow: bool) -> Option<R> {
        // With another number it is a later leader's.
        if !matches!(self.place, Place::InCall(_)) || call != self.calls {
            return None;
        }
        self.judge(was_slow);
        self.take(Place::Led)
    }

    /// Whether calls are expected to be slow.
    pub(crate) fn is_cautious(&self) -> bool {
        self.distrust > 0
    }

    /// Whether the leader had better not make the next call.
    pub(crate) fn expects_to_be_slow(&self) -> bool {
        self.threads > 1 && self.is_cautious()
    }

    /// The leader has the helper lead. The helper is to be woken.
    pub(crate) fn hand_over(&mut self, reactor: R) {
        self.is_parked = false;
        self.place = Place::ForHelper(reactor);
    }

    // Whoever leads

    /// Whether the leader may wait: not when there is something new for it here.
    pub(crate) fn before_poll(&mut self) -> bool {
        let asked = self.is_wanted && matches!(self.place, Place::Helped);
        self.is_polling = self.served.is_empty() && !asked;
        self.is_polling
    }

    /// Has waited: takes what has been served meanwhile.
    pub(crate) fn after_poll(&mut self, served: &mut Vec<J>) {
        self.is_polling = false;
        served.append(&mut self.served);
    }

    /// The worker has left: everybody is to be woken.
    pub(crate) fn depart(&mut self, reactor: R) {
        self.place = Place::Over(Some(reactor));
    }

    // The helper

    /// Takes the lead if it has to: `seen` is the number it was told last. With `may_park` it sleeps if nobody calls.
    pub(crate) fn watch(&mut self, seen: u64, may_park: bool) -> Watch<R> {
        match &self.place {
            Place::ForHelper(_) => {}
            Place::InCall(_) if self.calls == seen => self.judge(true),
            Place::InCall(_) => return Watch::Tick(self.calls),
            Place::Over(_) => return Watch::Leave,
            Place::Led | Place::Helped | Place::ForApplication(_) if may_park && self.calls == seen => {
                self.is_parked = true;
                return Watch::Park(self.calls);
            }
            Place::Led | Place::Helped | Place::ForApplication(_) => return Watch::Tick(self.calls),
        }
        self.take(Place::Helped).map_or(Watch::Leave, Watch::Lead)
    }

    /// Hands a request to the application threads: whether one of them has to be woken.
    ///
    /// # Errors
    /// All of them are busy, and `limit` requests wait for them already.
    pub(crate) fn submit(&mut self, job: J, limit: Option<usize>) -> Result<bool, J> {
        if limit.is_some_and(|limit| self.jobs.len() >= self.free() + limit) {
            return Err(job);
        }
        self.jobs.push_back(job);
        Ok(self.idle > 0)
    }

    /// Takes away a request that waits for a thread, the first for which `may_go` is true: those that a thread is about to
    /// take stay.
    pub(crate) fn surplus(&mut self, may_go: impl Fn(&J) -> bool) -> Option<J> {
        if !self.has_surplus() {
            return None;
        }
        let place = self.jobs.iter().position(may_go)?;
        self.jobs.remove(place)
    }

    /// How many requests wait beyond those that a thread is about to take.
    pub(crate) fn surplus_length(&self) -> usize {
        self.jobs.len().saturating_sub(self.free())
    }

    /// Whether more requests wait than there are threads free.
    pub(crate) fn has_surplus(&self) -> bool {
        self.surplus_length() > 0
    }

    /// Hands a request that has waited longer than the others to the application threads: whether one of them has to be woken.
    pub(crate) fn submit_first(&mut self, job: J) -> bool {
        self.jobs.push_front(job);
        self.idle > 0
    }

    /// Whether every application thread has something to do.
    pub(crate) fn are_all_busy(&self) -> bool {
        self.jobs.len() >= self.free()
    }

    /// The same, as the leader tells other workers before it waits.
    pub(crate) fn say_whether_all_are_busy(&mut self) -> bool {
        self.says_busy = self.are_all_busy();
        self.says_busy
    }

    /// Application threads that can take a request: one that waits for the lead does so as soon as it has it.
    fn free(&self) -> usize {
        self.idle + usize::from(self.is_wanted)
    }

    /// Whether an application thread waits for the lead.
    pub(crate) fn is_wanted(&self) -> bool {
        self.is_wanted
    }

    /// The helper lets an application thread lead: one of those who wait is to be woken.
    pub(crate) fn yield_lead(&mut self, reactor: R) {
        self.place = Place::ForApplication(reactor);
    }

    // Application threads that do not lead

    /// A thread that does not lead has served a request, which was slow or not, if that is known. Whether the leader has
    /// to be woken for it.
    pub(crate) fn give_back(&mut self, job: J, was_slow: Option<bool>) -> bool {
        self.served.push(job);
        if let Some(was_slow) = was_slow {
            self.judge(was_slow);
        }
        std::mem::take(&mut self.is_polling)
    }

    /// What a thread does that does not lead. While it waits it counts as idle: [`Lead::begin_idling`].
    pub(crate) fn next(&mut self) -> Next<R, J> {
        let is_helped = match self.place {
            Place::Over(_) => return Next::Leave,
            Place::ForApplication(_) => {
                self.is_wanted = false;
                let jobs = std::mem::take(&mut self.jobs);
                let reactor = self.take(Place::Led);
                return reactor.map_or(Next::Leave, |reactor| Next::Lead(reactor, jobs));
            }
            Place::Helped | Place::ForHelper(_) => true,
            Place::Led | Place::InCall(_) => false,
        };
        // The only thread has nothing better to do than to lead. Several leave it to the helper while calls are slow.
        let may_lead = !self.is_cautious() || (self.threads == 1 && self.jobs.is_empty());
        if is_helped && may_lead && !self.is_wanted {
            self.is_wanted = true;
            return Next::WaitForLead(std::mem::take(&mut self.is_polling));
        }
        self.jobs.pop_front().map_or(Next::Wait, Next::Serve)
    }

    /// Whether the thread that waits for the lead goes on waiting.
    pub(crate) fn is_lead_awaited(&self) -> bool {
        self.is_wanted && !matches!(self.place, Place::ForApplication(_) | Place::Over(_))
    }

    /// One more application thread waits for a request. Whether the leader has to be woken, to tell other workers.
    #[must_use]
    pub(crate) fn begin_idling(&mut self) -> bool {
        self.idle += 1;
        self.says_busy && !self.are_all_busy() && std::mem::take(&mut self.is_polling)
    }

    /// It waits no longer.
    pub(crate) fn end_idling(&mut self) {
        self.idle -= 1;
    }

    /// The reactor, after [`Lead::depart`].
    pub(crate) fn conclude(&mut self) -> Option<R> {
        self.take(Place::Over(None))
    }

    fn take(&mut self, next: Place<R>) -> Option<R> {
        match std::mem::replace(&mut self.place, next) {
            Place::InCall(reactor) | Place::ForHelper(reactor) | Place::ForApplication(reactor) => {
                Some(reactor)
            }
            Place::Over(reactor) => reactor,
            Place::Led | Place::Helped => None,
        }
    }

    fn judge(&mut self, was_slow: bool) {
        if !was_slow {
            self.distrust = self.distrust.saturating_sub(1);
            self.quick = self.quick.saturating_add(1).min(self.caution.forget);
            return;
        }
        self.suspicion = if self.quick < self.caution.forget {
            (self.suspicion * 4).clamp(self.caution.least, self.caution.most)
        } else {
            self.caution.least
        };
        self.distrust = self.suspicion;
        self.quick = 0;
    }
}

#[cfg(test)]
mod tests;
