//! A regular expression that is known to be one.

use std::fmt;

use regex::Regex;

/// A regular expression, compiled. Two are equal when they are written the same.
#[derive(Clone)]
pub struct Pattern(Regex);

impl Pattern {
    /// Compiles it. The time a match takes is linear in the text, whatever the expression; in return there are no
    /// backreferences and no look-around.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn new(text: &str) -> Result<Pattern, String> {
        Regex::new(text).map(Pattern).map_err(|error| {
            let reason = error.to_string();
            let reason = reason
                .lines()
                .last()
                .unwrap_or_default()
                .trim_start_matches("error: ")
                .to_owned();
            format!("'{text}' cannot be used as a regular expression: {reason}")
        })
    }

    /// What the whole and each group match, in order; nothing where a group takes no part. `None` without a match.
    pub fn groups(&self, text: &str) -> Option<Vec<String>> {
        let found = self.0.captures(text)?;
        let groups = found
            .iter()
            .map(|group| group.map_or("", |group| group.as_str()).to_owned());
        Some(groups.collect())
    }

    /// Whether it matches anywhere in the text.
    pub fn matches(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Pattern) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Eq for Pattern {}

impl fmt::Debug for Pattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.0.as_str(), formatter)
    }
}
