//! What gunicornc may ask for: words to a [`Command`], or gunicorn's words on what is wrong with them.

/// What a client of the control socket asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Master and workers.
    ShowAll,
    /// The workers.
    ShowWorkers,
    /// Dirty workers, of which there are none.
    ShowDirty,
    /// Some of the settings in force.
    ShowConfig,
    /// Numbers since the start.
    ShowStats,
    /// The listening sockets.
    ShowListeners,
    /// More workers.
    AddWorkers(u32),
    /// Fewer workers.
    RemoveWorkers(u32),
    /// One worker is to finish its requests and leave.
    KillWorker(u32),
    /// Other numbers of dirty workers, which there are not.
    Dirty,
    /// As HUP.
    Reload,
    /// As USR1.
    Reopen,
    /// As TERM, or as INT when it is quick; the word was this.
    Shutdown {
        /// `quick` alone is.
        quick: bool,
        /// What the client has called it.
        mode: String,
    },
    /// What there is.
    Help,
}

/// The commands, with what `help` says of them.
pub(crate) const HELP: [(&str, &str); 15] = [
    ("show all", "Show the master and its workers"),
    ("show workers", "List workers and whether they have booted"),
    ("show dirty", "Show dirty workers (there are none here)"),
    ("show config", "Show settings in force"),
    ("show stats", "Show numbers since the start"),
    ("show listeners", "Show listening sockets"),
    ("worker add [N]", "Start N more workers (default 1)"),
    ("worker remove [N]", "Have N workers leave (default 1)"),
    ("worker kill <PID>", "Have one worker finish and leave"),
    ("dirty add [N]", "Refused: there are no dirty workers here"),
    ("dirty remove [N]", "Refused: there are no dirty workers here"),
    ("reload", "Reload, as HUP does"),
    ("reopen", "Open log files again, as USR1 does"),
    ("shutdown [graceful|quick]", "Stop, as TERM or INT does"),
    ("help", "Show this list"),
];

/// Understands a request.
///
/// # Errors
/// What gunicorn answers: gunicornc shows it as it is.
pub(crate) fn parse(words: &[String]) -> Result<Command, String> {
    let lower = |at: usize| words.get(at).map(|word| word.to_lowercase());
    let invalid = |what: String| Err(format!("Invalid argument: {what}"));
    let Some(command) = lower(0) else {
        return Err("Empty command".to_owned());
    };
    match (command.as_str(), lower(1).as_deref()) {
        ("show", Some("all")) => Ok(Command::ShowAll),
        ("show", Some("workers")) => Ok(Command::ShowWorkers),
        ("show", Some("dirty")) => Ok(Command::ShowDirty),
        ("show", Some("config")) => Ok(Command::ShowConfig),
        ("show", Some("stats")) => Ok(Command::ShowStats),
        ("show", Some("listeners")) => Ok(Command::ShowListeners),
        ("show", Some(other)) => invalid(format!("Unknown show target: {other}")),
        ("show", None) => {
            invalid("Missing show target (all|workers|dirty|config|stats|listeners)".to_owned())
        }
        ("worker", Some("add")) => number(words.get(2)).map(Command::AddWorkers),
        ("worker", Some("remove")) => number(words.get(2)).map(Command::RemoveWorkers),
        ("worker", Some("kill")) if words.len() > 2 => number(words.get(2)).map(Command::KillWorker),
        ("worker", Some("kill")) => invalid("Missing PID for worker kill".to_owned()),
        ("worker", Some(other)) => invalid(format!("Unknown worker action: {other}")),
        ("worker", None) => invalid("Missing worker action (add|remove|kill)".to_owned()),
        ("dirty", Some("add" | "remove")) => Ok(Command::Dirty),
        ("dirty", Some(other)) => invalid(format!("Unknown dirty action: {other}")),
        ("dirty", None) => invalid("Missing dirty action (add|remove)".to_owned()),
        ("reload", _) => Ok(Command::Reload),
        ("reopen", _) => Ok(Command::Reopen),
        ("shutdown", _) => Ok(Command::Shutdown {
            quick: words.get(1).is_some_and(|mode| mode == "quick"),
            mode: words.get(1).cloned().unwrap_or_else(|| "graceful".to_owned()),
        }),
        ("help", _) => Ok(Command::Help),
        _ => invalid(format!("Unknown command: {command}")),
    }
}

/// A number of at least 1, which is also what is meant when none is given.
fn number(word: Option<&String>) -> Result<u32, String> {
    let Some(word) = word else { return Ok(1) };
    let number: i64 = word
        .parse()
        .map_err(|_| format!("Invalid argument: invalid literal for int() with base 10: '{word}'"))?;
    Ok(u32::try_from(number.max(1)).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, String> {
        parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn commands_are_understood() {
        let stop = |quick, mode: &str| Command::Shutdown {
            quick,
            mode: mode.to_owned(),
        };
        for (line, command) in [
            ("show all", Command::ShowAll),
            ("SHOW Workers", Command::ShowWorkers),
            ("show dirty", Command::ShowDirty),
            ("show config", Command::ShowConfig),
            ("show stats", Command::ShowStats),
            ("show listeners more", Command::ShowListeners),
            ("worker add", Command::AddWorkers(1)),
            ("worker add 3", Command::AddWorkers(3)),
            ("worker add -3", Command::AddWorkers(1)),
            ("worker remove 2", Command::RemoveWorkers(2)),
            ("worker kill 77", Command::KillWorker(77)),
            ("dirty add 1", Command::Dirty),
            ("reload", Command::Reload),
            ("reopen", Command::Reopen),
            ("shutdown", stop(false, "graceful")),
            ("shutdown quick", stop(true, "quick")),
            ("shutdown now", stop(false, "now")),
            ("help", Command::Help),
        ] {
            assert_eq!(parsed(line), Ok(command), "{line}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_in_gunicorns_words() {
        for (line, error) in [
            ("", "Empty command"),
            ("dance", "Invalid argument: Unknown command: dance"),
            (
                "show",
                "Invalid argument: Missing show target (all|workers|dirty|config|stats|listeners)",
            ),
            ("show me", "Invalid argument: Unknown show target: me"),
            (
                "worker",
                "Invalid argument: Missing worker action (add|remove|kill)",
            ),
            ("worker kill", "Invalid argument: Missing PID for worker kill"),
            (
                "worker add x",
                "Invalid argument: invalid literal for int() with base 10: 'x'",
            ),
            ("worker sing", "Invalid argument: Unknown worker action: sing"),
            ("dirty", "Invalid argument: Missing dirty action (add|remove)"),
        ] {
            assert_eq!(parsed(line), Err(error.to_owned()), "{line}");
        }
    }
}
