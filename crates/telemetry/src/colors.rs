//! uvicorn's colours: which lines have them, and how its level prefix and status are painted.

use std::io::IsTerminal;

use config::{Level, Logs};

use crate::error_log::level_name;

/// Whether lines are coloured: as the user says, otherwise when standard output is a terminal.
pub(crate) fn wanted(logs: &Logs) -> bool {
    logs.colors.unwrap_or_else(|| std::io::stdout().is_terminal())
}

/// `INFO:    `, padded to nine columns whatever the level, as uvicorn does.
pub(crate) fn level_prefix(level: Level, colored: bool) -> String {
    let name = level_name(level);
    let padding = " ".repeat(8_usize.saturating_sub(name.len()));
    let color = match level {
        Level::Debug => 36,
        Level::Info => 32,
        Level::Warning => 33,
        Level::Error => 31,
        Level::Critical => 91,
    };
    if colored {
        format!("\x1b[{color}m{name}\x1b[0m:{padding}")
    } else {
        format!("{name}:{padding}")
    }
}

/// Paints what uvicorn paints in its own lines: process ids, and where it runs.
pub(crate) fn paint(line: &str) -> String {
    const CYAN: &str = "\x1b[36m";
    const BOLD: &str = "\x1b[1m";
    const BOLD_CYAN: &str = "\x1b[36m\x1b[1m";
    let painted = [
        (
            "Uvicorn running on http",
            BOLD,
            "Uvicorn running on ".len(),
            " (Press",
        ),
        (
            "Started server process [",
            CYAN,
            "Started server process [".len(),
            "]",
        ),
        (
            "Finished server process [",
            CYAN,
            "Finished server process [".len(),
            "]",
        ),
        (
            "Started parent process [",
            BOLD_CYAN,
            "Started parent process [".len(),
            "]",
        ),
        (
            "Stopping parent process [",
            BOLD_CYAN,
            "Stopping parent process [".len(),
            "]",
        ),
        (
            "Started reloader process [",
            BOLD_CYAN,
            "Started reloader process [".len(),
            "]",
        ),
        (
            "Stopping reloader process [",
            BOLD_CYAN,
            "Stopping reloader process [".len(),
            "]",
        ),
    ];
    let found = painted.iter().find_map(|&(beginning, color, at, end)| {
        let length = line.strip_prefix(beginning).and_then(|_| line[at..].find(end))?;
        let (before, after) = (&line[..at], &line[at + length..]);
        Some(format!("{before}{color}{}\x1b[0m{after}", &line[at..at + length]))
    });
    found.unwrap_or_else(|| line.to_owned())
}

/// The colour of a status code.
pub(crate) fn of_status(status: u16) -> u8 {
    match status / 100 {
        1 => 97,
        2 => 32,
        3 => 33,
        4 => 31,
        _ => 91,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_padded_to_the_same_width_and_painted_in_its_colour() {
        assert_eq!(level_prefix(Level::Info, false), "INFO:    ");
        assert_eq!(level_prefix(Level::Warning, false), "WARNING: ");
        assert_eq!(level_prefix(Level::Critical, false), "CRITICAL:");
        assert_eq!(level_prefix(Level::Error, true), "\x1b[31mERROR\x1b[0m:   ");
    }

    #[test]
    fn process_ids_and_addresses_are_painted_and_nothing_else() {
        for (line, painted) in [
            (
                "Started server process [7]",
                "Started server process [\x1b[36m7\x1b[0m]",
            ),
            (
                "Stopping parent process [7]",
                "Stopping parent process [\x1b[36m\x1b[1m7\x1b[0m]",
            ),
            (
                "Uvicorn running on http://[::1]:80 (Press CTRL+C to quit)",
                "Uvicorn running on \x1b[1mhttp://[::1]:80\x1b[0m (Press CTRL+C to quit)",
            ),
            (
                "Uvicorn running on unix socket /x (Press CTRL+C to quit)",
                "Uvicorn running on unix socket /x (Press CTRL+C to quit)",
            ),
            ("Shutting down", "Shutting down"),
        ] {
            assert_eq!(paint(line), painted);
        }
    }
}
