//! What the master does beside keeping its workers: commands from named pipes and files, actions at moments of its life,
//! programs it keeps running or starts by the clock. Plain data, of which uWSGI's dialect alone makes any; `master` acts on it.

use std::path::PathBuf;
use std::time::Duration;

use crate::Alarms;

/// All of it. By default there is nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Supervision {
    /// Named pipes that take commands of one letter; the first is read until another is chosen by its number.
    pub fifos: Vec<PathBuf>,
    /// Files whose touching is a command, beside [`crate::Settings::touch_reload`].
    pub touches: Vec<Touch>,
    /// Signals, by number, that are commands of another kind than the dialect's.
    pub signals: Vec<(i32, MasterCommand)>,
    /// A reload stops the server, for somebody else to start it anew.
    pub exit_on_reload: bool,
    /// What is done at moments of the server's life, in this order.
    pub hooks: Vec<Hook>,
    /// Programs that run beside the workers.
    pub daemons: Vec<Daemon>,
    /// Commands that are run by the clock.
    pub timetable: Vec<TimedCommand>,
    /// Who is told when something bad happens.
    pub alarms: Alarms,
    /// Inherited descriptors that bring commands.
    pub descriptors: Vec<WatchedDescriptor>,
    /// Files that only one server at a time may have locked.
    pub file_locks: Vec<FileLock>,
}

/// An inherited descriptor that is a command whenever it can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchedDescriptor {
    /// Its number.
    pub number: i32,
    /// How many bytes are read each time, at most.
    pub length: usize,
    /// What the log says then; empty: that it is ready.
    pub text: String,
    /// What it asks for.
    pub command: MasterCommand,
}

/// A file that is locked from the start of the server to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileLock {
    /// The file, which has to be there.
    pub path: PathBuf,
    /// Another holder is waited for, instead of ending the start.
    pub waits: bool,
    /// By the server in the background, rather than by the process that was started.
    pub in_background: bool,
}

/// A file whose touching is a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touch {
    /// The file; it need not exist.
    pub path: PathBuf,
    /// What its touching asks for.
    pub what: Touched,
}

/// What a touched file asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Touched {
    /// A command to the master.
    Command(MasterCommand),
    /// The shell runs this.
    Run(String),
    /// This is done, as at a moment of the server's life.
    Hook(HookAction, String),
    /// The numbered signal of applications is raised.
    Signal(u8),
    /// The program of this place in [`Supervision::daemons`] is stopped, and thereby started anew.
    Daemon(usize),
}

/// What can be asked of a running master.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MasterCommand {
    /// Read the configuration again, start new workers beside the old ones, which then finish their requests.
    Reload,
    /// The same, but the old workers do not finish their requests.
    BrutalReload,
    /// New workers beside the old ones, with the configuration as it is.
    ReloadWorkers,
    /// The same, but the old workers do not finish their requests.
    BrutalReloadWorkers,
    /// Replace one worker after the other.
    ChainReload,
    /// Finish requests and stop.
    Stop,
    /// Stop at once.
    StopNow,
    /// Halt all workers where they are; again: let them go on.
    PauseOrResume,
    /// One worker more, where their number is not fixed.
    MoreWorkers,
    /// One worker fewer, where their number is not fixed.
    FewerWorkers,
    /// All workers leave until somebody connects.
    GoCheap,
    /// Write how many requests each worker has served to the log.
    LogStatistics,
    /// Open the log files again.
    ReopenLogs,
    /// Write the pidfile again.
    RewritePidfile,
    /// Set the log files aside and begin new ones.
    RotateLogs,
    /// Replace the mules.
    ReloadMules,
    /// Replace the spoolers.
    ReloadSpoolers,
}

/// An action at a moment of the server's life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// When.
    pub moment: Moment,
    /// What.
    pub action: HookAction,
    /// As the user wrote it, for the log.
    pub text: String,
}

