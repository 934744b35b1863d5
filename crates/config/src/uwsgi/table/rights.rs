//! What uWSGI's options about the rights of workers mean here: another root directory, capabilities, groups.
//!
//! uWSGI's whole server goes into the root directory of `chroot`; here the workers do, and what is run for them. Paths that name
//! what uWSGI opens in there, and the master here, are therefore meant from there: [`Roots`].

use std::path::{Path, PathBuf};

use super::{Draft, Entry, at_start, does};
use crate::CAPABILITIES;
use crate::option::suggestion;
use crate::uwsgi::is_switched_on;
use crate::uwsgi::reader::Given;

/// From where absolute paths are meant; `None`: from `/`.
#[derive(Clone, Debug, Default)]
pub(in crate::uwsgi) struct Roots {
    /// Those of what workers open.
    pub(super) workers: Option<PathBuf>,
    /// Those of what the server opens once it serves: files it watches, pipes it reads, the sockets of `stats`.
    pub(super) master: Option<PathBuf>,
    /// Those of unix sockets that requests come in by.
    pub(super) sockets: Option<PathBuf>,
}

impl Roots {
    /// As uWSGI's order of events has it: known before any option is applied, since `chroot` may come last.
    pub(in crate::uwsgi) fn of(given: &[Given], directory: &Path) -> Roots {
        let is_on = |name| is_switched_on(given, name);
        let chroot = given.iter().rev().find(|one| one.name == "chroot");
        let workers = chroot.map(|one| directory.join(&one.value));
        let master = workers.clone().filter(|_| !is_on("master-as-root"));
        let binds_first = given.iter().any(|one| one.name == "chown-socket")
            || is_on("drop-after-init")
            || is_on("drop-after-apps");
        Roots {
            sockets: master.clone().filter(|_| !binds_first),
            master,
            workers,
        }
    }
}

/// Where an absolute path that is meant from `root` is to be found from here; others stay.
pub(super) fn below(root: Option<&PathBuf>, path: &Path) -> PathBuf {
    match (root, path.strip_prefix("/")) {
        (Some(root), Ok(inside)) => root.join(inside),
        _ => path.to_owned(),
    }
}

/// Where a path that workers open is to be found from here.
pub(super) fn seen_from_here(draft: &Draft<'_>, path: &Path) -> PathBuf {
    below(draft.roots.workers.as_ref(), path)
}

/// A path that the server opens once it serves.
pub(super) fn of_server(draft: &Draft<'_>, path: &str) -> PathBuf {
    below(draft.roots.master.as_ref(), Path::new(path))
}

fn capabilities(draft: &mut Draft<'_>, value: &str) -> Result<(), String> {
    let mut set = 0;
    for name in value.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        let number = name.parse::<u32>().ok().filter(|number| *number < u64::BITS);
        let named = CAPABILITIES.iter().position(|known| *known == name);
        match number.or(named.and_then(|place| u32::try_from(place).ok())) {
            Some(number) => set |= 1 << number,
            None => {
                let near = suggestion(name, CAPABILITIES);
                draft.notices.push(format!(
                    "[security] unknown capability: {name}{near}: it is not kept"
                ));
            }
        }
    }
    draft.settings.rights.capabilities = set;
    Ok(())
}

/// The entries, in the order of the compatibility page.
pub(super) const ENTRIES: &[Entry] = &[
    does(
        &["chroot"],
        "Root directory of the workers, and of what is run as their user. It has to hold the application, and the modules of the \
         standard library that it imports, under the paths that sys.path has; the server's own modules are imported before.",
        |d, v| {
            let root = at_start(d, v);
            if !root.is_dir() {
                return Err(format!("chroot(): there is no directory {}", root.display()));
            }
            d.settings.rights.root = Some(root);
            Ok(())
        },
    ),
    does(
        &["cap"],
        "Linux capabilities that workers keep when they become their user, and no others: names without CAP_, or numbers, with \
         commas between.",
        capabilities,
    ),
    does(
        &["add-gid"],
        "Another group of the workers, beside those of their user; may be repeated.",
        |d, v| {
            d.settings.rights.groups.push(v.to_owned());
            Ok(())
        },
    ),
];
