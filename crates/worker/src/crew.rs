//! The threads of a worker: those that call the application, and the helper that leads while they do.
//!
//! What they do next is decided in `lead.rs`; here they wait, wake each other and keep the time. An application thread that
//! leads calls the application in the middle of the reactor's loop, so a quick request costs no wake-up. With one
//! application thread it is the process's main thread, and the helper is a thread of its own; with more the main thread is
//! the helper, which calls no application but runs its signal handlers.
//!
//! Nobody waits for a lock here while holding what the application needs (the interpreter), except for that of the lead,
//! which is held only for the moment of a decision.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mio::{Events, Waker};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::exchange::Exchange;
use crate::gateway::Gateway;
use crate::lead::{Caution, Lead, Next, Watch};
use crate::reactor::{Departure, Desk, EVENTS, Errand, Reactor};
use crate::traffic::Rounds;

/// A call of the application that takes longer is slow: what is ready does not wait for it.
pub(crate) const SLOW_CALL: Duration = Duration::from_millis(1);

/// How long the helper leaves a leader inside a call; twice that at the most.
const TICK: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: SLOW_CALL.as_nanos() as i64,
};

/// Ticks without a call until the helper goes to sleep.
const RESTLESS: u32 = 20;

/// A machine that others use makes quick calls slow now and then, so a single one counts for little.
const CAUTION: Caution = Caution {
    least: 4,
    most: 256,
    forget: 256,
};

/// Where the threads meet.
pub(crate) struct Helm {
    lead: Mutex<Lead<Box<Reactor>, Exchange>>,
    /// Signalled when there is a request for an application thread, or none will come any more.
    job: Condvar,
    /// Signalled when an application thread can have the lead.
    led: Condvar,
    /// Wakes the leader.
    waker: Waker,
    /// Wakes the helper: what it reads from, and what is written to.
    bell: (UnixStream, UnixStream),
    /// The application is to be sent on its errand, between two requests.
    pub(crate) errand_due: AtomicBool,
}

impl Helm {
    /// For `threads` application threads; `waker` wakes the reactor.
    pub(crate) fn new(threads: usize, waker: Waker) -> io::Result<Helm> {
        let bell = UnixStream::pair()?;
        bell.0.set_nonblocking(true)?;
        bell.1.set_nonblocking(true)?;
        Ok(Helm {
            lead: Mutex::new(Lead::new(threads, CAUTION)),
            job: Condvar::new(),
            led: Condvar::new(),
            waker,
            bell,
            errand_due: AtomicBool::new(false),
        })
    }

    /// Hands a request to the application threads, while the helper leads.
    ///
    /// # Errors
    /// All are busy, and `limit` requests wait already.
    pub(crate) fn submit(&self, exchange: Exchange, limit: Option<usize>) -> Result<(), Exchange> {
        if self.lead().submit(exchange, limit)? {
            self.job.notify_one();
        }
        Ok(())
    }

    /// The same for a request that has waited elsewhere: it comes before the others, and is not one too many.
    pub(crate) fn submit_first(&self, exchange: Exchange) {
        if self.lead().submit_first(exchange) {
            self.job.notify_one();
        }
    }

    /// Takes away a request that waits for a thread, one for which `may_go` is true.
    pub(crate) fn surplus(&self, may_go: impl Fn(&Exchange) -> bool) -> Option<Exchange> {
        self.lead().surplus(may_go)
    }

    /// How many requests wait for a thread.
    pub(crate) fn surplus_length(&self) -> usize {
        self.lead().surplus_length()
    }

    /// Whether a request waits for a thread.
    pub(crate) fn has_surplus(&self) -> bool {
        self.lead().has_surplus()
    }

    /// Whether every application thread has something to do.
    pub(crate) fn are_all_busy(&self) -> bool {
        self.lead().are_all_busy()
    }

    /// The same, as the leader tells other workers before it waits: it is woken when that is no longer so.
    pub(crate) fn say_whether_all_are_busy(&self) -> bool {
        self.lead().say_whether_all_are_busy()
    }

    /// Gives back what has been served, and waits for what comes next.
    fn next(&self, served: Option<Served>) -> Next<Box<Reactor>, Exchange> {
        let served = served.map(|(mut exchange, was_slow)| {
            exchange.flush();
            (exchange, was_slow)
        });
        let mut lead = self.lead();
        if let Some((exchange, was_slow)) = served
            && lead.give_back(exchange, was_slow)
        {
            drop(lead);
            self.wake_leader();
            lead = self.lead();
        }
        loop {
            match lead.next() {
                Next::Wait => {
                    if lead.begin_idling() {
                        self.wake_leader();
                    }
                    lead = self.job.wait(lead).unwrap_or_else(PoisonError::into_inner);
                    lead.end_idling();
                }
                Next::WaitForLead(wake) => {
                    if wake {
                        self.wake_leader();
                    }
                    while lead.is_lead_awaited() {
                        lead = self.led.wait(lead).unwrap_or_else(PoisonError::into_inner);
                    }
                }
                next => return next,
            }
        }
    }

