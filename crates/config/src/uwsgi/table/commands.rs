//! What uWSGI's options that let somebody command a running server mean here: the FIFO and touched files.

use std::path::PathBuf;

use super::{Draft, Entry, at_start, does, does_with_text};
use crate::{MasterCommand, Touch, Touched};

fn touch(draft: &mut Draft<'_>, path: &str, command: MasterCommand) -> Result<(), String> {
    draft.settings.supervision.touches.push(Touch {
        path: PathBuf::from(path),
        what: Touched::Command(command),
    });
    Ok(())
}

/// The entries, in the order of the compatibility page.
pub(super) const ENTRIES: &[Entry] = &[
    does(
        &["master-fifo"],
        "Named pipe for commands of one letter to the master; may be repeated, 0 to 9 choose one.",
        |d, v| {
            let path = at_start(d, v);
            d.settings.supervision.fifos.push(path);
            Ok(())
        },
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
    does_with_text(
        &["touch-exec"],
        "FILE COMMAND: have the shell run the command when the file is touched.",
        |d, v| {
            let (path, command) = v
                .split_once(' ')
                .ok_or_else(|| format!("'{v}' has to be FILE COMMAND"))?;
            d.settings.supervision.touches.push(Touch {
                path: PathBuf::from(path),
                what: Touched::Run(command.trim_start().to_owned()),
            });
            Ok(())
        },
    ),
];
