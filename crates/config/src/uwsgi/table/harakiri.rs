//! What uWSGI's options about processes that take too long mean here, beside `harakiri` itself.

use std::time::Duration;

use super::{Entry, does, natural, seconds};
use crate::defaults::{count, unless_zero};
use crate::uwsgi::known::{is_on, leading_number};

/// The entries, in the order of the compatibility page.
pub(super) const ENTRIES: &[Entry] = &[
    does(
        &["harakiri-verbose"],
        "Tell the log which system call the worker is in as well; where its Python code is, is always told.",
        |d, v| {
            d.settings.harakiri.verbose = is_on(v);
            Ok(())
        },
    ),
    does(
        &["harakiri-graceful-timeout"],
        "Seconds that the worker gets after a signal of its own before it is killed.",
        |d, v| {
            d.settings.harakiri.grace = unless_zero(natural(v)?).map(Duration::from_secs);
            Ok(())
        },
    ),
    does(
        &["harakiri-graceful-signal"],
        "The number of that signal; default 15 (TERM), after which a worker finishes its requests and leaves.",
        |d, v| {
            let number = i32::try_from(leading_number(v)).unwrap_or_default();
            if !(1..=31).contains(&number) {
                return Err(format!("'{v}' is no number of a signal: give 1 to 31"));
            }
            d.settings.harakiri.signal = number;
            Ok(())
        },
    ),
    does(
        &["harakiri-queue-threshold"],
        "Leave the worker alone while the accept queue is shorter than this.",
        |d, v| {
            d.settings.harakiri.queue = count(natural(v)?);
            Ok(())
        },
    ),
    does(
        &["mule-harakiri"],
        "Seconds that a mule may take for a message or a signal before it is killed; 0 is for ever.",
        |d, v| {
            d.settings.harakiri.mule = count(natural(v)?);
            Ok(())
        },
    ),
    does(
        &["spooler-harakiri"],
        "Seconds that a spooler may take for a task before it is killed; the task is done again. 0 is for ever.",
        |d, v| {
            d.settings.harakiri.spooler = count(natural(v)?);
            Ok(())
        },
    ),
    does(
        &["cron-harakiri"],
        "Seconds that a command by the clock may take before it is killed; 0 is for ever.",
        |d, v| {
            d.settings.harakiri.timed = unless_zero(natural(v)?).map(Duration::from_secs);
            Ok(())
        },
    ),
    does(
        &["mule-reload-mercy"],
        "Seconds that mules and spoolers have to leave in a reload; default 60.",
        |d, v| {
            d.settings.harakiri.mercy = seconds(v)?;
            Ok(())
        },
    ),
    does(
        &[
            "spooler-import",
            "spooler-python-import",
            "spooler-py-import",
            "spooler-pyimport",
        ],
        "Import this module or file in the spooler's process; may be repeated.",
        |d, v| {
            d.settings.commons.spooling.imports.push(v.to_owned());
            Ok(())
        },
    ),
];