    /// The data behind the lock is whole at every moment, so a panic elsewhere does not spoil it.
    fn lead(&self) -> MutexGuard<'_, Lead<Box<Reactor>, Exchange>> {
        self.lead.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake_leader(&self) {
        // The reactor lives as long as its threads; waking it can fail only for lack of memory.
        let _ = self.waker.wake();
    }

    fn ring(&self) {
        // A full pipe has woken it already.
        let _ = (&self.bell.1).write(&[0]);
    }

    /// Sleeps for a tick, or until the bell rings. False when a signal has come.
    fn sleep(&self, timeout: Option<&Timespec>) -> bool {
        match poll(&mut [PollFd::new(&self.bell.0.as_fd(), PollFlags::IN)], timeout) {
            Ok(0) => true,
            Ok(_) => {
                while matches!((&self.bell.0).read(&mut [0; 64]), Ok(64)) {}
                true
            }
            Err(_) => false,
        }
    }
}

/// Serves with `reactor` until it has left.
pub(crate) fn serve(
    mut reactor: Box<Reactor>,
    helm: &Arc<Helm>,
    gateway: &Arc<dyn Gateway>,
) -> io::Result<Departure> {
    let threads = reactor.conditions.settings.threads.max(1) as usize;
    let errand = reactor.conditions.errand.take();
    let mut desks = (0..threads)
        .map(|thread| reactor.desk_of(thread))
        .collect::<Vec<_>>();
    let crew = if threads == 1 {
        let helm = Arc::clone(helm);
        vec![sys::spawn_watcher("penstock-helper", move || help(&helm, None))?]
    } else {
        let start = |(index, desk): (usize, Desk)| {
            let (helm, gateway) = (Arc::clone(helm), Arc::clone(gateway));
            spawn(&format!("penstock-{index}"), move || {
                let mut hand = Hand {
                    helm: &helm,
                    gateway: &*gateway,
                    desk,
                    errand: None,
                };
                gateway.enter_thread(&mut || hand.work());
            })
        };
        desks
            .drain(..)
            .enumerate()
            .map(start)
            .collect::<io::Result<_>>()?
    };
    (reactor.conditions.ready)();
    helm.lead().yield_lead(reactor);
    helm.job.notify_one();
    match desks.pop() {
        Some(desk) => Hand {
            helm,
            gateway: &**gateway,
            desk,
            errand,
        }
        .work(),
        None => gateway.detached(&mut || help(helm, Some(&**gateway))),
    }
    // Dropped on this thread: what it holds of the application belongs here.
    let concluded = helm.lead().conclude();
    let departure = concluded
        .and_then(|mut reactor| reactor.departure.take())
        .unwrap_or(Ok(Departure::Quick));
    // Otherwise they may be inside a request that never ends.
    if threads == 1 || matches!(departure, Ok(Departure::Graceful)) {
        let mut crew = Some(crew);
        // They need the interpreter to end.
        gateway.detached(&mut || {
            for thread in crew.take().into_iter().flatten() {
                // A panic of the thread has been reported where it happened.
                let _ = thread.join();
            }
        });
    }
    departure
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name.to_owned()).spawn(body)
}

/// An application thread.
struct Hand<'a> {
    helm: &'a Helm,
    gateway: &'a dyn Gateway,
    desk: Desk,
    errand: Option<Errand>,
}

/// A request that was served without the lead, and whether that was slow, where it is known.
type Served = (Exchange, Option<bool>);

