//! Which requests are answered from files, without the application: plain data, made by a dialect, acted upon by `worker`.

use std::path::PathBuf;

use crate::Pattern;

/// Files that are served. By default none are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StaticFiles {
    /// Where paths lead to; the first that leads to a file wins.
    pub mappings: Vec<StaticMapping>,
    /// Names tried in a directory, in this order. Without any, directories are not served.
    pub index: Vec<String>,
    /// Ends of paths that are never served (`.php`).
    pub skipped: Vec<String>,
    /// Directories that links in a mapped directory may lead to.
    pub safe: Vec<PathBuf>,
    /// How long answers stay fresh; the first rule that matches wins.
    pub expiry: Vec<Expiry>,
    /// Where a compressed neighbour (`FILE.br`, `FILE.gz`) is sent to clients that take it.
    pub compressed: Vec<Compressed>,
    /// Also below the directory that the web server names in DOCUMENT_ROOT.
    pub below_document_root: bool,
    /// The web server sends the files: they are named in this field of the answer, which has no body.
    pub named_in: Option<&'static str>,
    /// Files in the format of `/etc/mime.types`, read on top of that one; the last word counts.
    pub mime_types: Vec<PathBuf>,
}

/// A part of the paths, and the directory or file it leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaticMapping {
    /// The beginning of the path, up to the end or a `/`. Empty: every path.
    pub prefix: String,
    /// The directory, or the file for exactly that path; relative to the directory after `chdir`.
    pub target: PathBuf,
    /// Append the whole path to the directory, instead of what follows the prefix.
    pub whole_path: bool,
}

/// A rule for the Expires field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// What is looked at.
    pub subject: ExpirySubject,
    /// What it has to match.
    pub pattern: Pattern,
    /// Seconds that the answer stays fresh.
    pub seconds: u64,
    /// Counted from the file's last change instead of from now.
    pub since_change: bool,
}

/// What a rule for Expires looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpirySubject {
    /// The file's path.
    File,
    /// The request's target, as sent.
    Target,
    /// The request's path, decoded.
    Path,
    /// The file's media type.
    MediaType,
}

/// Files whose compressed neighbours are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Compressed {
    /// All.
    All,
    /// Those whose path matches.
    Matching(Pattern),
    /// Those whose path begins so.
    Prefix(PathBuf),
    /// Those whose path ends so.
    Suffix(String),
}
