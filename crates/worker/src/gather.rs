//! Sending the blocks of a streamed answer together without holding any of them back.
//!
//! PEP 3333 wants a block on its way before the next one is asked for. Sent one by one, small blocks cost a segment
//! and a wake-up of the client each. So a block that followed quickly on the one before is handed to the kernel with
//! the word that more comes; if more does not come within a tick, the watcher, a thread of its own, has the kernel
//! send what it has. The watcher sleeps unless something is being streamed.

use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::Thread;
use std::time::Duration;

/// A block that comes within this time after the last one was handed over is likely to be followed by another.
pub(crate) const QUICK: Duration = Duration::from_micros(100);

/// How long the kernel is left waiting for more, at the least; twice that at the most.
const TICK: Duration = Duration::from_millis(1);

/// Ticks without anything held until the watcher goes to sleep.
const RESTLESS: u32 = 20;

/// What is being held back by the kernel, by application thread.
#[derive(Debug)]
pub(crate) struct Gatherer {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// For each thread, 0 or the descriptor + 1 below a count that makes every holding different from the last.
    held: Vec<AtomicU64>,
    awake: AtomicBool,
    stopped: AtomicBool,
    watcher: OnceLock<Option<Thread>>,
}

impl Gatherer {
    pub(crate) fn new(threads: usize) -> Gatherer {
        let shared = Shared {
            held: (0..threads).map(|_| AtomicU64::new(0)).collect(),
            awake: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            watcher: OnceLock::new(),
        };
        Gatherer {
            shared: Arc::new(shared),
        }
    }

    /// Notes that the kernel is about to hold something back for `socket`. False when nobody would watch over it:
    /// then nothing may be held.
    pub(crate) fn hold(&self, thread: u32, socket: RawFd) -> bool {
        let Some(held) = self.shared.held.get(thread as usize) else {
            return false;
        };
        let count = (held.load(Ordering::Relaxed) >> 32).wrapping_add(1);
        held.store(
            count << 32 | u64::from(socket.unsigned_abs() + 1),
            Ordering::Release,
        );
        let watcher = self.shared.watcher.get_or_init(|| self.start());
        if let Some(watcher) = watcher
            && !self.shared.awake.swap(true, Ordering::AcqRel)
        {
            watcher.unpark();
        }
        watcher.is_some()
    }

    /// Nothing is held any more: something was sent after it, or it was pushed.
    pub(crate) fn release(&self, thread: u32) {
        if let Some(held) = self.shared.held.get(thread as usize) {
            held.store(
                held.load(Ordering::Relaxed) & !u64::from(u32::MAX),
                Ordering::Release,
            );
        }
    }

    fn start(&self) -> Option<Thread> {
        let shared = Arc::clone(&self.shared);
        let watcher = std::thread::Builder::new().name(String::from("penstock-gather"));
        Some(watcher.spawn(move || shared.watch()).ok()?.thread().clone())
    }
}

impl Drop for Gatherer {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Release);
        if let Some(Some(watcher)) = self.shared.watcher.get() {
            watcher.unpark();
        }
    }
}

impl Shared {
    fn watch(&self) {
        let mut before = vec![0; self.held.len()];
        let mut quiet = 0;
        while !self.stopped.load(Ordering::Acquire) {
            if quiet < RESTLESS {
                std::thread::sleep(TICK);
            } else {
                self.awake.store(false, Ordering::Release);
                // Something held since then is seen below; after that, whoever holds something wakes us.
                if self
                    .held
                    .iter()
                    .all(|held| held.load(Ordering::Acquire) as u32 == 0)
                {
                    std::thread::park();
                }
            }
            quiet += 1;
            for (held, before) in self.held.iter().zip(&mut before) {
                let now = held.load(Ordering::Acquire);
                if now as u32 == 0 {
                    continue;
                }
                quiet = 0;
                if now == *before {
                    // Held for a whole tick. Should more have been held meanwhile, it is noted again.
                    let _ = held.compare_exchange(
                        now,
                        now & !u64::from(u32::MAX),
                        Ordering::AcqRel,
                        Ordering::Relaxed,
                    );
                    sys::push(now as u32 as RawFd - 1);
                }
                *before = now;
            }
        }
    }
}
