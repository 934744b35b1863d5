//! What uWSGI's options about alarms mean here: who is told, and of what.

use super::{Draft, Entry, always, does, does_with_text, natural};
use crate::{AlarmAction, AlarmingLine};

/// `NAME KIND:ARGUMENT`
fn alarm(draft: &mut Draft<'_>, value: &str) -> Result<(), String> {
    let invalid = || format!("invalid alarm syntax: '{value}' has to be NAME KIND:ARGUMENT");
    let (name, action) = value.split_once(' ').ok_or_else(invalid)?;
    let (kind, argument) = action.trim_start().split_once(':').ok_or_else(invalid)?;
    let number = || {
        argument
            .trim()
            .parse::<u32>()
            .map_err(|_| format!("{kind}:{argument} has to be {kind}:NUMBER"))
    };
    let action = match kind {
        "cmd" => AlarmAction::Run(argument.to_owned()),
        "log" => AlarmAction::Log(argument.to_owned()),
        "signal" => AlarmAction::Signal(
            u8::try_from(number()?)
                .map_err(|_| format!("'{argument}' is no number of a signal: give 0 to 255"))?,
        ),
        "mule" => AlarmAction::Mule(number()?),
        // A plugin of somebody's: who has it needs it to hear of what is bad, not to serve.
        _ => {
            draft.notices.push(format!(
                "there is no alarm '{kind}' here: what {name} would be told goes to the log; give {name} cmd:COMMAND, and \
                 the command gets it on its standard input"
            ));
            AlarmAction::Log(String::new())
        }
    };
    draft
        .settings
        .supervision
        .alarms
        .alarms
        .push((name.to_owned(), action));
    Ok(())
}

/// `NAME[,NAME...] PATTERN`
fn line(draft: &mut Draft<'_>, value: &str, ends: bool) -> Result<(), String> {
    let (names, pattern) = value
        .split_once(' ')
        .ok_or_else(|| format!("invalid log-alarm syntax: '{value}' has to be NAME[,NAME] PATTERN"))?;
    let pattern = super::loggers::line_pattern(pattern.trim_start())?;
    draft.settings.logs.loggers.alarms.push(AlarmingLine {
        alarms: names.split(',').map(str::to_owned).collect(),
        pattern,
        ends,
    });
    Ok(())
}

/// Alarms may be named before they are given. One that never is, is an error where uWSGI has it be one.
pub(in crate::uwsgi) fn finish(draft: &mut Draft<'_>) -> Result<(), String> {
    let alarms = &draft.settings.supervision.alarms;
    let missing = |wanted: &&String| !alarms.alarms.iter().any(|(name, _)| name == *wanted);
    let said = |option: &str, name: &str| {
        format!("{option}: unable to find alarm \"{name}\": give alarm = {name} KIND:ARGUMENT")
    };
    let lines = draft.settings.logs.loggers.alarms.iter();
    if let Some(name) = lines.flat_map(|line| &line.alarms).find(missing) {
        return Err(said("alarm-log", name));
    }
    let backlog = alarms
        .backlog
        .iter()
        .filter(missing)
        .map(|name| said("alarm-backlog", name));
    let crash = alarms
        .crash
        .iter()
        .filter(missing)
        .map(|name| said("alarm-segfault", name));
    let notices: Vec<_> = backlog.chain(crash).collect();
    draft.notices.extend(notices);
    Ok(())
}

/// The entries, in the order of the compatibility page.
pub(super) const ENTRIES: &[Entry] = &[
    does_with_text(
        &["alarm"],
        "NAME KIND:ARGUMENT: somebody to tell: cmd:COMMAND gets the text on its standard input, log:TEXT puts it into the log, \
         signal:NUMBER raises a signal, mule:NUMBER sends it to a mule; may be repeated.",
        alarm,
    ),
    does_with_text(
        &["alarm-log", "log-alarm"],
        "NAME[,NAME] PATTERN: tell of lines of the log that match; may be repeated.",
        |d, v| line(d, v, false),
    ),
    does_with_text(
        &["not-alarm-log", "not-log-alarm"],
        "NAME[,NAME] PATTERN: lines that match are not told by the rules that follow.",
        |d, v| line(d, v, true),
    ),
    does(
        &[
            "alarm-backlog",
            "alarm-listen-queue",
            "alarm-lq",
            "backlog-alarm",
            "listen-queue-alarm",
            "lq-alarm",
        ],
        "NAME: tell of a socket whose accept queue is full; looked at each second.",
        |d, v| {
            d.settings.supervision.alarms.backlog.push(v.to_owned());
            Ok(())
        },
    ),
    does(
        &["alarm-segfault", "segfault-alarm"],
        "NAME: tell of a process of the server that has crashed.",
        |d, v| {
            d.settings.supervision.alarms.crash.push(v.to_owned());
            Ok(())
        },
    ),
    does(
        &["alarm-freq"],
        "Seconds within which the same text is not told again; default 3.",
        |d, v| {
            d.settings.supervision.alarms.interval = super::seconds(v)?;
            Ok(())
        },
    ),
    does(
        &["alarm-msg-size"],
        "Bytes of the longest text that is told; default 8192.",
        |d, v| {
            d.settings.supervision.alarms.longest = usize::try_from(natural(v)?).unwrap_or(usize::MAX);
            Ok(())
        },
    ),
    always(&["alarm-cheap"], "The master tells; there is no thread for it."),
];
