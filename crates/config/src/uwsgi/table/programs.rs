//! What uWSGI's options about programs beside the workers mean here: attached daemons and commands by the clock.

use std::path::PathBuf;
use std::time::Duration;

use super::rights::of_server;
use super::{Draft, Entry, at_start, does_with_text, leading_number, natural, seconds};
use crate::uwsgi::known::is_on;
use crate::{Daemon, TimedCommand, Touch, Touched, When};

/// `PIDFILE[,SECONDS] COMMAND`
fn smart(draft: &mut Draft<'_>, value: &str, in_background: bool) -> Result<(), String> {
    let (pidfile, command) = value.split_once(' ').ok_or_else(|| {
        format!("invalid smart-attach-daemon syntax: '{value}' has to be PIDFILE[,SECONDS] COMMAND")
    })?;
    let (pidfile, frequency) = pidfile.split_once(',').unwrap_or((pidfile, "10"));
    let pidfile = Some(at_start(draft, pidfile));
    let daemon = Daemon {
        pidfile,
        frequency: seconds(frequency)?.max(Duration::from_secs(1)),
        in_background,
        ..Daemon::new(command.trim_start())
    };
    draft.settings.supervision.daemons.push(daemon);
    Ok(())
}

/// Pairs as uWSGI writes them: `cmd=my program,freq=5`; a comma in a value has a backslash in front.
fn pairs(value: &str) -> Result<Vec<(String, String)>, String> {
    let joined = value.replace("\\,", "\u{0}");
    joined
        .split(',')
        .map(|one| {
            let (name, value) = one
                .split_once('=')
                .ok_or_else(|| format!("'{one}' has to be NAME=VALUE"))?;
            Ok((name.trim().to_owned(), value.replace('\u{0}', ",")))
        })
        .collect()
}

fn attached(draft: &mut Draft<'_>, value: &str) -> Result<(), String> {
    let mut daemon = Daemon::new("");
    let mut touches = Vec::new();
    for (name, value) in pairs(value)? {
        match &*name {
            "cmd" | "command" | "exec" => daemon.command = value,
            "pidfile" => daemon.pidfile = Some(at_start(draft, &value)),
            "control" => daemon.control = is_on(&value),
            "freq" => daemon.frequency = seconds(&value)?.max(Duration::from_secs(1)),
            "stopsignal" | "stop_signal" => daemon.stop_signal = signal(&value)?,
            "reloadsignal" | "reload_signal" => daemon.reload_signal = Some(signal(&value)?),
            "daemonize" | "daemon" => daemon.in_background = is_on(&value),
            "touch" => touches.extend(value.split(';').map(|path| of_server(draft, path))),
            "uid" | "user" => daemon.user = Some(value),
            "gid" | "group" => daemon.group = Some(value),
            "chdir" => daemon.directory = Some(PathBuf::from(value)),
            "max_throttle" => daemon.longest_wait = seconds(&value)?,
            other => draft.notices.push(format!("{other} has no effect: give cmd, pidfile, daemonize, control, freq, stopsignal, reloadsignal, touch, uid, gid, chdir or max_throttle")),
        }
    }
    if daemon.command.is_empty() {
        return Err("there is no command: add cmd=COMMAND".to_owned());
    }
    if daemon.in_background && daemon.pidfile.is_none() {
        return Err("a program in the background is known by its pidfile: add pidfile=FILE".to_owned());
    }
    let what = Touched::Daemon(draft.settings.supervision.daemons.len());
    let touches = touches.into_iter().map(|path| Touch {
        path,
        what: what.clone(),
    });
    draft.settings.supervision.touches.extend(touches);
    draft.settings.supervision.daemons.push(daemon);
    Ok(())
}

fn signal(value: &str) -> Result<i32, String> {
    i32::try_from(leading_number(value))
        .ok()
        .filter(|number| (1..=64).contains(number))
        .ok_or_else(|| format!("'{value}' is no number of a signal"))
}

