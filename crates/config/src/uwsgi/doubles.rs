//! Options that stand twice in one file though only one value counts: uWSGI takes the last without a word.
//!
//! A command line that overrides a file, or one file another, does so on purpose: nothing is said of that.

use super::known::{self, Kind};
use super::reader::Given;
use super::table;
use crate::option::Origin;

/// A line for each value that does not count because another follows it in the same file.
pub(super) fn notices(given: &[Given]) -> Vec<String> {
    let singles: Vec<_> = given
        .iter()
        .filter(|one| !one.settled)
        .filter_map(single)
        .collect();
    let follows = |index: usize| {
        let (idea, path, line, _) = singles[index];
        let mut later = singles[index + 1..].iter();
        later.find(|(other, its_path, its_line, _)| (*other, *its_path) == (idea, path) && *its_line != line)
    };
    (0..singles.len())
        .filter_map(|index| {
            let (_, path, line, name) = singles[index];
            let (.., later_line, later_name) = follows(index)?;
            Some(format!(
                "{path}:{line}: {name} does not count, because {later_name} in line {later_line} follows: keep one of them"
            ))
        })
        .collect()
}

/// Of an option with one value in a file: its usual name, the file, the line, the name as written.
fn single(one: &Given) -> Option<(&str, &str, usize, &str)> {
    let Origin::File {
        path,
        line: Some(line),
    } = &one.origin
    else {
        return None;
    };
    let known = known::find(&one.name).filter(|known| known.kind != Kind::Text)?;
    let usual = table::find(known.name).and_then(|entry| entry.names.first().copied());
    Some((usual.unwrap_or(known.name), path, *line, &one.name))
}
