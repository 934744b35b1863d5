//! What uWSGI's options about several applications and their surroundings mean here.

use std::path::PathBuf;

use super::application::is_directory;
use super::{Draft, Entry, at_start, does, does_with_text};
use crate::uwsgi::known::is_on;
use crate::{Application, Mount, address};

fn mount(draft: &mut Draft<'_>, value: &str) -> Result<(), String> {
    let (prefix, target) = value
        .split_once('=')
        .map(|(prefix, target)| (prefix.trim(), target.trim()))
        .filter(|(_, target)| !target.is_empty())
        .ok_or_else(|| {
            format!("'{value}' has to be /PREFIX=MODULE, /PREFIX=MODULE:CALLABLE or /PREFIX=FILE.py")
        })?;
    if !prefix.starts_with('/') {
        return Err(format!(
            "'{prefix}' has to begin with /: host names are not told apart, give each its own server"
        ));
    }
    let prefix = prefix.trim_end_matches('/').to_owned();
    draft.mounts.push((prefix, target.to_owned()));
    Ok(())
}

/// The mounts, once the name of the callable is known.
pub(in crate::uwsgi) fn finish(draft: &mut Draft<'_>) {
    let callable = draft.callable.clone();
    let callable = callable.as_deref().unwrap_or("application");
    for (prefix, target) in draft.mounts.drain(..) {
        let application = match target.contains('/') || target.ends_with(".py") || target.ends_with(".wsgi") {
            true => Application::File {
                path: PathBuf::from(target),
                callable: callable.to_owned(),
            },
            false => address::application(&target, callable),
        };
        let loading = &mut draft.settings.loading;
        match loading.mounts.iter().position(|mount| mount.prefix == prefix) {
            // As in uWSGI, the first keeps the place.
            Some(_) => draft.notices.push(format!(
                "mountpoint {prefix}/ is configured already: the first mount stays"
            )),
            None => loading.mounts.push(Mount { prefix, application }),
        }
    }
}

/// The entries, in the order of the compatibility page.
pub(super) const ENTRIES: &[Entry] = &[
    does_with_text(
        &["mount"],
        "/PREFIX=MODULE[:CALLABLE] or /PREFIX=FILE.py: a WSGI application at a part of the path; may be repeated.",
        mount,
    ),
    does(
        &["manage-script-name"],
        "Choose the mount by the path, and move its part of it to SCRIPT_NAME.",
        |d, v| {
            d.settings.loading.manage_script_name = is_on(v);
            Ok(())
        },
    ),
    does(
        &["no-default-app"],
        "Answer 500 where no mount is meant.",
        |d, v| {
            d.settings.loading.only_mounts = is_on(v);
            Ok(())
        },
    ),
    does(
        &[
            "import",
            "pyimport",
            "py-import",
            "python-import",
            "shared-import",
            "shared-pyimport",
            "shared-py-import",
            "shared-python-import",
        ],
        "Import a module, or a .py file, before the application; may be repeated.",
        |d, v| {
            d.settings.loading.imports.push(v.to_owned());
            Ok(())
        },
    ),
    does_with_text(
        &["paste"],
        "The application that PasteDeploy describes: config:FILE.ini[#SECTION].",
        |d, v| {
            d.paste = Some(v.to_owned());
            Ok(())
        },
    ),
    does_with_text(
        &["ini-paste", "ini-paste-logged"],
        "Read this file as ini does, and take the application that PasteDeploy finds in it.",
        |d, v| {
            d.paste = Some(format!("config:{v}"));
            Ok(())
        },
    ),
    does_with_text(&["pyargv"], "Words of sys.argv, after its first.", |d, v| {
        let words = v.split(' ').filter(|word| !word.is_empty()).map(str::to_owned);
        d.settings.loading.arguments.get_or_insert_default().extend(words);
        Ok(())
    }),
    does(
        &["chdir2"],
        "Directory to work in once the application is loaded.",
        |d, v| {
            let path = at_start(d, v);
            is_directory(d, &path)?;
            d.settings.loading.directory_after = Some(path);
            Ok(())
        },
    ),
];
