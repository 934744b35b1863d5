//! A server that only keeps other servers (uWSGI's emperor and its vassals): plain data; `master` acts on it.

use std::path::{Path, PathBuf};
use std::time::Duration;

/// What the emperor reigns over, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emperor {
    /// Where the configurations of vassals are; each file is a server.
    pub provinces: Vec<Province>,
    /// Time between two looks. Default 3 s.
    pub frequency: Duration,
    /// First wait before a vassal that has ended is started again; it doubles while it ends before it served. Default 1 s.
    pub throttle: Duration,
    /// The longest such wait. Default 180 s.
    pub longest_throttle: Duration,
    /// How long a vassal may take to leave before it is killed. Default 30 s.
    pub tolerance: Duration,
    /// Endings of files that are configurations besides uWSGI's own.
    pub extensions: Vec<String>,
    /// Look at symbolic links themselves for a touch, not at what they lead to.
    pub no_follow: bool,
    /// Vassals finish their requests when they are stopped.
    pub graceful: bool,
    /// File for the emperor's process id.
    pub pidfile: Option<PathBuf>,
    /// Arguments for each vassal in front of its configuration.
    pub before: Vec<String>,
    /// Arguments for each vassal behind its configuration.
    pub after: Vec<String>,
    /// Command for the shell that is given the name of a vassal when it has been started.
    pub start_hook: Option<String>,
    /// The same when it has ended.
    pub stop_hook: Option<String>,
}

/// A place with configurations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Province {
    /// Every file in this directory that has the ending of a configuration. Vassals work there.
    Directory(PathBuf),
    /// Every such file that matches this pattern, from this directory on, where vassals work.
    Glob(PathBuf, String),
}

/// A configuration that was found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct VassalFile {
    /// Where the vassal works.
    pub directory: PathBuf,
    /// The file, seen from there: the vassal's name.
    pub name: String,
}

impl Default for Emperor {
    fn default() -> Self {
        Emperor {
            provinces: Vec::new(),
            frequency: Duration::from_secs(3),
            throttle: Duration::from_secs(1),
            longest_throttle: Duration::from_secs(180),
            tolerance: Duration::from_secs(30),
            extensions: Vec::new(),
            no_follow: false,
            graceful: false,
            pidfile: None,
            before: Vec::new(),
            after: Vec::new(),
            start_hook: None,
            stop_hook: None,
        }
    }
}

/// The option that reads a file of this name.
pub fn option_for_vassal(name: &str) -> &'static str {
    match Path::new(name).extension().and_then(|ending| ending.to_str()) {
        Some("xml") => "--xml",
        Some("yml" | "yaml") => "--yaml",
        Some("js" | "json") => "--json",
        _ => "--ini",
    }
}

impl Emperor {
    /// The files that are there now. A directory that cannot be read is an error, and no empty one: its vassals live on.
    ///
    /// # Errors
    /// A sentence that names the directory.
    pub fn find(&self) -> Result<Vec<VassalFile>, String> {
        let mut found = Vec::new();
        for province in &self.provinces {
            let (directory, names) = match province {
                Province::Glob(directory, pattern) => (directory, crate::glob::expand(directory, pattern)),
                Province::Directory(directory) => (directory, names_in(directory)?),
            };
            let files = names.into_iter().filter(|name| self.is_configuration(name));
            found.extend(files.map(|name| VassalFile {
                directory: directory.clone(),
                name,
            }));
        }
        found.retain(|file| file.path().is_file());
        found.sort();
        Ok(found)
    }

    fn is_configuration(&self, name: &str) -> bool {
        let own = [".xml", ".ini", ".yml", ".yaml", ".js", ".json"];
        let more = self.extensions.iter().map(String::as_str);
        own.into_iter()
            .chain(more)
            .any(|ending| name.len() > ending.len() && name.ends_with(ending))
    }
}

impl VassalFile {
    /// The whole path.
    pub fn path(&self) -> PathBuf {
        self.directory.join(&self.name)
    }
}

fn names_in(directory: &Path) -> Result<Vec<String>, String> {
    let failed = |error: std::io::Error| {
        format!(
            "the emperor cannot read the directory {} (option emperor): {error}",
            directory.display()
        )
    };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        names.extend(entry.map_err(failed)?.file_name().into_string());
    }
    Ok(names)
}