impl Hand<'_> {
    fn work(&mut self) {
        let mut events = Events::with_capacity(EVENTS);
        let mut served = None;
        loop {
            self.go_on_errand();
            let (helm, mut next) = (self.helm, Next::Leave);
            self.gateway.detached(&mut || next = helm.next(served.take()));
            match next {
                Next::Serve(exchange) => {
                    let begun = Instant::now();
                    let exchange = self.desk.serve(self.gateway, exchange);
                    served = Some((exchange, Some(begun.elapsed() > SLOW_CALL)));
                }
                Next::Lead(mut reactor, jobs) => {
                    reactor.call_here(jobs);
                    served = self.lead(reactor, &mut events).map(|exchange| (exchange, None));
                }
                Next::Leave => return,
                // Those are waited for.
                Next::Wait | Next::WaitForLead(_) => {}
            }
        }
    }

    /// Turns the reactor and calls the application. Ends with the lead: with the request that was in its call when the
    /// helper took it, if that is why.
    fn lead(&mut self, mut reactor: Box<Reactor>, events: &mut Events) -> Option<Exchange> {
        loop {
            reactor = match self.call(reactor) {
                Ok(reactor) => reactor,
                Err(left_behind) => return left_behind,
            };
            self.go_on_errand();
            if reactor.departure.is_some() {
                depart(self.helm, reactor);
                return None;
            }
            self.turn(&mut reactor, events);
        }
    }

    /// Serves what is ready: the reactor again, or what was being served when somebody else got it.
    fn call(&self, mut reactor: Box<Reactor>) -> Result<Box<Reactor>, Option<Exchange>> {
        let mut now = Instant::now();
        reactor.clock.now = now;
        let mut rounds = Rounds::default();
        while let Some(mut exchange) = reactor.next_job(&mut rounds) {
            if reactor.in_haste() || exchange.body_arriving() {
                // It may be slow, or wait for a slow client. Of its own earlier answers it shows when this one is written
                // whether the client is gone.
                reactor.flush_dirty();
                exchange.flush();
            }
            let (call, is_asleep) = self.helm.lead().lay_down(reactor);
            if is_asleep {
                self.helm.ring();
            }
            let exchange = self.desk.serve(self.gateway, exchange);
            let begun = std::mem::replace(&mut now, Instant::now());
            let was_slow = now - begun > SLOW_CALL;
            let mut lead = self.helm.lead();
            let Some(back) = lead.take_up(call, was_slow) else {
                return Err(Some(exchange));
            };
            let (is_cautious, hands_over) = (lead.is_cautious(), lead.expects_to_be_slow());
            drop(lead);
            reactor = back;
            reactor.called(exchange, now, was_slow, is_cautious);
            if hands_over {
                self.helm.lead().hand_over(reactor);
                self.helm.ring();
                return Err(None);
            }
        }
        reactor.flush_dirty();
        reactor.accept();
        Ok(reactor)
    }

    fn turn(&self, reactor: &mut Reactor, events: &mut Events) {
        let patience = reactor.patience();
        let polled = if patience == Some(Duration::ZERO) || !self.helm.lead().before_poll() {
            reactor.poll(events, Some(Duration::ZERO))
        } else {
            let mut polled = Ok(());
            self.gateway
                .detached(&mut || polled = reactor.poll(events, patience));
            polled
        };
        self.helm.lead().after_poll(&mut reactor.served);
        reactor.turn_after(polled, events);
    }

    fn go_on_errand(&mut self) {
        if let Some(errand) = &mut self.errand
            && self.helm.errand_due.swap(false, Ordering::Relaxed)
        {
            (errand.run)();
        }
    }
}

/// The helper's life. With a `gateway` it is the main thread.
fn help(helm: &Helm, gateway: Option<&dyn Gateway>) {
    let mut events = Events::with_capacity(EVENTS);
    let (mut seen, mut quiet) = (0, 0);
    loop {
        let watch = helm.lead().watch(seen, quiet >= RESTLESS);
        let (call, timeout) = match watch {
            Watch::Lead(reactor) => {
                lead_without_calling(helm, reactor, &mut events, gateway);
                quiet = 0;
                continue;
            }
            Watch::Tick(call) => (call, Some(&TICK)),
            Watch::Park(call) => (call, None),
            Watch::Leave => return,
        };
        quiet = if call == seen && timeout.is_some() {
            quiet + 1
        } else {
            0
        };
        seen = call;
        if !helm.sleep(timeout) {
            run_signal_handlers(gateway);
        }
    }
}

/// Turns the reactor until an application thread wants the lead.
fn lead_without_calling(
    helm: &Helm,
    mut reactor: Box<Reactor>,
    events: &mut Events,
    gateway: Option<&dyn Gateway>,
) {
    reactor.hand_out();
    loop {
        if reactor.departure.is_some() {
            return depart(helm, reactor);
        }
        let patience = if helm.lead().before_poll() {
            reactor.patience()
        } else {
            Some(Duration::ZERO)
        };
        let polled = reactor.poll(events, patience);
        helm.lead().after_poll(&mut reactor.served);
        if std::mem::take(&mut reactor.interrupted) {
            run_signal_handlers(gateway);
        }
        reactor.turn_after(polled, events);
        let mut lead = helm.lead();
        if lead.is_wanted() && reactor.departure.is_none() {
            lead.yield_lead(reactor);
            drop(lead);
            // All of them: those that do not get it have something else to do.
            return helm.led.notify_all();
        }
    }
}

/// Runs what the application has set for signals, which only the main thread does.
fn run_signal_handlers(gateway: Option<&dyn Gateway>) {
    if let Some(gateway) = gateway {
        gateway.detached(&mut || {});
    }
}

/// The worker has left: everybody ends.
fn depart(helm: &Helm, reactor: Box<Reactor>) {
    helm.lead().depart(reactor);
    helm.job.notify_all();
    helm.led.notify_all();
    helm.ring();
}
