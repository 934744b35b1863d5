//! Files that only one server at a time may have locked (uWSGI's `flock` and its kin). They stay locked until the last process of
//! the server has ended; the kernel sees to that.

use std::fs::File;
use std::time::Duration;

use config::{FileLock, Settings};
use telemetry::ErrorLog;

use crate::signals::Signals;
use crate::start::StartError;

/// Time between two tries.
const LOOK: Duration = Duration::from_millis(100);

/// Takes the locks of the process that was started, or those of the server in the background. To be kept.
///
/// # Errors
/// The file is not there, or somebody has it who is not to be waited for, or is for longer than this server is wanted.
pub fn lock_files(
    settings: &Settings,
    in_background: bool,
    signals: &Signals,
    log: &ErrorLog,
) -> Result<Vec<File>, StartError> {
    let locks = settings.supervision.file_locks.iter();
    let locks = locks.filter(|lock| lock.in_background == in_background);
    locks.map(|lock| take(lock, signals, log)).collect()
}

fn take(lock: &FileLock, signals: &Signals, log: &ErrorLog) -> Result<File, StartError> {
    let shown = lock.path.display();
    let file = File::options().read(true).write(true).open(&lock.path);
    let file = file.map_err(|error| {
        StartError::new(format!(
            "open(\"{shown}\"): {error}: create the file that is to be locked (option flock)"
        ))
    })?;
    let is_ours = || {
        sys::lock_file(&file).map_err(|error| StartError::new(format!("{shown} cannot be locked: {error}")))
    };
    if is_ours()? {
        return Ok(file);
    }
    if !lock.waits {
        let text = format!("uWSGI ERROR: {shown} is locked by another instance");
        return Err(StartError::new(text));
    }
    log.info(format_args!(
        "waiting until {shown} is not locked by another instance any more..."
    ));
    while !is_ours()? {
        if signals.stop_wanted() {
            let text = format!("{shown} is waited for no longer: the server is to stop");
            return Err(StartError::new(text));
        }
        std::thread::sleep(LOOK);
    }
    Ok(file)
}
