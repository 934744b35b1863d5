//! Shell patterns for paths: `*`, `?` and `[...]` within one component.

use std::path::{Path, PathBuf};

/// The existing paths that match, sorted, as the pattern writes them (relative stays relative).
pub(crate) fn expand(directory: &Path, pattern: &str) -> Vec<String> {
    let mut found = vec![PathBuf::from(if pattern.starts_with('/') { "/" } else { "" })];
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        found = found
            .iter()
            .flat_map(|base| step(directory, base, part))
            .collect();
    }
    found
        .iter()
        .map(|path| path.display().to_string())
        .filter(|path| !path.is_empty())
        .collect()
}

fn step(directory: &Path, base: &Path, part: &str) -> Vec<PathBuf> {
    if !part.contains(['*', '?', '[']) {
        let path = base.join(part);
        return if directory.join(&path).exists() {
            vec![path]
        } else {
            Vec::new()
        };
    }
    let Ok(entries) = std::fs::read_dir(directory.join(base)) else {
        return Vec::new();
    };
    let mut names: Vec<_> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.starts_with('.') == part.starts_with('.'))
        .filter(|name| {
            let (pattern, name): (Vec<_>, Vec<_>) = (part.chars().collect(), name.chars().collect());
            matches(&pattern, &name)
        })
        .collect();
    names.sort();
    names.into_iter().map(|name| base.join(name)).collect()
}

fn matches(pattern: &[char], name: &[char]) -> bool {
    match (pattern, name) {
        ([], []) => true,
        (['*', rest @ ..], _) => (0..=name.len()).any(|skipped| matches(rest, &name[skipped..])),
        (['?', rest @ ..], [_, name @ ..]) => matches(rest, name),
        (['[', rest @ ..], [character, name @ ..]) => match rest.iter().position(|c| *c == ']') {
            Some(end) => in_set(&rest[..end], *character) && matches(&rest[end + 1..], name),
            None => *character == '[' && matches(rest, name),
        },
        ([wanted, rest @ ..], [character, name @ ..]) => wanted == character && matches(rest, name),
        _ => false,
    }
}

fn in_set(set: &[char], character: char) -> bool {
    match set {
        ['!' | '^', set @ ..] => !in_set(set, character),
        [low, '-', high, rest @ ..] => (*low..=*high).contains(&character) || in_set(rest, character),
        [one, rest @ ..] => *one == character || in_set(rest, character),
        [] => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_a_shell() {
        for (pattern, name, expected) in [
            ("*.ini", "a.ini", true),
            ("*.ini", "a.in", false),
            ("a?c", "abc", true),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[x", "[x", true),
            ("", "", true),
        ] {
            let (p, n): (Vec<_>, Vec<_>) = (pattern.chars().collect(), name.chars().collect());
            assert_eq!(matches(&p, &n), expected, "{pattern} {name}");
        }
    }
}
