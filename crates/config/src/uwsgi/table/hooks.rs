//! What uWSGI's `hook-*` and `exec-*` mean here: `ACTION:ARGUMENTS` at a moment of the server's life, or a command for the shell.

use std::path::PathBuf;

use super::{Draft, Entry, does_with_text, leading_number};
use crate::{Awaited, Hook, HookAction, MasterCommand, Moment, Writing};

fn add(draft: &mut Draft<'_>, moment: Moment, text: &str) -> Result<(), String> {
    let Some(action) = action(draft, text)? else {
        return Ok(());
    };
    draft.settings.supervision.hooks.push(Hook {
        moment,
        action,
        text: text.to_owned(),
    });
    Ok(())
}

fn run(draft: &mut Draft<'_>, moment: Moment, command: &str) -> Result<(), String> {
    draft.commands.push(Hook {
        moment,
        action: HookAction::Run {
            command: command.to_owned(),
            strict: true,
        },
        text: command.to_owned(),
    });
    Ok(())
}

/// Commands come after the hooks of their moment, wherever they stand.
pub(in crate::uwsgi) fn finish(draft: &mut Draft<'_>) {
    let commands = std::mem::take(&mut draft.commands);
    draft.settings.supervision.hooks.extend(commands);
}

/// The first word and the rest, which may not be missing.
fn pair<'a>(name: &str, text: &'a str) -> Result<(&'a str, &'a str), String> {
    let (first, rest) = text.split_once(' ').ok_or_else(|| needs_two(name, text))?;
    Ok((first, rest.trim_start()))
}

fn needs_two(name: &str, text: &str) -> String {
    format!("the action {name} needs two arguments, and got '{text}'")
}

/// What a hook does; `None` when it is done by the configuration itself.
pub(super) fn action(draft: &mut Draft<'_>, text: &str) -> Result<Option<HookAction>, String> {
    let (name, given) = text
        .split_once(':')
        .ok_or_else(|| format!("invalid hook syntax, must be hook:args, and is '{text}'"))?;
    let path = || PathBuf::from(given);
    Ok(Some(match name {
        "exec" | "safeexec" => HookAction::Run {
            command: given.to_owned(),
            strict: name == "exec",
        },
        "print" | "log" => HookAction::Print(given.to_owned()),
        "write" | "append" | "writefifo" => {
            // As it is written, white space too.
            let (path, content) = given.split_once(' ').ok_or_else(|| needs_two(name, given))?;
            HookAction::Write {
                path: PathBuf::from(path),
                text: content.to_owned(),
                how: match name {
                    "write" => Writing::Replace,
                    "append" => Writing::Append,
                    _ => Writing::Pipe,
                },
            }
        }
        "create" => HookAction::Create(path()),
        "mkdir" => HookAction::MakeDirectory(path()),
        "unlink" => HookAction::Unlink(path()),
        "cd" | "chdir" => HookAction::ChangeDirectory(path()),
        "chmod" => {
            let (path, mode) = pair(name, given)?;
            let mode =
                u32::from_str_radix(mode, 8).map_err(|_| format!("'{mode}' is not an octal number"))?;
            HookAction::Chmod(PathBuf::from(path), mode & 0o7777)
        }
        "chown" | "chown2" => {
            let (path, owner) = pair(name, given)?;
            let (user, group) = owner
                .split_once([' ', ':'])
                .map_or((owner, None), |(user, group)| (user, Some(group)));
            HookAction::Chown(PathBuf::from(path), user.to_owned(), group.map(str::to_owned))
        }
        "putenv" => {
            let (variable, value) = given
                .split_once('=')
                .ok_or_else(|| format!("'{given}' has to be NAME=VALUE"))?;
            draft.settings.env.push((variable.to_owned(), value.to_owned()));
            return Ok(None);
        }
        "wait_for_fs" => HookAction::WaitFor(Awaited::Anything, path()),
        "wait_for_file" => HookAction::WaitFor(Awaited::File, path()),
        "wait_for_dir" => HookAction::WaitFor(Awaited::Directory, path()),
        "wait_for_socket" => HookAction::WaitFor(Awaited::Socket, path()),
        "exit" => HookAction::Exit(i32::try_from(leading_number(given) & 0xff).unwrap_or(1)),
        "alarm" => {
            let (name, text) = pair(name, given)?;
            HookAction::Alarm(name.to_owned(), text.to_owned())
        }
        "unix_signal" => {
            let (number, function) = pair(name, given)?;
            let signal = i32::try_from(leading_number(number)).unwrap_or_default();
            draft
                .settings
                .supervision
                .signals
                .push((signal, command(function)?));
            return Ok(None);
        }
        _ => return Err(format!("hook action not found: {name}{}", remedy(name))),
    }))
}

