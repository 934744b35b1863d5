//! `--paste FILE.ini#SECTION`: what the file means besides the application, which PasteDeploy makes of it.

use std::path::Path;

use crate::ConfigError;

/// The file that is named, as gunicorn takes it.
pub(super) struct Pasted {
    /// Absolute, with the section if one is named: the application is loaded when `chdir` has been followed.
    pub(super) uri: String,
    /// The same without the section; names the processes too.
    pub(super) file: String,
    /// It has a section `loggers`: then it is the `logconfig` where nothing else is.
    pub(super) configures_logging: bool,
}

impl Pasted {
    /// # Errors
    /// There is no such file below `directory`.
    pub(super) fn find(spec: &str, directory: &Path) -> Result<Pasted, ConfigError> {
        let uri = directory.join(spec).to_string_lossy().into_owned();
        let file = uri.split('#').next().unwrap_or_default().to_owned();
        let text = std::fs::read_to_string(&file).map_err(|error| {
            ConfigError::new(format!("Error: '{file}' not found (option paste): {error}"))
        })?;
        let configures_logging = text.lines().any(|line| line.starts_with("[loggers]"));
        Ok(Pasted {
            uri,
            file,
            configures_logging,
        })
    }
}
