//! What uWSGI's options that let somebody command a running server mean here: the FIFO and touched files.

use super::rights::of_server;
use super::{Draft, Entry, does, does_with_text};
use crate::uwsgi::known::is_on;
use crate::{MasterCommand, Touch, Touched, WatchedDescriptor};

fn touch(draft: &mut Draft<'_>, path: &str, command: MasterCommand) -> Result<(), String> {
    add(draft, path, Touched::Command(command))
}

fn add(draft: &mut Draft<'_>, path: &str, what: Touched) -> Result<(), String> {
    let path = of_server(draft, path);
    draft.settings.supervision.touches.push(Touch { path, what });
    Ok(())
}

/// `FILE` and the rest.
fn pair<'a>(value: &'a str, what: &str) -> Result<(&'a str, &'a str), String> {
    let (path, rest) = value
        .split_once(' ')
        .ok_or_else(|| format!("'{value}' has to be FILE {what}"))?;
    Ok((path, rest.trim_start()))
}

/// `NUMBER[:BYTES][ TEXT]`
fn on_descriptor(draft: &mut Draft<'_>, value: &str, command: MasterCommand) -> Result<(), String> {
    let (which, text) = value.split_once(' ').unwrap_or((value, ""));
    let (number, length) = which.split_once(':').unwrap_or((which, "1"));
    let wrong = || {
        format!("'{value}' has to be NUMBER[:BYTES][ TEXT], the number being that of an inherited descriptor")
    };
    let number: i32 = number.parse().map_err(|_| wrong())?;
    let length: usize = length.parse().map_err(|_| wrong())?;
    draft.settings.supervision.descriptors.push(WatchedDescriptor {
        number,
        length: length.clamp(1, 1 << 16),
        text: text.to_owned(),
        command,
    });
    Ok(())
}

/// The entries, in the order of the compatibility page.
pub(super) const ENTRIES: &[Entry] = &[
    does(
        &["master-fifo"],
        "Named pipe for commands of one letter to the master; may be repeated, 0 to 9 choose one.",
        |d, v| {
            let path = d.environment.directory.join(of_server(d, v));
            d.settings.supervision.fifos.push(path);
            Ok(())
        },
    ),
    does_with_text(
        &["reload-on-fd"],
        "NUMBER[:BYTES][ TEXT]: reload when this inherited descriptor can be read; so many bytes (1) are read, and the text is for \
         the log; may be repeated.",
        |d, v| on_descriptor(d, v, MasterCommand::Reload),
    ),
    does_with_text(
        &["brutal-reload-on-fd"],
        "The same, but requests are not finished.",
        |d, v| on_descriptor(d, v, MasterCommand::BrutalReload),
    ),
    does(
        &["touch-chain-reload"],
        "Replace the workers one after the other when this file is touched.",
        |d, v| touch(d, v, MasterCommand::ChainReload),
    ),
    does(
        &["touch-workers-reload"],
        "Start new workers, with the configuration as it is, when this file is touched.",
        |d, v| touch(d, v, MasterCommand::ReloadWorkers),
    ),
    does(
        &["touch-logreopen"],
        "Open the log files again when this file is touched.",
        |d, v| touch(d, v, MasterCommand::ReopenLogs),
    ),
    does(
        &["exit-on-reload"],
        "A reload stops the server with code 0, once its requests are done.",
        |d, v| {
            d.settings.supervision.exit_on_reload = is_on(v);
            Ok(())
        },
    ),
    does(
        &["touch-logrotate"],
        "Set the log files aside when this file is touched.",
        |d, v| touch(d, v, MasterCommand::RotateLogs),
    ),
    does(
        &["touch-mules-reload"],
        "Replace the mules when this file is touched.",
        |d, v| touch(d, v, MasterCommand::ReloadMules),
    ),
    does(
        &["touch-spoolers-reload"],
        "Replace the spoolers when this file is touched.",
        |d, v| touch(d, v, MasterCommand::ReloadSpoolers),
    ),
    does(
        &["touch-signal", "fs-signal"],
        "FILE NUMBER: raise a signal of import uwsgi when the file is touched.",
        |d, v| {
            let (path, number) = pair(v, "NUMBER")?;
            let number = number
                .trim()
                .parse()
                .map_err(|_| format!("'{number}' is no number of a signal: give 0 to 255"))?;
            add(d, path, Touched::Signal(number))
        },
    ),
    does_with_text(
        &["hook-touch"],
        "FILE ACTION:ARGUMENTS: do what a hook does when the file is touched, as the workers' user.",
        |d, v| {
            let (path, text) = pair(v, "ACTION:ARGUMENTS")?;
            match super::hooks::action(d, text)? {
                Some(action) => add(d, path, Touched::Hook(action, text.to_owned())),
                None => Err(format!("'{text}' can only be done at the server's start")),
            }
        },
    ),
    does_with_text(
        &["touch-exec"],
        "FILE COMMAND: have the shell run the command when the file is touched.",
        |d, v| {
            let (path, command) = pair(v, "COMMAND")?;
            add(d, path, Touched::Run(command.to_owned()))
        },
    ),
];
