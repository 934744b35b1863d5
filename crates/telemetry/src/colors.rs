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
}
