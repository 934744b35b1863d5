//! Application threads: exchanges go in, exchanges come back.
//!
//! The queue is bounded by the number of connections, since each has at most one request in progress.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use mio::Waker;

use crate::exchange::Exchange;
use crate::gateway::Gateway;
use crate::reactor::Desk;

/// Threads that serve exchanges.
#[derive(Debug)]
pub(crate) struct Pool {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    queue: Mutex<Queue>,
    /// Signalled when there is a job, or when no more will come.
    job: Condvar,
    served: Mutex<Vec<Exchange>>,
    waker: Waker,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Exchange>,
    closed: bool,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Pool {
    /// Starts `count` threads; `waker` wakes the reactor when an exchange has been served.
    pub(crate) fn start(
        count: usize,
        gateway: &Arc<dyn Gateway>,
        waker: Waker,
        desk: impl Fn(usize) -> Desk,
    ) -> io::Result<Pool> {
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            job: Condvar::new(),
            served: Mutex::default(),
            waker,
        });
        let mut threads = Vec::new();
        for index in 0..count {
            let (shared, gateway, desk) = (Arc::clone(&shared), Arc::clone(gateway), desk(index));
            let body = move || gateway.enter_thread(&mut || shared.work(&*gateway, &desk));
            threads.push(
                std::thread::Builder::new()
                    .name(format!("penstock-{index}"))
                    .spawn(body)?,
            );
        }
        Ok(Pool { shared, threads })
    }

    pub(crate) fn submit(&self, exchange: Exchange) {
        lock(&self.shared.queue).jobs.push_back(exchange);
        self.shared.job.notify_one();
    }

    /// Moves what has been served into `into`.
    pub(crate) fn collect(&self, into: &mut Vec<Exchange>) {
        into.append(&mut lock(&self.shared.served));
    }

    /// Lets the threads end once the queue is empty, and waits for them. They must not be inside a request that
    /// never ends: the caller knows that all exchanges are back.
    pub(crate) fn stop(&mut self) {
        lock(&self.shared.queue).closed = true;
        self.shared.job.notify_all();
        for thread in self.threads.drain(..) {
            // A panic of the thread has been reported where it happened.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn work(&self, gateway: &dyn Gateway, desk: &Desk) {
        let mut served: Option<Exchange> = None;
        loop {
            let mut next = None;
            gateway.detached(&mut || {
                if let Some(mut exchange) = served.take() {
                    exchange.flush();
                    lock(&self.served).push(exchange);
                    // The reactor lives as long as this thread; waking it can fail only for lack of memory.
                    let _ = self.waker.wake();
                }
                next = self.next();
            });
            let Some(exchange) = next else { return };
            served = Some(desk.serve(gateway, exchange));
        }
    }

    fn next(&self) -> Option<Exchange> {
        let mut queue = lock(&self.queue);
        loop {
            if let Some(exchange) = queue.jobs.pop_front() {
                return Some(exchange);
            }
            if queue.closed {
                return None;
            }
            queue = self.job.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// The data behind these locks is whole at every moment, so a panic elsewhere does not spoil it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