/// uWSGI's functions that a signal may be bound to.
fn command(function: &str) -> Result<MasterCommand, String> {
    Ok(match function.trim() {
        "gracefully_kill_them_all" => MasterCommand::Stop,
        "kill_them_all" => MasterCommand::StopNow,
        "grace_them_all" => MasterCommand::Reload,
        "reap_them_all" => MasterCommand::BrutalReload,
        "stats" => MasterCommand::LogStatistics,
        "suspend_resume_them_all" => MasterCommand::PauseOrResume,
        other => {
            return Err(format!(
                "unable to find function \"{other}\": give gracefully_kill_them_all, kill_them_all, grace_them_all, \
                 reap_them_all, suspend_resume_them_all or stats"
            ));
        }
    })
}

fn remedy(name: &str) -> &'static str {
    match name {
        "mount" | "umount" | "umount2" | "hostname" | "ifup" | "ifdown" | "ifaddr" | "ifhwaddr" | "ip"
        | "pivot_root" => ": what isolates a server is the service manager's or the container's business",
        "callint" | "callret" | "call" | "simple_call" | "retaincaps" | "rpc" | "rpcint" | "rpcret" => {
            ": functions of uWSGI's binary are not there, use exec:COMMAND"
        }
        _ => {
            ": give exec, safeexec, print, write, append, writefifo, create, mkdir, unlink, cd, chmod, chown, putenv, \
             wait_for_fs, wait_for_file, wait_for_dir, wait_for_socket, alarm, unix_signal or exit"
        }
    }
}

/// `wait-for-*`: a hook of the first moment.
fn wait_for(draft: &mut Draft<'_>, what: Awaited, path: &str) -> Result<(), String> {
    draft.settings.supervision.hooks.push(Hook {
        moment: Moment::Asap,
        action: HookAction::WaitFor(what, PathBuf::from(path)),
        text: format!("wait for {path}"),
    });
    Ok(())
}

