//! What uWSGI's options mean here: one entry per idea, with all its names. An option without an entry is known by
//! name only and not there yet; a new ability is a new entry, in the file of its subject.

mod aides;
pub(super) mod alarms;
mod application;
mod caches;
mod cgi;
mod commands;
pub(super) mod commons;
mod draft;
pub(super) mod emperor;
pub(super) mod families;
mod harakiri;
pub(super) mod hooks;
pub(super) mod limits;
pub(super) mod loading;
mod loggers;
pub(super) mod logs;
mod more;
pub(super) mod plugins;
mod processes;
mod programs;
pub(super) mod rights;
mod routes;
pub(super) mod scaling;
mod sockets;
mod static_files;
pub(super) mod statistics;
pub(super) mod web;

use std::path::PathBuf;
use std::time::Duration;

use super::known::{self, leading_number};
use crate::option::Status;

pub(super) use draft::{Draft, Listener};

/// Acts on a value; the error is a sentence.
pub(super) type Apply = fn(&mut Draft<'_>, &str) -> Result<(), String>;

/// Whether ` # ...` or ` ; ...` at the end of a value in a file is a comment that somebody forgot is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Text {
    /// It can only be a comment: cut off, with a notice.
    Plain,
    /// It may belong to the value: kept.
    Free,
}

/// One idea with all its names.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    /// Its names; the first is the usual one.
    pub(super) names: &'static [&'static str],
    /// One sentence for the help text.
    pub(super) help: &'static str,
    /// What a value is made of.
    pub(super) text: Text,
    /// What it does here.
    pub(super) status: Status<Apply>,
}

const fn does(names: &'static [&'static str], help: &'static str, apply: Apply) -> Entry {
    Entry {
        names,
        help,
        text: Text::Plain,
        status: Status::Honoured(apply),
    }
}

const fn does_with_text(names: &'static [&'static str], help: &'static str, apply: Apply) -> Entry {
    Entry {
        names,
        help,
        text: Text::Free,
        status: Status::Honoured(apply),
    }
}

const fn always(names: &'static [&'static str], help: &'static str) -> Entry {
    does(names, help, |_, _| Ok(()))
}

const fn without_effect(names: &'static [&'static str], help: &'static str, reason: &'static str) -> Entry {
    Entry {
        names,
        help,
        text: Text::Plain,
        status: Status::NoEffect(reason),
    }
}

const fn refused(names: &'static [&'static str], help: &'static str, reason: &'static str) -> Entry {
    Entry {
        names,
        help,
        text: Text::Plain,
        status: Status::Refused(reason),
    }
}

/// The entry for a name: its own, or its family's. Only what acts while the configuration is read has none.
pub(super) fn find(name: &str) -> Option<&'static Entry> {
    let own = all().find(|entry| entry.names.contains(&name));
    own.or_else(|| {
        let family = families::of(known::find(name)?)?;
        (!super::reads(name)).then_some(&family.entry)
    })
}

/// Every entry that has names of its own, in the order of the compatibility page.
pub(super) fn all() -> impl Iterator<Item = &'static Entry> {
    sockets::ENTRIES
        .iter()
        .chain(application::ENTRIES)
        .chain(loading::ENTRIES)
        .chain(plugins::ENTRIES)
        .chain(processes::ENTRIES)
        .chain(rights::ENTRIES)
        .chain(limits::ENTRIES)
        .chain(scaling::ENTRIES)
        .chain(harakiri::ENTRIES)
        .chain(emperor::ENTRIES)
        .chain(logs::ENTRIES)
        .chain(loggers::ENTRIES)
        .chain(alarms::ENTRIES)
        .chain(routes::ENTRIES.into_iter().flatten())
        .chain(cgi::ENTRIES)
        .chain(caches::ENTRIES)
        .chain(aides::ENTRIES)
        .chain(commons::ENTRIES)
        .chain(static_files::ENTRIES)
        .chain(web::ENTRIES)
        .chain(statistics::ENTRIES)
        .chain(hooks::ENTRIES)
        .chain(programs::ENTRIES)
        .chain(commands::ENTRIES)
        .chain(more::ENTRIES)
}

/// A path as uWSGI means it: from the directory the server is started in.
fn at_start(draft: &Draft<'_>, path: &str) -> PathBuf {
    draft.environment.directory.join(path)
}

fn natural(value: &str) -> Result<u64, String> {
    u64::try_from(leading_number(value))
        .map_err(|_| format!("'{value}' is negative: give a number from 0 up"))
}

fn seconds(value: &str) -> Result<Duration, String> {
    natural(value).map(Duration::from_secs)
}
