//! Sending the blocks of a streamed answer together without holding any of them back.
//!
//! PEP 3333 wants a block on its way before the next one is asked for, or a promise that it leaves while the application
//! makes the next one. Sent one by one, small blocks cost a system call, a segment and a wake-up of the client each. So a
//! block that followed quickly on the one before is left with the watcher, a thread of its own: the application's thread
//! takes it back to send it with what comes next, and what it has not taken back within two ticks, the watcher sends. The
//! watcher sleeps unless something is being streamed.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::Thread;
use std::time::Duration;

use rustix::net::SendFlags;

use crate::stream::Stream;

/// A block that comes within this time after the last one was handed over is likely to be followed by another.
pub(crate) const QUICK: Duration = Duration::from_micros(100);

/// How long blocks are left waiting for more, at the least; twice that at the most.
const TICK: Duration = Duration::from_millis(1);

/// Blocks of a streamed answer are gathered up to this size.
pub(crate) const GATHERED: usize = 64 << 10;

/// Ticks without anything held until the watcher goes to sleep.
const RESTLESS: u32 = 20;

/// What is left with the watcher, by application thread.
#[derive(Debug)]
pub(crate) struct Gatherer {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    held: Vec<Mutex<Held>>,
    awake: AtomicBool,
    stopped: AtomicBool,
    watcher: OnceLock<Option<Thread>>,
}

/// The blocks of one answer.
#[derive(Debug, Default)]
struct Held {
    bytes: Vec<u8>,
    /// The client's socket, under a number of its own: it stays this client's whatever becomes of the connection.
    socket: Option<OwnedFd>,
    /// How often there was something to hold where nothing was before.
    fillings: u64,
}

impl Gatherer {
    pub(crate) fn new(threads: usize) -> Gatherer {
        let shared = Shared {
            held: (0..threads).map(|_| Mutex::default()).collect(),
            awake: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            watcher: OnceLock::new(),
        };
        Gatherer {
            shared: Arc::new(shared),
        }
    }

    /// Begins an answer whose blocks are to be gathered. False when that is not possible: nobody would watch over them.
    pub(crate) fn begin(&self, thread: u32, stream: &Stream) -> bool {
        let Some(mut held) = self.shared.of(thread) else {
            return false;
        };
        if self.shared.watcher.get_or_init(|| self.start()).is_none() {
            return false;
        }
        held.bytes.clear();
        held.socket = stream.as_fd().try_clone_to_owned().ok();
        held.socket.is_some()
    }

    /// Takes `block`, which is empty afterwards; tells how much is held now.
    pub(crate) fn hold(&self, thread: u32, block: &mut Vec<u8>) -> usize {
        let Some(mut held) = self.shared.of(thread) else {
            return 0;
        };
        if !held.bytes.is_empty() {
            held.bytes.append(block);
            return held.bytes.len();
        }
        std::mem::swap(&mut held.bytes, block);
        held.fillings += 1;
        let length = held.bytes.len();
        drop(held);
        if let Some(Some(watcher)) = self.shared.watcher.get()
            && !self.shared.awake.swap(true, Ordering::AcqRel)
        {
            watcher.unpark();
        }
        length
    }

    /// Gives back what has not been sent, before the bytes in `tail`.
    pub(crate) fn take_back(&self, thread: u32, tail: &mut Vec<u8>) {
        if let Some(mut held) = self.shared.of(thread)
            && !held.bytes.is_empty()
        {
            held.bytes.append(tail);
            std::mem::swap(&mut held.bytes, tail);
        }
    }

    /// The answer is over: nothing more is to be sent.
    pub(crate) fn end(&self, thread: u32) {
        if let Some(mut held) = self.shared.of(thread) {
            held.bytes.clear();
            held.socket = None;
        }
    }

    fn start(&self) -> Option<Thread> {
        let shared = Arc::clone(&self.shared);
        let watcher = sys::spawn_watcher("penstock-gather", move || shared.watch());
        Some(watcher.ok()?.thread().clone())
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
    fn of(&self, thread: u32) -> Option<MutexGuard<'_, Held>> {
        // Whoever panicked with it left whole bytes behind.
        let held = self.held.get(thread as usize)?;
        Some(held.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn watch(&self) {
        let mut seen = vec![0; self.held.len()];
        let mut quiet = 0;
        while !self.stopped.load(Ordering::Acquire) {
            if quiet < RESTLESS {
                std::thread::sleep(TICK);
            } else {
                self.awake.store(false, Ordering::Release);
                // Something held since then is seen here; after that, whoever holds something wakes us.
                if (0..)
                    .map_while(|thread| self.of(thread))
                    .all(|held| held.bytes.is_empty())
                {
                    std::thread::park();
                }
            }
            quiet += 1;
            for (thread, seen) in (0..).zip(&mut seen) {
                let Some(mut held) = self.of(thread) else { break };
                if held.bytes.is_empty() {
                    continue;
                }
                quiet = 0;
                if held.fillings == *seen {
                    held.send();
                }
                *seen = held.fillings;
            }
        }
    }
}

impl Held {
    /// Sends as much as the socket takes now. Of an error the application's thread hears at its own next write.
    fn send(&mut self) {
        let Some(socket) = &self.socket else { return };
        match rustix::net::send(socket, &self.bytes, SendFlags::NOSIGNAL).map_err(io::Error::from) {
            Ok(sent) => {
                self.bytes.drain(..sent);
            }
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                ) => {}
            Err(_) => self.bytes.clear(),
        }
    }
}
