//! What the option tables of all dialects have in common: what became of an option, where a value came from, and
//! the nearest known name for one that nobody knows.
//!
//! A dialect's table has one entry per option; the command line, the help text, the notices at start and the
//! compatibility page are all rendered from it. What an entry *means* is a function in its [`Status`].

use std::fmt;

/// What an option does here.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Status<Apply> {
    /// Acted upon, by this function.
    Honoured(Apply),
    /// Accepted; this is why there is nothing to do.
    NoEffect(&'static str),
    /// Known, but nothing acts on it yet: said at start.
    NotYet,
    /// The server does not start with it: why, and what to do instead.
    Refused(&'static str),
}

/// Where a value was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Nowhere: the table's default.
    Default,
    /// In an environment variable of this name.
    Variable(String),
    /// On the command line.
    CommandLine,
    /// In a file, as the user named it, and the line (counted from 1) where that is known.
    File {
        /// The file.
        path: String,
        /// The line.
        line: Option<usize>,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => formatter.write_str("default"),
            Origin::Variable(name) => write!(formatter, "environment variable {name}"),
            Origin::CommandLine => formatter.write_str("command line"),
            Origin::File {
                path,
                line: Some(line),
            } => write!(formatter, "{path}:{line}"),
            Origin::File { path, line: None } => formatter.write_str(path),
        }
    }
}

/// The known name that `name` was most likely meant to be, if any is near enough to be worth showing.
///
/// Case and the choice between `_` and `-` do not count as differences; the rest is the Damerau-Levenshtein
/// distance, of which a third of the name's length is allowed.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let normal = |text: &str| text.to_lowercase().replace('_', "-");
    let wanted = normal(name);
    let allowed = (wanted.chars().count() / 3).clamp(1, 4);
    known
        .into_iter()
        .map(|candidate| {
            (
                strsim::damerau_levenshtein(&wanted, &normal(candidate)),
                candidate,
            )
        })
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// ` (did you mean X?)`, or nothing when no known name is near.
pub(crate) fn suggestion<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(name, known)
        .map(|found| format!(" (did you mean {found}?)"))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found_and_a_far_one_is_not() {
        let known = ["vacuum", "harakiri", "buffer-size", "uid"];
        for (typed, expected) in [
            ("vaccum", Some("vacuum")),
            ("harakari", Some("harakiri")),
            ("buffer_size", Some("buffer-size")),
            ("BUFFER-SIZE", Some("buffer-size")),
            ("zuid", Some("uid")),
            ("projectname", None),
        ] {
            assert_eq!(nearest(typed, known), expected, "{typed}");
        }
    }
}