/// A moment in the life of the server, in the order of that life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Moment {
    /// Before anything is opened.
    Asap,
    /// The pidfile is not written and no socket is open.
    PreJail,
    /// Directly after that.
    PostJail,
    /// Directly after that.
    InJail,
    /// Before rights are given up.
    AsRoot,
    /// As the user that workers become.
    AsUser,
    /// Before the workers load the application; once for each load of the configuration.
    PreApp,
    /// All workers have loaded the application; once for each load of the configuration.
    PostApp,
    /// The master is about to supervise.
    MasterStart,
    /// In each worker, right after the fork.
    PostFork,
    /// In each worker, when it accepts.
    Accepting,
    /// In the first worker, when it accepts.
    FirstAccepting,
    /// As [`Moment::Accepting`], but not in a worker that takes the place of one that died.
    AcceptingOnce,
    /// As [`Moment::FirstAccepting`], but not in a worker that takes the place of one that died.
    FirstAcceptingOnce,
    /// The server has stopped, as the user that workers became.
    AtExit,
}

impl Moment {
    /// As uWSGI's log names it.
    pub fn name(self) -> &'static str {
        match self {
            Moment::Asap => "asap",
            Moment::PreJail => "pre-jail",
            Moment::PostJail => "post-jail",
            Moment::InJail => "in-jail",
            Moment::AsRoot => "as root",
            Moment::AsUser => "as user",
            Moment::PreApp => "pre app",
            Moment::PostApp => "post app",
            Moment::MasterStart => "master-start",
            Moment::PostFork => "post-fork",
            Moment::Accepting => "accepting",
            Moment::FirstAccepting => "accepting1",
            Moment::AcceptingOnce => "accepting-once",
            Moment::FirstAcceptingOnce => "accepting1-once",
            Moment::AtExit => "atexit",
        }
    }

    /// Whether it is reached by the user that workers become, rather than by the master's.
    pub fn is_unprivileged(self) -> bool {
        self >= Moment::AsUser && self != Moment::MasterStart
    }
}

/// What a hook does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HookAction {
    /// Have the shell run this and wait; if `strict`, a failure ends the start.
    Run {
        /// The command.
        command: String,
        /// Whether its failure is one of the server.
        strict: bool,
    },
    /// Write a line to the log.
    Print(String),
    /// Write a text to a file or a named pipe.
    Write {
        /// The file.
        path: PathBuf,
        /// The text.
        text: String,
        /// How.
        how: Writing,
    },
    /// Make an empty file, or empty one.
    Create(PathBuf),
    /// Make a directory.
    MakeDirectory(PathBuf),
    /// Remove a file.
    Unlink(PathBuf),
    /// Set the mode of a file.
    Chmod(PathBuf, u32),
    /// Set the owner of a file: names or numbers.
    Chown(PathBuf, String, Option<String>),
    /// Go on in another directory.
    ChangeDirectory(PathBuf),
    /// Wait until something is there.
    WaitFor(Awaited, PathBuf),
    /// Raise the alarm of this name with this text.
    Alarm(String, String),
    /// End the server, or the process, with this exit code.
    Exit(i32),
}

/// How a text is written to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writing {
    /// In place of what is there.
    Replace,
    /// After what is there.
    Append,
    /// To a named pipe that somebody reads; nobody is waited for.
    Pipe,
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaited {
    /// Anything of that name.
    Anything,
    /// A file.
    File,
    /// A directory.
    Directory,
    /// A unix socket that accepts.
    Socket,
}

/// How long a hook waits for something to be there.
pub const PATIENCE_OF_HOOKS: Duration = Duration::from_secs(60);