/// The entries, in the order of the compatibility page.
pub(super) const ENTRIES: &[Entry] = &[
    does_with_text(
        &["hook-asap"],
        "ACTION:ARGUMENTS before anything is opened; may be repeated.",
        |d, v| add(d, Moment::Asap, v),
    ),
    does_with_text(&["hook-pre-jail"], "As hook-asap, directly after it.", |d, v| {
        add(d, Moment::PreJail, v)
    }),
    does_with_text(
        &["hook-post-jail"],
        "As hook-pre-jail, directly after it.",
        |d, v| add(d, Moment::PostJail, v),
    ),
    does_with_text(
        &["hook-in-jail"],
        "As hook-post-jail, directly after it.",
        |d, v| add(d, Moment::InJail, v),
    ),
    does_with_text(
        &["hook-as-root"],
        "Once the sockets are open, as the master's user; once.",
        |d, v| add(d, Moment::AsRoot, v),
    ),
    does_with_text(&["hook-as-user"], "Then, as the workers' user; once.", |d, v| {
        add(d, Moment::AsUser, v)
    }),
    does_with_text(
        &["hook-pre-app"],
        "Before workers load the application; once at start and once for each reload, lazy-apps or not.",
        |d, v| add(d, Moment::PreApp, v),
    ),
    does_with_text(
        &["hook-post-app"],
        "All workers have loaded the application; once at start and once for each reload.",
        |d, v| add(d, Moment::PostApp, v),
    ),
    does_with_text(
        &["hook-master-start"],
        "The master begins to supervise; unix_signal:NUMBER FUNCTION gives a signal another meaning.",
        |d, v| add(d, Moment::MasterStart, v),
    ),
    does_with_text(
        &["hook-post-fork"],
        "In each worker, before it loads the application.",
        |d, v| add(d, Moment::PostFork, v),
    ),
    does_with_text(
        &["hook-accepting"],
        "In each worker, before it accepts.",
        |d, v| add(d, Moment::Accepting, v),
    ),
    does_with_text(
        &["hook-accepting1"],
        "In the first worker, before it accepts.",
        |d, v| add(d, Moment::FirstAccepting, v),
    ),
    does_with_text(
        &["hook-accepting-once"],
        "As hook-accepting, but not in a worker that takes another's place.",
        |d, v| add(d, Moment::AcceptingOnce, v),
    ),
    does_with_text(
        &["hook-accepting1-once"],
        "As hook-accepting1, but not in a worker that takes another's place.",
        |d, v| add(d, Moment::FirstAcceptingOnce, v),
    ),
    does_with_text(
        &["hook-as-user-atexit"],
        "The server has stopped, as the workers' user; not at a reload, which ends no server here.",
        |d, v| add(d, Moment::AtExit, v),
    ),
    does_with_text(
        &["exec-asap"],
        "Command for the shell at hook-asap's moment; its failure ends the start.",
        |d, v| run(d, Moment::Asap, v),
    ),
    does_with_text(
        &["exec-pre-jail"],
        "As exec-asap, at hook-pre-jail's moment.",
        |d, v| run(d, Moment::PreJail, v),
    ),
    does_with_text(
        &["exec-post-jail"],
        "As exec-asap, at hook-post-jail's moment.",
        |d, v| run(d, Moment::PostJail, v),
    ),
    does_with_text(
        &["exec-in-jail"],
        "As exec-asap, at hook-in-jail's moment.",
        |d, v| run(d, Moment::InJail, v),
    ),
    does_with_text(
        &["exec-as-root"],
        "As exec-asap, at hook-as-root's moment.",
        |d, v| run(d, Moment::AsRoot, v),
    ),
    does_with_text(
        &["exec-as-user"],
        "As exec-asap, at hook-as-user's moment.",
        |d, v| run(d, Moment::AsUser, v),
    ),
    does_with_text(
        &["exec-pre-app"],
        "As exec-asap, at hook-pre-app's moment.",
        |d, v| run(d, Moment::PreApp, v),
    ),
    does_with_text(
        &["exec-post-app"],
        "As exec-asap, at hook-post-app's moment; at a reload its failure is only told.",
        |d, v| run(d, Moment::PostApp, v),
    ),
    does_with_text(
        &["exec-as-user-atexit"],
        "Command for the shell at hook-as-user-atexit's moment.",
        |d, v| run(d, Moment::AtExit, v),
    ),
    does_with_text(
        &["wait-for-fs"],
        "Start when there is something of this name; after 60 seconds the start fails.",
        |d, v| wait_for(d, Awaited::Anything, v),
    ),
    does_with_text(&["wait-for-file"], "As wait-for-fs, for a file.", |d, v| {
        wait_for(d, Awaited::File, v)
    }),
    does_with_text(&["wait-for-dir"], "As wait-for-fs, for a directory.", |d, v| {
        wait_for(d, Awaited::Directory, v)
    }),
    does_with_text(
        &["wait-for-socket"],
        "As wait-for-fs, for a unix socket that accepts.",
        |d, v| wait_for(d, Awaited::Socket, v),
    ),
];
