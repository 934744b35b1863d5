//! Signals to the master. A handler only sets a flag and writes a byte; the loop in `serve` acts.
//!
//! A child inherits the handlers. Until it has its own, TERM, INT and QUIT end it at once: it has no requests yet.
//! Signals are blocked across the fork, so there is no moment in which one would be lost. Several signals of one kind
//! that arrive together count once, as signals do.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::SigId;
use signal_hook::consts::{
    SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGTTIN, SIGTTOU, SIGUSR1, SIGUSR2, SIGWINCH,
};

/// What a signal asks of the master, in the order in which those that arrive together are obeyed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MasterSignal {
    Usr1,
    Usr2,
    Winch,
    Ttin,
    Ttou,
    /// Only under uWSGI: the others stop at the terminal like any program.
    Tstp,
    Hup,
    Term,
    Int,
    Quit,
}

impl MasterSignal {
    /// The signal's number.
    pub(crate) fn number(self) -> i32 {
        let known = TABLE.iter().find(|(_, meaning)| *meaning == self);
        known.map_or(SIGTSTP, |(number, _)| *number)
    }
}

const TABLE: [(i32, MasterSignal); 9] = [
    (SIGUSR1, MasterSignal::Usr1),
    (SIGUSR2, MasterSignal::Usr2),
    (SIGWINCH, MasterSignal::Winch),
    (SIGTTIN, MasterSignal::Ttin),
    (SIGTTOU, MasterSignal::Ttou),
    (SIGHUP, MasterSignal::Hup),
    (SIGTERM, MasterSignal::Term),
    (SIGINT, MasterSignal::Int),
    (SIGQUIT, MasterSignal::Quit),
];

/// The master's signal handlers. Installed first thing at start, so that an early TERM or HUP is kept until the
/// master can obey it.
#[derive(Debug)]
pub struct Signals {
    wake: UnixStream,
    sender: UnixStream,
    flags: Vec<(MasterSignal, Arc<AtomicBool>)>,
    child: ChildSignals,
}

/// The part of the handlers that concerns a forked child.
#[derive(Clone, Debug)]
pub(crate) struct ChildSignals {
    /// Set in a child that has no handlers of its own yet.
    end_at_once: Arc<AtomicBool>,
    handlers: Arc<[SigId]>,
}

impl Signals {
    /// Installs the handlers in place of whatever was there.
    ///
    /// # Errors
    /// When descriptors run out.
    pub fn install() -> io::Result<Signals> {
        let (wake, sender) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        sender.set_nonblocking(true)?;
        let end_at_once = Arc::new(AtomicBool::new(false));
        let mut handlers = Vec::new();
        let mut flags = Vec::new();
        for (signal, meaning) in TABLE {
            sys::default_signal(signal)?; // otherwise Python's own handler would be called as well
            if matches!(
                meaning,
                MasterSignal::Term | MasterSignal::Int | MasterSignal::Quit
            ) {
                let condition = Arc::clone(&end_at_once);
                handlers.push(signal_hook::flag::register_conditional_shutdown(
                    signal, 0, condition,
                )?);
            }
            let flag = Arc::new(AtomicBool::new(false));
            // The flag first: when the byte arrives, it is set.
            handlers.push(signal_hook::flag::register(signal, Arc::clone(&flag))?);
            handlers.push(signal_hook::low_level::pipe::register(
                signal,
                sender.try_clone()?,
            )?);
            flags.push((meaning, flag));
        }
        handlers.push(signal_hook::low_level::pipe::register(
            SIGCHLD,
            sender.try_clone()?,
        )?);
        let child = ChildSignals {
            end_at_once,
            handlers: handlers.into(),
        };
        Ok(Signals {
            wake,
            sender,
            flags,
            child,
        })
    }

    /// Readable when a signal has arrived, the end of a child included.
    pub(crate) fn wake(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }

    /// What has been asked for since the last call.
    pub(crate) fn take(&self) -> Vec<MasterSignal> {
        while matches!((&self.wake).read(&mut [0; 64]), Ok(64)) {}
        let arrived = self
            .flags
            .iter()
            .filter(|(_, flag)| flag.swap(false, Ordering::SeqCst));
        arrived.map(|(meaning, _)| *meaning).collect()
    }

    /// Whether a signal that stops the server has arrived and was not taken yet.
    pub(crate) fn stop_wanted(&self) -> bool {
        let stops = |meaning| {
            matches!(
                meaning,
                MasterSignal::Term | MasterSignal::Int | MasterSignal::Quit
            )
        };
        let mut flags = self.flags.iter();
        flags.any(|(meaning, flag)| stops(*meaning) && flag.load(Ordering::SeqCst))
    }

    /// TSTP is a command, and does not halt the master.
    ///
    /// # Errors
    /// When descriptors run out.
    pub(crate) fn take_tstp(&mut self) -> io::Result<()> {
        let flag = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(SIGTSTP, Arc::clone(&flag))?;
        signal_hook::low_level::pipe::register(SIGTSTP, self.sender.try_clone()?)?;
        self.flags.push((MasterSignal::Tstp, flag));
        Ok(())
    }

    /// In a forked child, while signals are still blocked: from now on they are the child's own.
    pub(crate) fn enter_child(&self) -> ChildSignals {
        self.child.end_at_once.store(true, Ordering::SeqCst);
        // The application's children are its own business.
        let _ = sys::default_signal(SIGCHLD);
        self.child.clone()
    }
}

impl ChildSignals {
    /// The child has handlers of its own: the master's go.
    pub(crate) fn hand_over(&self) {
        self.end_at_once.store(false, Ordering::SeqCst);
        for handler in self.handlers.iter() {
            signal_hook::low_level::unregister(*handler);
        }
    }
}
