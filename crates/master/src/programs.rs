//! Commands that the master has the shell run: they get a process group of their own, the user that is named, and none of the
//! server's descriptors but the standard streams.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use config::Daemon;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Signal, WaitOptions, kill_process_group, waitpid};
use telemetry::{ErrorLog, ExitStatus};

use crate::signals::Signals;

/// Time between two looks at a command that is waited for.
const LOOK: Duration = Duration::from_millis(10);

/// Starts a command and returns its process id, which is that of its group too. Whoever starts it reaps it.
///
/// # Errors
/// When there is no shell, no such directory, or no right to become the user.
pub(crate) fn start(
    command: &str,
    identity: Option<&sys::Identity>,
    directory: Option<&Path>,
) -> io::Result<u32> {
    spawn(command, identity, directory, Stdio::null())
}

/// As [`start`], with a text on its standard input: as much of it as a pipe takes at once.
///
/// # Errors
/// As [`start`].
pub(crate) fn start_with(command: &str, identity: Option<&sys::Identity>, text: &[u8]) -> io::Result<u32> {
    let (reading, writing) = pipe_with(PipeFlags::CLOEXEC)?;
    rustix::io::ioctl_fionbio(&writing, true)?;
    let _ = rustix::io::write(&writing, text)?;
    spawn(command, identity, None, Stdio::from(reading))
}

/// Starts a command with these standard streams, as the master's user.
///
/// # Errors
/// When there is no shell.
pub(crate) fn start_between(command: &str, streams: [OwnedFd; 3]) -> io::Result<u32> {
    let [input, output, error] = streams;
    let mut shell = shell(command, Stdio::from(input));
    shell.stdout(output).stderr(error).process_group(0);
    Ok(shell.spawn()?.id())
}

/// What the shell runs for a program in the background: the pidfile is `$0`, the command `$1`, and has the process to itself.
const IN_BACKGROUND: &str = r#"/bin/sh -c 'echo $$ >"$0" && eval "exec $1"' "$0" "$1" &"#;

/// Starts a program beside the workers. One that stays in the foreground is killed when the master is gone: nobody else would
/// stop it then.
///
/// # Errors
/// As [`start`].
pub(crate) fn start_daemon(daemon: &Daemon, identity: Option<&sys::Identity>) -> io::Result<u32> {
    let mut shell = match (&daemon.pidfile, daemon.in_background) {
        (Some(pidfile), true) => {
            let mut shell = shell(IN_BACKGROUND, Stdio::null());
            shell.arg(pidfile).arg(&daemon.command);
            shell
        }
        _ => shell(&daemon.command, Stdio::null()),
    };
    dress(&mut shell, identity, daemon.directory.as_deref())?;
    sys::own_session(&mut shell, daemon.pidfile.is_none());
    Ok(shell.spawn()?.id())
}

fn shell(command: &str, input: Stdio) -> Command {
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(command).stdin(input);
    shell
}

fn spawn(
    command: &str,
    identity: Option<&sys::Identity>,
    directory: Option<&Path>,
    input: Stdio,
) -> io::Result<u32> {
    let mut shell = shell(command, input);
    dress(&mut shell, identity, directory)?;
    Ok(shell.process_group(0).spawn()?.id())
}

/// Has a command be run by that user, in that directory.
fn dress(shell: &mut Command, identity: Option<&sys::Identity>, directory: Option<&Path>) -> io::Result<()> {
    let mut identity = identity.cloned();
    let confinement = identity.as_mut().and_then(|who| who.confinement.as_mut());
    match (directory, confinement) {
        (Some(directory), Some(confined)) => confined.enter_at(directory)?,
        (Some(directory), None) => {
            shell.current_dir(directory);
        }
        (None, _) => {}
    }
    if let Some(identity) = &identity {
        sys::start_as(shell, identity);
    }
    Ok(())
}

/// Runs a command to its end, which a signal that stops the server brings about too. What it prints is logged meanwhile.
///
/// # Errors
/// A sentence: why it cannot be started, or that the server was told to stop.
pub(crate) fn run(
    command: &str,
    identity: Option<&sys::Identity>,
    signals: Option<&Signals>,
    log: &ErrorLog,
) -> Result<ExitStatus, String> {
    let started =
        start(command, identity, None).map_err(|error| format!("command \"{command}\": {error}"))?;
    let pid = Pid::from_raw(started.cast_signed()).ok_or("a process without an id")?;
    loop {
        match waitpid(Some(pid), WaitOptions::NOHANG) {
            Ok(None) => {
                log.take_output();
                std::thread::sleep(LOOK);
            }
            Ok(Some((_, status))) => {
                return Ok(match status.exit_status() {
                    Some(code) => ExitStatus::Code(code),
                    None => ExitStatus::Signal(status.terminating_signal().unwrap_or_default()),
                });
            }
            Err(error) => return Err(format!("command \"{command}\": {}", io::Error::from(error))),
        }
        if signals.is_some_and(Signals::stop_wanted) {
            let _ = kill_process_group(pid, Signal::KILL);
            let _ = waitpid(Some(pid), WaitOptions::empty());
            return Err(format!("command \"{command}\" was killed: the server is to stop"));
        }
    }
}