/// A program that runs beside the workers for as long as the server does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Daemon {
    /// What the shell runs.
    pub command: String,
    /// It goes into the background by itself and writes its process id here. Such a program stays when the server stops, unless
    /// [`Daemon::control`] is set, and is not started while it lives.
    pub pidfile: Option<PathBuf>,
    /// The server stops when the program ends, and the program with the server.
    pub control: bool,
    /// Time between two looks at the pidfile. Default 10 s.
    pub frequency: Duration,
    /// It does not go into the background by itself: the server puts it there, and writes the pidfile.
    pub in_background: bool,
    /// The number of the signal it is stopped with. Default 15 (TERM).
    pub stop_signal: i32,
    /// The number of the signal it is stopped with at a reload; `None`: the same.
    pub reload_signal: Option<i32>,
    /// Who it runs as; `None`: as the workers.
    pub user: Option<String>,
    /// Its group; `None`: the workers'.
    pub group: Option<String>,
    /// Where it runs.
    pub directory: Option<PathBuf>,
    /// The longest wait before it is started again. Default 180 s.
    pub longest_wait: Duration,
}

impl Daemon {
    /// A program with uWSGI's defaults.
    pub fn new(command: &str) -> Daemon {
        Daemon {
            command: command.to_owned(),
            pidfile: None,
            control: false,
            frequency: Duration::from_secs(10),
            in_background: false,
            stop_signal: 15,
            reload_signal: None,
            user: None,
            group: None,
            directory: None,
            longest_wait: Duration::from_secs(180),
        }
    }
}

/// A command that is run by the clock, in local time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimedCommand {
    /// Minute, hour, day of the month, month, day of the week (0 and 7 are Sunday).
    pub when: [When; 5],
    /// What the shell runs.
    pub command: String,
    /// Not while it still runs from the time before.
    pub unique: bool,
}

/// When a field of a timetable is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Always: -1.
    Any,
    /// At this number.
    At(u32),
    /// At multiples of this number, at least 2: -N.
    Every(u32),
}

impl TimedCommand {
    /// Whether it is due at this minute, hour, day of the month, month and day of the week (0 is Sunday). As in cron, where both
    /// days are given either will do.
    pub fn is_due(&self, [minute, hour, day, month, weekday]: [u32; 5]) -> bool {
        let fits = |when: When, now: u32| match when {
            When::Any => true,
            When::At(number) => number == now,
            When::Every(number) => now.is_multiple_of(number),
        };
        let weekday_fits = fits(self.when[4], weekday) || (weekday == 0 && self.when[4] == When::At(7));
        let day_fits = match (self.when[2], self.when[4]) {
            (When::Any, _) => weekday_fits,
            (_, When::Any) => fits(self.when[2], day),
            _ => fits(self.when[2], day) || weekday_fits,
        };
        fits(self.when[0], minute) && fits(self.when[1], hour) && fits(self.when[3], month) && day_fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use When::{Any, At, Every};

    #[test]
    fn a_timed_command_is_due_when_each_of_its_fields_fits_and_either_of_its_days() {
        let table: [([When; 5], [u32; 5], bool); 12] = [
            ([Any; 5], [0, 0, 1, 1, 0], true),
            ([At(30), Any, Any, Any, Any], [30, 7, 1, 1, 0], true),
            ([At(30), Any, Any, Any, Any], [31, 7, 1, 1, 0], false),
            ([At(0), At(2), Any, Any, Any], [0, 2, 9, 9, 3], true),
            ([Every(5), Any, Any, Any, Any], [10, 2, 9, 9, 3], true),
            ([Every(5), Any, Any, Any, Any], [11, 2, 9, 9, 3], false),
            ([Any, Any, At(9), Any, Any], [0, 0, 9, 1, 3], true),
            ([Any, Any, At(9), Any, At(3)], [0, 0, 1, 1, 3], true),
            ([Any, Any, At(9), Any, At(3)], [0, 0, 1, 1, 4], false),
            ([Any, Any, Any, Any, At(7)], [0, 0, 1, 1, 0], true),
            ([Any, Any, Any, At(2), Any], [0, 0, 1, 1, 0], false),
            ([Any, Any, Any, Any, At(1)], [0, 0, 1, 1, 2], false),
        ];
        for (when, now, due) in table {
            let timed = TimedCommand {
                when,
                command: String::new(),
                unique: false,
            };
            assert_eq!(timed.is_due(now), due, "{when:?} at {now:?}");
        }
    }
}
