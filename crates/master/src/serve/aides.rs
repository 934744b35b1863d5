//! The processes beside the workers: forked and told what [`Aides`](crate::aides::Aides) decides.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use config::Aide;
use rustix::process::{Pid, Signal, kill_process};
use sys::Fork;

use super::Master;
use crate::aides::{AideAction, AideInput};
use crate::seat::AideSeat;
use crate::supervisor::Kind;

impl Master<'_> {
    /// Tells the decisions about aides what has happened, and does what follows.
    pub(super) fn aides_step(&mut self, input: AideInput) {
        for action in self.aides.step(self.now_ms(), input) {
            match action {
                AideAction::Spawn { index } => {
                    let input = match self.fork_aide(index) {
                        Ok(pid) => AideInput::Spawned { index, pid },
                        Err(error) => {
                            self.log
                                .error(format_args!("a process cannot be started: {error}"));
                            AideInput::SpawnFailed { index }
                        }
                    };
                    self.aides_step(input);
                }
                AideAction::Kill { pid, signal } => {
                    if let Some(pid) = Pid::from_raw(pid.cast_signed()) {
                        let _ = kill_process(pid, signal); // it may just have ended
                    }
                }
            }
        }
    }

    /// Starts those of the configuration in force, in place of whatever there was.
    pub(super) fn begin_aides(&mut self) {
        let count = self.era.settings.commons.aides().len();
        let mercy = self.era.settings.harakiri.mercy.as_millis();
        let mercy_ms = u64::try_from(mercy).unwrap_or(u64::MAX / 2);
        self.aides_step(AideInput::Begin { count, mercy_ms });
    }

    /// Has those of a kind leave; others take their places.
    pub(super) fn renew_aides(&self, kind: Kind) {
        let aides = self.era.settings.commons.aides();
        let meant = |aide: &Aide| match kind {
            Kind::Mules => matches!(aide, Aide::Mule { .. }),
            Kind::Spoolers => matches!(aide, Aide::Spooler { .. }),
        };
        let living = self.aides.living();
        for (_, pid) in living.filter(|(index, _)| aides.get(*index).is_some_and(meant)) {
            if let Some(pid) = Pid::from_raw(pid.cast_signed()) {
                let _ = kill_process(pid, Signal::TERM); // it may just have ended
            }
        }
    }

    /// Says what has become of one whose task took too long: the kernel has ended it by ALRM.
    pub(super) fn note_overdue_aide(&self, pid: u32, signal: Option<i32>) {
        if signal != Some(Signal::ALARM.as_raw()) {
            return;
        }
        let aides = self.era.settings.commons.aides();
        match self.aides.place_of(pid).and_then(|index| aides.get(index)) {
            Some(Aide::Mule { number, .. }) => self
                .log
                .error(format_args!("*** HARAKIRI ON MULE {number} (pid: {pid}) ***")),
            Some(Aide::Spooler { .. }) => self
                .log
                .error(format_args!("*** HARAKIRI ON THE SPOOLER (pid: {pid}) ***")),
            None => {}
        }
    }

    /// Has them leave, as fast as the workers have to.
    pub(super) fn stop_aides(&mut self) {
        let patience_ms = self.supervisor.patience_ms();
        self.aides_step(AideInput::Stop { patience_ms });
    }

    /// Forks one; the child does not return from here.
    fn fork_aide(&mut self, index: usize) -> io::Result<u32> {
        let settings = Arc::clone(&self.era.settings);
        let Some(aide) = settings.commons.aides().into_iter().nth(index) else {
            return Err(io::Error::other("there is no such process in the configuration"));
        };
        let title = aide.title();
        let blocked = sys::block_signals();
        match self.host.fork()? {
            Fork::Parent(pid) => {
                self.log.info(format_args!("spawned {title} (pid: {pid})"));
                Ok(pid)
            }
            Fork::Child => {
                let _signals = self.enter_child(blocked);
                if settings.process_titles {
                    sys::set_process_title(&title);
                }
                let share = self.share(self.era.generation);
                let seat = share.map(|share| AideSeat { share, aide });
                let code = match seat {
                    Ok(seat) => catch_unwind(AssertUnwindSafe(|| self.host.run_aide(seat))).unwrap_or(1),
                    Err(_) => 1,
                };
                self.host.leave(code)
            }
        }
    }
}
