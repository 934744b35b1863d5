//! What uWSGI's options about the emperor and its vassals mean here.

use std::time::Duration;

use super::{Draft, Entry, always, at_start, does, does_with_text, natural, seconds};
use crate::uwsgi::known::is_on;
use crate::{Emperor, Province};

fn emperor<'a>(draft: &'a mut Draft<'_>) -> &'a mut Emperor {
    &mut draft.emperor
}

fn province(draft: &mut Draft<'_>, value: &str) -> Result<(), String> {
    let (scheme, place) = value.split_once("://").unwrap_or(("", value));
    let place = match scheme {
        "" | "dir" | "glob" => place,
        _ => {
            return Err(format!(
                "'{scheme}' is no monitor here: give a directory or a pattern of files, and have a program write the files"
            ));
        }
    };
    if place.is_empty() {
        return Err("give a directory, or a pattern of files".to_owned());
    }
    let province = if scheme == "glob" || place.contains(['*', '?', '[']) {
        Province::Glob(draft.environment.directory.clone(), place.to_owned())
    } else {
        Province::Directory(at_start(draft, place))
    };
    emperor(draft).provinces.push(province);
    Ok(())
}

/// An option with a value for each vassal.
fn give(arguments: &mut Vec<String>, option: &str, value: &str) -> Result<(), String> {
    arguments.extend([option.to_owned(), value.to_owned()]);
    Ok(())
}

/// What it comes to, once everything is known; whether this server is an emperor.
///
/// # Errors
/// A sentence.
pub(in crate::uwsgi) fn finish(draft: &mut Draft<'_>) -> Result<bool, String> {
    if draft.emperor.provinces.is_empty() {
        return Ok(false);
    }
    if !draft.listeners.is_empty() {
        return Err(
            "an emperor has no sockets of its own here: make the server that has them a vassal, or start it by itself"
                .to_owned(),
        );
    }
    if draft.settings.rights.root.is_some() {
        return Err(
            "chroot is for servers with workers, and the emperor only starts others: give it to each vassal (vassal-set = \
             chroot=DIRECTORY)"
                .to_owned(),
        );
    }
    if draft.emperor.pidfile.is_none() {
        draft.emperor.pidfile = draft.settings.pidfile.clone();
    }
    let alone = draft.settings.supervision == crate::Supervision::default();
    if !alone || draft.module.is_some() || draft.file.is_some() {
        draft.notices.push(
            "an emperor only keeps its vassals: an application, hooks, daemons, commands by the clock, FIFOs and touched files \
             other than touch-reload have no effect in it"
                .to_owned(),
        );
    }
    draft.settings.emperor = Some(Box::new(draft.emperor.clone()));
    Ok(true)
}

/// The entries, in the order of the compatibility page.
pub(super) const ENTRIES: &[Entry] = &[
    does(
        &["emperor"],
        "Keep a server for each configuration in this directory, or that matches this pattern: started when it appears, reloaded \
         when it is touched, stopped when it is gone; may be repeated.",
        province,
    ),
    does(
        &["emperor-freq"],
        "Seconds between two looks; default 3.",
        |d, v| {
            emperor(d).frequency = seconds(v)?.max(Duration::from_secs(1));
            Ok(())
        },
    ),
    does(
        &["emperor-throttle"],
        "Milliseconds before a vassal that has ended is started again, doubled while it ends before it serves; default 1000.",
        |d, v| {
            emperor(d).throttle = Duration::from_millis(natural(v)?.max(1));
            Ok(())
        },
    ),
    does(
        &["emperor-max-throttle"],
        "Milliseconds of the longest such wait; default 180000.",
        |d, v| {
            emperor(d).longest_throttle = Duration::from_millis(natural(v)?.max(1));
            Ok(())
        },
    ),
    does(
        &["emperor-curse-tolerance"],
        "Seconds that a vassal may take to leave before it is killed; default 30.",
        |d, v| {
            emperor(d).tolerance = seconds(v)?;
            Ok(())
        },
    ),
    does(
        &["emperor-graceful-shutdown"],
        "Vassals finish their requests when they are stopped.",
        |d, v| {
            emperor(d).graceful = is_on(v);
            Ok(())
        },
    ),
    does(
        &["emperor-nofollow"],
        "Look at symbolic links themselves for a touch.",
        |d, v| {
            emperor(d).no_follow = is_on(v);
            Ok(())
        },
    ),
    does(
        &["emperor-extra-extension", "emperor-extra-ext"],
        "Another ending of configurations, which are read as ini; may be repeated.",
        |d, v| {
            emperor(d).extensions.push(v.to_owned());
            Ok(())
        },
    ),
    does(
        &["emperor-pidfile"],
        "File for the emperor's process id.",
        |d, v| {
            d.emperor.pidfile = Some(at_start(d, v));
            Ok(())
        },
    ),
    does_with_text(
        &["vassal-set", "vassals-set"],
        "NAME=VALUE for each vassal; may be repeated.",
        |d, v| give(&mut emperor(d).before, "--set", v),
    ),
    does(
        &["vassals-include-before", "vassals-inherit-before"],
        "A configuration for each vassal, read before its own; may be repeated.",
        |d, v| {
            let path = at_start(d, v).display().to_string();
            give(&mut emperor(d).before, "--include", &path)
        },
    ),
    does(
        &["vassals-include", "vassals-inherit"],
        "A configuration for each vassal, read after its own; may be repeated.",
        |d, v| {
            let path = at_start(d, v).display().to_string();
            give(&mut emperor(d).after, "--include", &path)
        },
    ),
    does_with_text(
        &["vassals-start-hook"],
        "Command for the shell when a vassal has been started; its name follows.",
        |d, v| {
            emperor(d).start_hook = Some(v.to_owned());
            Ok(())
        },
    ),
    does_with_text(
        &["vassals-stop-hook"],
        "Command for the shell when a vassal has ended; its name follows.",
        |d, v| {
            emperor(d).stop_hook = Some(v.to_owned());
            Ok(())
        },
    ),
    always(
        &["emperor-no-blacklist"],
        "There is no list of vassals that are not started: each has its own wait.",
    ),
    always(
        &["emperor-required-heartbeat", "early-emperor"],
        "A vassal that hangs is its own master's business.",
    ),
];
