//! The grammar of ini files: magic variables in the raw text first, comments included; then lines; no inline
//! comments, continuation lines, quotes or escapes.

use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use super::formats::Pair;

/// The lines of one section; `None` when the text has no such section.
pub(super) fn section(text: &str, wanted: &str) -> Option<Vec<Pair>> {
    let mut current: Option<&str> = None;
    let mut found = false;
    let mut pairs = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim_matches([' ', '\t', '\r']);
        if let Some(rest) = line.strip_prefix('[') {
            // The last character goes unchecked, as in uWSGI.
            let name = rest
                .char_indices()
                .next_back()
                .map_or("", |(end, _)| &rest[..end]);
            found |= name == wanted;
            current = Some(name);
        } else if !line.is_empty() && !line.starts_with(['#', ';']) && current == Some(wanted) {
            let (key, value) = line.split_once('=').unwrap_or((line, ""));
            pairs.push(Pair {
                key: key.trim_end_matches([' ', '\t']).to_owned(),
                value: value.trim_matches([' ', '\t']).to_owned(),
                line: index + 1,
            });
        }
    }
    found.then_some(pairs)
}

/// What the magic variables of one file stand for.
#[derive(Clone, Debug)]
pub(super) struct Magic {
    /// As the user named it.
    given: String,
    /// Absolute.
    path: PathBuf,
    /// The section asked for; empty: none.
    section: String,
}

impl Magic {
    /// The variables for a file that the user named so, from this directory.
    pub(super) fn new(given: &str, section: &str, directory: &Path) -> Magic {
        Magic {
            given: given.to_owned(),
            path: normal(&directory.join(given)),
            section: section.to_owned(),
        }
    }

    /// The value of a lower-case letter or digit that depends on the file.
    fn value(&self, letter: char) -> Option<String> {
        let name = |part: Option<&std::ffi::OsStr>| part.map(|part| part.to_string_lossy().into_owned());
        let directory = || self.path.parent().unwrap_or(Path::new("/"));
        let text = match letter {
            'p' => self.path.display().to_string(),
            's' => name(self.path.file_name()).unwrap_or_default(),
            'd' => format!("{}/", directory().display()).replace("//", "/"),
            'n' => name(self.path.file_stem()).unwrap_or_default(),
            'e' => name(self.path.extension()).unwrap_or_default(),
            'c' => name(directory().file_name()).unwrap_or_default(),
            'x' => self.section.clone(),
            'o' => self.given.clone(),
            'i' => std::fs::metadata(&self.path)
                .map(|data| data.ino().to_string())
                .unwrap_or_default(),
            'j' => format!(
                "{:08X}",
                hash(self.path.display().to_string().as_bytes()).swap_bytes()
            ),
            digit => {
                let index = digit.to_digit(10)? as usize;
                let parts = self
                    .path
                    .components()
                    .filter(|part| matches!(part, Component::Normal(_)));
                parts
                    .map(|part| part.as_os_str().to_string_lossy().into_owned())
                    .nth(index)
                    .unwrap_or_default()
            }
        };
        Some(text)
    }
}

/// uWSGI's hash of a path (Bernstein's, with exclusive or), which it shows byte by byte from the lowest.
fn hash(bytes: &[u8]) -> u32 {
    bytes
        .iter()
        .fold(5381, |hash: u32, byte| hash.wrapping_mul(33) ^ u32::from(*byte))
}

/// The path without `.` and `..`; links are not followed.
fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                out.pop();
            }
            Component::CurDir => {}
            part => out.push(part),
        }
    }
    out
}

/// Replaces the magic variables in a file's text. `first` is the first file that was read, for upper-case letters.
pub(super) fn replace_magic(text: &str, this: &Magic, first: &Magic, directory: &Path) -> String {
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '%' {
            out.push(character);
            continue;
        }
        match characters.next() {
            Some('(') => out.push_str("%("),
            Some('%') | None => out.push('%'),
            Some('[') => out.push('\u{1b}'),
            Some(letter) => out.push_str(&magic(letter, this, first, directory)),
        }
    }
    out
}

fn magic(letter: char, this: &Magic, first: &Magic, directory: &Path) -> String {
    let now = || {
        std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default()
    };
    let own = |id: fn(&std::fs::Metadata) -> u32| {
        std::fs::metadata("/proc/self")
            .map(|data| id(&data).to_string())
            .unwrap_or_default()
    };
    match letter {
        'v' => directory.display().to_string(),
        'V' => crate::UWSGI_VERSION.to_owned(),
        'h' => hostname(),
        'k' => processors().to_string(),
        't' => now().as_secs().to_string(),
        'T' => now().as_micros().to_string(),
        'u' => own(MetadataExt::uid),
        'g' => own(MetadataExt::gid),
        'U' => name_of("/etc/passwd", &own(MetadataExt::uid)),
        'G' => name_of("/etc/group", &own(MetadataExt::gid)),
        'P' | 'S' | 'D' | 'N' | 'E' | 'C' | 'X' | 'O' | 'I' | 'J' => {
            first.value(letter.to_ascii_lowercase()).unwrap_or_default()
        }
        letter => this.value(letter).unwrap_or_default(),
    }
}

/// The machine's name, where the system keeps it in a file.
pub(super) fn hostname() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .unwrap_or_default()
        .trim()
        .to_owned()
}

/// How many processors this process may use.
pub(super) fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The name for a number in a file of the form `name:x:number:...`; the number itself where there is none.
fn name_of(file: &str, number: &str) -> String {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let entry = text.lines().find(|line| line.split(':').nth(2) == Some(number));
    entry
        .and_then(|line| line.split(':').next())
        .unwrap_or(number)
        .to_owned()
}