/// A field of a timetable: a number, -1 for any, -N for every N.
fn when(field: &str) -> Result<When, String> {
    let number: i32 = field
        .parse()
        .map_err(|_| format!("invalid cron syntax: '{field}' is no number (-1 is any, -N every N)"))?;
    Ok(match number {
        -1 => When::Any,
        _ if number < 0 => When::Every(number.unsigned_abs()),
        _ => When::At(number.unsigned_abs()),
    })
}

/// `MINUTE HOUR DAY MONTH WEEKDAY COMMAND`
fn timed(draft: &mut Draft<'_>, value: &str, unique: bool) -> Result<(), String> {
    let mut rest = value.trim_start();
    let mut fields = [When::Any; 5];
    for field in &mut fields {
        let (word, after) = rest.split_once(' ').ok_or_else(|| {
            format!("invalid cron syntax: '{value}' has to be MINUTE HOUR DAY MONTH WEEKDAY COMMAND")
        })?;
        *field = when(word)?;
        rest = after.trim_start();
    }
    draft.settings.supervision.timetable.push(TimedCommand {
        when: fields,
        command: rest.to_owned(),
        unique,
    });
    Ok(())
}

/// `minute=N,hour=N,...,unique=1 COMMAND`
fn timed_by_name(draft: &mut Draft<'_>, value: &str) -> Result<(), String> {
    let (given, command) = value
        .split_once(' ')
        .ok_or_else(|| format!("invalid cron2 syntax: '{value}' has to be NAME=NUMBER,... COMMAND"))?;
    let mut one = TimedCommand {
        when: [When::Any; 5],
        command: command.trim_start().to_owned(),
        unique: false,
    };
    for (name, value) in pairs(given)? {
        match &*name {
            "minute" => one.when[0] = when(&value)?,
            "hour" => one.when[1] = when(&value)?,
            "day" => one.when[2] = when(&value)?,
            "month" => one.when[3] = when(&value)?,
            "week" => one.when[4] = when(&value)?,
            "unique" => one.unique = natural(&value)? != 0,
            other => draft.notices.push(format!(
                "{other} has no effect: give minute, hour, day, month, week or unique"
            )),
        }
    }
    draft.settings.supervision.timetable.push(one);
    Ok(())
}

/// The entries, in the order of the compatibility page.
pub(super) const ENTRIES: &[Entry] = &[
    does_with_text(
        &["attach-daemon"],
        "Run this beside the workers, start it again when it ends, stop it with the server; may be repeated.",
        |d, v| {
            d.settings.supervision.daemons.push(Daemon::new(v));
            Ok(())
        },
    ),
    does_with_text(
        &["attach-control-daemon"],
        "As attach-daemon; the server stops when it ends.",
        |d, v| {
            let daemon = Daemon {
                control: true,
                ..Daemon::new(v)
            };
            d.settings.supervision.daemons.push(daemon);
            Ok(())
        },
    ),
    does_with_text(
        &["attach-daemon2"],
        "As attach-daemon, in pairs: cmd, pidfile, daemonize, control, freq, stopsignal, reloadsignal, touch (files that have it \
         started anew), uid, gid, chdir, max_throttle.",
        attached,
    ),
    does_with_text(
        &["smart-attach-daemon"],
        "PIDFILE[,SECONDS] COMMAND: a program that goes into the background by itself; started while the pidfile, which is looked \
         at each so many seconds (10), names nobody, and left running when the server stops.",
        |d, v| smart(d, v, false),
    ),
    does_with_text(
        &["smart-attach-daemon2"],
        "As smart-attach-daemon, for a program that does not: the server puts it into the background and writes the pidfile.",
        |d, v| smart(d, v, true),
    ),
    does_with_text(
        &["cron"],
        "MINUTE HOUR DAY MONTH WEEKDAY COMMAND, in local time; -1 is any, -N every N; may be repeated.",
        |d, v| timed(d, v, false),
    ),
    does_with_text(
        &["unique-cron"],
        "As cron, but not while the command still runs from the time before.",
        |d, v| timed(d, v, true),
    ),
    does_with_text(
        &["cron2"],
        "As cron, with minute=N,hour=N,day=N,month=N,week=N,unique=1 in front of the command.",
        timed_by_name,
    ),
];
