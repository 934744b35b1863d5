//! What uWSGI's options mean here that say which application is served, and where it is looked for. Several of them at once are
//! in `loading`.

use std::path::{Path, PathBuf};

use super::rights::seen_from_here;
use super::{Draft, Entry, always, at_start, does, does_with_text, natural};
use crate::glob;
use crate::uwsgi::known::is_on;

/// Whether a directory that the workers are to be in is there.
pub(super) fn is_directory(draft: &Draft<'_>, path: &Path) -> Result<(), String> {
    match seen_from_here(draft, path) {
        there if there.is_dir() => Ok(()),
        missing => Err(format!("chdir(): there is no directory {}", missing.display())),
    }
}

/// The entries, in the order of the compatibility page.
pub(super) const ENTRIES: &[Entry] = &[
    does(
        &["module", "wsgi"],
        "The application: MODULE, MODULE:CALLABLE or MODULE:FACTORY().",
        |d, v| {
            d.module = Some(v.to_owned());
            Ok(())
        },
    ),
    does(
        &["wsgi-file", "file"],
        "The application as a Python file.",
        |d, v| {
            d.file = Some(v.to_owned());
            Ok(())
        },
    ),
    does(
        &["callable"],
        "Name of the callable; default application.",
        |d, v| {
            d.callable = Some(v.to_owned());
            Ok(())
        },
    ),
    does(
        &["need-app"],
        "Exit with 22 when no application can be loaded.",
        |d, v| {
            d.settings.need_application = is_on(v);
            Ok(())
        },
    ),
    does(&["chdir"], "Directory to work in.", |d, v| {
        let path = at_start(d, v);
        is_directory(d, &path)?;
        d.settings.chdir = Some(path);
        Ok(())
    }),
    does(
        &["pythonpath", "python-path", "pp"],
        "Put in front of sys.path; patterns are expanded.",
        |d, v| {
            let found = if v.contains(['*', '?', '[']) {
                glob::expand(&d.environment.directory, v)
            } else {
                vec![v.to_owned()]
            };
            for path in found {
                let path = at_start(d, &path);
                d.settings.pythonpath.push(path);
            }
            Ok(())
        },
    ),
    does(
        &["home", "virtualenv", "venv", "pyhome"],
        "Virtual environment to use.",
        |d, v| {
            d.settings.virtualenv = Some(PathBuf::from(v));
            Ok(())
        },
    ),
    always(&["mode"], "Any text, for the application: uwsgi.mode."),
    does(
        &["optimize"],
        "Have Python leave out assertions (1) and docstrings too (2): the command starts itself anew with -O or -OO.",
        |d, v| {
            d.settings.loading.optimize = natural(v)?.min(2) as u8;
            Ok(())
        },
    ),
    does(
        &["no-site"],
        "Have Python do without its site module: the command starts itself anew with -S.",
        |d, v| {
            d.settings.loading.no_site = is_on(v);
            Ok(())
        },
    ),
    does_with_text(
        &["env"],
        "NAME=VALUE to put in the environment; may be repeated.",
        |d, v| {
            match v.split_once('=').filter(|(name, _)| !name.is_empty()) {
                Some((name, value)) => d
                    .settings
                    .env
                    .push((name.trim().to_owned(), value.trim_start().to_owned())),
                None => d
                    .notices
                    .push(format!("'{v}' is ignored: it has to be NAME=VALUE")),
            }
            Ok(())
        },
    ),
    does(
        &["wsgi-disable-file-wrapper"],
        "Do not offer wsgi.file_wrapper.",
        |d, v| {
            d.settings.file_wrapper = !is_on(v);
            Ok(())
        },
    ),
];
