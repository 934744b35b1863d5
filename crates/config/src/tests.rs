//! Tables of command lines, variables and files with the settings or the error they must give.

mod dialects;
mod pages;
mod uvicorn;
mod uwsgi_grammar;
mod uwsgi_options;
mod uwsgi_shapes;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::Environment;

/// A directory of its own with these files, removed when dropped.
struct Directory(PathBuf);

impl Directory {
    fn with(files: &[(&str, &str)]) -> Directory {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("penstock-config-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a temporary directory can be made");
        for (name, text) in files {
            std::fs::write(path.join(name), text).expect("a file in it can be written");
        }
        Directory(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // A directory that cannot be removed does not fail a test.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn environment(program: &str, directory: &Path, variables: &[(&str, &str)]) -> Environment {
    Environment {
        variables: variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect::<BTreeMap<_, _>>(),
        directory: directory.to_owned(),
        program: program.to_owned(),
    }
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}
