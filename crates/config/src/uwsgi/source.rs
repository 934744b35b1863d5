//! Where a configuration's text comes from: a file, standard input, an inherited descriptor, or what a command prints.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

/// The longest configuration that is read, in bytes: a device or a command may have no end.
const LONGEST: u64 = 16 << 20;

/// Reads the text that `name` stands for: a path from `directory`, `-`, `fd://N`, `exec://COMMAND`, `file://PATH`.
///
/// # Errors
/// A sentence that says what could not be read.
pub(super) fn read(name: &str, directory: &Path) -> Result<String, String> {
    let name = name.strip_prefix("file://").unwrap_or(name);
    let text = match name.split_once("://") {
        None if name == "-" => whole(&mut std::io::stdin().lock()),
        Some(("fd", number)) => {
            let number: u32 = number
                .parse()
                .map_err(|_| format!("cannot read {name}: write fd:// and a number"))?;
            std::fs::File::open(format!("/dev/fd/{number}")).and_then(|mut file| whole(&mut file))
        }
        Some(("exec", command)) => return printed(command, directory),
        Some((scheme, _)) => {
            return Err(format!(
                "cannot read {name}: {scheme}:// is not read here, because whoever answers would decide what runs: \
                 name a file, - for standard input, fd://N or exec://COMMAND"
            ));
        }
        None => std::fs::File::open(directory.join(name)).and_then(|mut file| whole(&mut file)),
    };
    text.map_err(|error| format!("cannot read {name}: {error}"))
}

fn whole(source: &mut impl Read) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    source.take(LONGEST).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What a shell command prints; how it exits does not matter, as in the original.
fn printed(command: &str, directory: &Path) -> Result<String, String> {
    let output = Command::new("/bin/sh")
        .args(["-c", command])
        .current_dir(directory)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cannot run {command}: {error}"))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
