//! The names of all options of uWSGI 2.0.31: how each is written and which plugin it belongs to.
//!
//! What an option means here stands in the table; this list lets every other one be told from a misspelling.

use std::sync::OnceLock;

const LIST: &str = include_str!("known_options.tsv");

/// Whether an option takes a value on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Argument {
    /// Never.
    None,
    /// Only as `--option=value`.
    Optional,
    /// Always.
    Required,
}

/// What a value is read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// On unless it says off.
    Flag,
    /// Leading digits.
    Number,
    /// Anything; of several values the last counts.
    Word,
    /// Anything; several values may all count.
    Text,
}

/// One option of uWSGI.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    /// Its long name.
    pub(super) name: &'static str,
    /// Whether it takes a value.
    pub(super) argument: Argument,
    /// Its letter.
    pub(super) short: Option<char>,
    /// What its value is read as.
    pub(super) kind: Kind,
    /// The plugin it belongs to, or `core`.
    pub(super) plugin: &'static str,
}

/// All options, sorted by name (byte by byte).
pub(super) fn all() -> &'static [Known] {
    static ALL: OnceLock<Vec<Known>> = OnceLock::new();
    ALL.get_or_init(|| LIST.lines().filter_map(read).collect())
}

fn read(line: &'static str) -> Option<Known> {
    let mut fields = line.split('\t');
    let name = fields.next()?;
    let argument = match fields.next()? {
        "none" => Argument::None,
        "optional" => Argument::Optional,
        _ => Argument::Required,
    };
    let short = fields.next()?.chars().next().filter(|letter| *letter != '-');
    let kind = match fields.next()? {
        "flag" => Kind::Flag,
        "number" => Kind::Number,
        "word" => Kind::Word,
        _ => Kind::Text,
    };
    Some(Known {
        name,
        argument,
        short,
        kind,
        plugin: fields.next()?,
    })
}

/// The option of this name.
pub(super) fn find(name: &str) -> Option<&'static Known> {
    let index = all().binary_search_by_key(&name, |known| known.name).ok()?;
    all().get(index)
}

/// Whether a boolean option with this value is on: all but `false`, `off`, `no` and `0` is.
pub(super) fn is_on(value: &str) -> bool {
    !["false", "off", "no"]
        .iter()
        .any(|word| value.eq_ignore_ascii_case(word))
        && value != "0"
}

/// The leading digits of a value, as C's atoi reads them; no digits are 0.
pub(super) fn leading_number(value: &str) -> i64 {
    let value = value.trim_start();
    let (sign, digits) = match value.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, value.strip_prefix('+').unwrap_or(value)),
    };
    let digits: String = digits.chars().take_while(char::is_ascii_digit).collect();
    if digits.is_empty() {
        0
    } else {
        sign * digits.parse::<i64>().unwrap_or(i64::MAX)
    }
}
