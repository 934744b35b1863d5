//! Actions at moments of the server's life (uWSGI's `hook-*` and `exec-*`). Those of a moment at which the server has given up
//! its rights are done by a process that has the workers' user; workers do their own.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, chown};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use config::{Awaited, Dialect, HookAction, Moment, PATIENCE_OF_HOOKS, Settings, Writing};
use rustix::fs::OFlags;
use rustix::process::{Pid, WaitOptions, waitpid};
use sys::{Fork, Identity, monotonic_ms};
use telemetry::{ErrorLog, ExitStatus};

use crate::host::HookFailed;
use crate::programs;
use crate::signals::Signals;
use crate::start::owner;

/// Time between two looks at what is waited for.
const LOOK: Duration = Duration::from_millis(100);

/// Does what the configuration wants done at `moment`, in a worker, which has its user already.
///
/// # Errors
/// When a hook fails: the worker's exit code.
pub fn run_hooks_of_worker(settings: &Settings, moment: Moment, log: &ErrorLog) -> Result<(), i32> {
    run(settings, moment, None, None, log).map_err(|failed| {
        failed.message.lines().for_each(|line| log.error(line));
        failed.exit_code
    })
}

/// Does what the configuration wants done at `moment`; `identity`: who the workers are.
pub(crate) fn run(
    settings: &Settings,
    moment: Moment,
    identity: Option<&Identity>,
    signals: Option<&Signals>,
    log: &ErrorLog,
) -> Result<(), HookFailed> {
    // Under another root, root is confined to it too.
    let root = identity.filter(|who| moment == Moment::AsRoot && who.confinement.is_some());
    let root = root.map(|who| Identity {
        confinement: who.confinement.clone(),
        ..Identity::default()
    });
    let identity = identity.filter(|_| moment.is_unprivileged()).or(root.as_ref());
    for hook in settings
        .supervision
        .hooks
        .iter()
        .filter(|hook| hook.moment == moment)
    {
        log.info(format_args!("running \"{}\" ({})...", hook.text, moment.name()));
        act(&hook.action, identity, signals, log)?;
    }
    Ok(())
}

/// Does it, as that user where there is one.
pub(crate) fn act(
    action: &HookAction,
    identity: Option<&Identity>,
    signals: Option<&Signals>,
    log: &ErrorLog,
) -> Result<(), HookFailed> {
    let fatal = |message: String| HookFailed {
        message: format!("{message}\nFATAL hook failed, destroying instance"),
        exit_code: 1,
    };
    match action {
        HookAction::Print(text) => log.info(text),
        HookAction::Alarm(name, text) => {
            telemetry::alarms::raise(name, text.as_bytes());
        }
        HookAction::Exit(code) => {
            return Err(HookFailed {
                message: format!("a hook ends the server with code {code}"),
                exit_code: *code,
            });
        }
        HookAction::ChangeDirectory(path) => std::env::set_current_dir(path)
            .map_err(|error| fatal(format!("chdir() to {}: {error}", path.display())))?,
        HookAction::Run { command, strict } => {
            let failed = match programs::run(command, identity, signals, log) {
                Ok(ExitStatus::Code(0)) => return Ok(()),
                Ok(ExitStatus::Code(code)) => {
                    format!("command \"{command}\" exited with non-zero code: {code}")
                }
                Ok(ExitStatus::Signal(signal)) => {
                    format!("command \"{command}\" was ended by signal {signal}")
                }
                Err(message) => message,
            };
            if *strict {
                return Err(fatal(failed));
            }
            log.error(failed);
        }
        _ => match identity {
            None => handle(action, signals).map_err(fatal)?,
            Some(identity) => as_user(identity, action, log).map_err(fatal)?,
        },
    }
    Ok(())
}

/// Has a process of that user act.
fn as_user(identity: &Identity, action: &HookAction, log: &ErrorLog) -> Result<(), String> {
    match sys::fork().map_err(|error| format!("cannot fork: {error}"))? {
        Fork::Child => {
            let done = sys::become_user(identity)
                .map_err(|error| error.to_string())
                .and_then(|()| handle(action, None));
            sys::exit_now(match done {
                Ok(()) => 0,
                Err(message) => {
                    log.error(message);
                    1
                }
            })
        }
        Fork::Parent(child) => {
            let status = waitpid(Pid::from_raw(child.cast_signed()), WaitOptions::empty())
                .map_err(|error| io::Error::from(error).to_string())?;
            match status.and_then(|(_, status)| status.exit_status()) {
                Some(0) => Ok(()),
                _ => Err("it failed as the workers' user".to_owned()),
            }
        }
    }
}

/// What concerns files.
fn handle(action: &HookAction, signals: Option<&Signals>) -> Result<(), String> {
    let said = |what: &str, path: &Path, error: io::Error| format!("{what} {}: {error}", path.display());
    match action {
        HookAction::Write { path, text, how } => {
            write(path, text, *how).map_err(|error| said("cannot write to", path, error))
        }
        HookAction::Create(path) => File::create(path)
            .map(drop)
            .map_err(|error| said("cannot create", path, error)),
        HookAction::MakeDirectory(path) => std::fs::DirBuilder::new()
            .mode(0o777)
            .create(path)
            .map_err(|error| said("cannot make the directory", path, error)),
        HookAction::Unlink(path) => {
            std::fs::remove_file(path).map_err(|error| said("cannot remove", path, error))
        }
        HookAction::Chmod(path, mode) => {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(*mode))
                .map_err(|error| said("cannot change the mode of", path, error))
        }
        HookAction::Chown(path, user, group) => {
            let (uid, gid) =
                owner(Some(user), group.as_deref(), Dialect::Uwsgi).map_err(|error| error.message)?;
            chown(path, uid, gid).map_err(|error| said("cannot change the owner of", path, error))
        }
        HookAction::WaitFor(what, path) => wait_for(*what, path, signals),
        HookAction::Run { .. }
        | HookAction::Alarm(..)
        | HookAction::Print(_)
        | HookAction::Exit(_)
        | HookAction::ChangeDirectory(_) => Ok(()), // done before
    }
}

fn write(path: &Path, text: &str, how: Writing) -> io::Result<()> {
    let mut options = OpenOptions::new();
    match how {
        Writing::Replace => options.write(true).create(true).truncate(true),
        Writing::Append => options.append(true).create(true),
        // A pipe that nobody reads is an error, and not waited for.
        Writing::Pipe => options
            .write(true)
            .custom_flags(OFlags::NONBLOCK.bits().cast_signed()),
    };
    options.open(path)?.write_all(text.as_bytes())
}

fn wait_for(what: Awaited, path: &Path, signals: Option<&Signals>) -> Result<(), String> {
    let end_ms = monotonic_ms() + PATIENCE_OF_HOOKS.as_millis() as u64;
    let is_there = || match what {
        Awaited::Anything => path.exists(),
        Awaited::File => path.is_file(),
        Awaited::Directory => path.is_dir(),
        Awaited::Socket => UnixStream::connect(path).is_ok(),
    };
    while !is_there() {
        if signals.is_some_and(Signals::stop_wanted) {
            return Err(format!(
                "{} is waited for no longer: the server is to stop",
                path.display()
            ));
        }
        if monotonic_ms() >= end_ms {
            let seconds = PATIENCE_OF_HOOKS.as_secs();
            return Err(format!("{} unavailable after {seconds} seconds", path.display()));
        }
        std::thread::sleep(LOOK);
    }
    Ok(())
}
