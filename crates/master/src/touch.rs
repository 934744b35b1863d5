//! Files whose touching reloads the server.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The files and what their times were when last looked at.
#[derive(Debug)]
pub(crate) struct TouchWatch {
    files: Vec<(PathBuf, Option<SystemTime>)>,
}

impl TouchWatch {
    pub(crate) fn new(paths: &[PathBuf]) -> TouchWatch {
        TouchWatch {
            files: paths.iter().map(|path| (path.clone(), modified(path))).collect(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// The files that have changed since the last call. A file that disappears is not touched; one that appears is.
    pub(crate) fn touched(&mut self) -> Vec<PathBuf> {
        let mut touched = Vec::new();
        for (path, seen) in &mut self.files {
            let now = modified(path);
            if now != *seen && now.is_some() {
                touched.push(path.clone());
            }
            *seen = now;
        }
        touched
    }
}

fn modified(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path)
        .and_then(|metadata| metadata.modified())
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_counts_when_it_appears_or_its_time_changes() {
        let path = std::env::temp_dir().join(format!("penstock-touch-{}", std::process::id()));
        let mut watch = TouchWatch::new(std::slice::from_ref(&path));
        assert!(watch.touched().is_empty());
        let file = std::fs::File::create(&path).expect("create");
        assert_eq!(watch.touched(), std::slice::from_ref(&path));
        assert!(watch.touched().is_empty());
        file.set_modified(SystemTime::UNIX_EPOCH).expect("set time");
        assert_eq!(watch.touched(), std::slice::from_ref(&path));
        std::fs::remove_file(&path).expect("remove");
        assert!(watch.touched().is_empty());
    }
}
