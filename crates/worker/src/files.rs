//! Requests that are answered from files, without the application: found here, answered in [`answer`].
//!
//! Rules: GET and HEAD only. A file is served when, with all links resolved, it lies in the mapped directory or in one that
//! is declared safe; a path with `..` in it is never looked up, however it was escaped, nor one with a hidden name. Whatever
//! is not found goes on to the application. What it leaves out: listings, redirects to a final slash, and compressing anything itself.

mod answer;
mod conditions;
#[cfg(test)]
mod fuzzed;
mod media_types;

use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::SystemTime;

use config::{Compressed, ExpirySubject, RouteFile, StaticFiles, StaticMapping};
use protocol::{RequestHead, percent_decode};
use rustix::fs::{Mode, OFlags};

use self::media_types::MediaTypes;
use crate::exchange::Exchange;

/// The codings of compressed neighbours, the best first, and how their names end.
const CODINGS: [(&str, &str); 2] = [("br", ".br"), ("gzip", ".gz")];

/// Everything that is served from files.
#[derive(Debug)]
pub(crate) struct Files {
    rules: StaticFiles,
    /// What relative directories are meant from.
    directory: PathBuf,
    media_types: MediaTypes,
}

/// A file to answer with.
#[derive(Debug)]
pub(crate) struct Found {
    /// Without links, and without the ending of a coding.
    path: PathBuf,
    file: File,
    metadata: Metadata,
    media_type: Option<String>,
    /// The coding of a compressed neighbour that is sent instead.
    coding: Option<&'static str>,
    /// Other clients may get another coding.
    varies: bool,
    expires: Option<SystemTime>,
}

impl Files {
    /// What the settings ask for; `None` when that is nothing.
    pub(crate) fn new(rules: &StaticFiles) -> Option<Files> {
        let any = !rules.mappings.is_empty() || rules.below_document_root;
        any.then(|| Files {
            rules: rules.clone(),
            // Without it, relative directories lead nowhere.
            directory: std::env::current_dir().unwrap_or_default(),
            media_types: MediaTypes::new(&rules.mime_types),
        })
    }

    /// Answers the request if there is a file for it.
    pub(crate) fn answer(&self, exchange: &mut Exchange) -> bool {
        // A body that has not come is the application's to read or to refuse.
        if exchange.body_arriving() {
            return false;
        }
        let Some(found) = self.find(exchange.head()) else {
            return false;
        };
        match self.rules.named_in {
            Some(field) => answer::hand_over(exchange, &found, field),
            None => answer::send(exchange, found),
        }
        true
    }

    fn find(&self, head: &RequestHead) -> Option<Found> {
        if !matches!(head.method(), b"GET" | b"HEAD") {
            return None;
        }
        let mut path = Vec::new();
        percent_decode(head.path(), &mut path);
        let rejected = path.contains(&0) || path.split(|byte| *byte == b'/').any(|part| part == b"..");
        if rejected
            || self
                .rules
                .skipped
                .iter()
                .any(|end| path.ends_with(end.as_bytes()))
        {
            return None;
        }
        let document_root = self.document_root(head);
        let (mapped, root) = document_root
            .iter()
            .chain(&self.rules.mappings)
            .find_map(|mapping| self.locate(mapping, &path))?;
        let accepted = head.field("accept-encoding").unwrap_or_default();
        let (file, metadata, coding, varies) = self.open(&mapped, &root, accepted)?;
        let media_type = self.media_types.of(&mapped).map(str::to_owned);
        let expires = self.expires(head, &path, &mapped, media_type.as_deref(), &metadata);
        Some(Found {
            path: mapped,
            file,
            metadata,
            media_type,
            coding,
            varies,
            expires,
        })
    }

    /// What the web server names as the directory of all files, if that counts.
    fn document_root(&self, head: &RequestHead) -> Option<StaticMapping> {
        let root = head
            .given_variable("DOCUMENT_ROOT")
            .or_else(|| head.variable("DOCUMENT_ROOT"))
            .filter(|root| self.rules.below_document_root && !root.is_empty())?;
        Some(StaticMapping {
            prefix: String::new(),
            target: PathBuf::from(OsStr::from_bytes(root)),
            whole_path: true,
        })
    }

    /// The file that a path leads to by one mapping, and the directory it has to stay in; both without links.
    fn locate(&self, mapping: &StaticMapping, path: &[u8]) -> Option<(PathBuf, PathBuf)> {
        let rest = path.strip_prefix(mapping.prefix.as_bytes())?;
        // `/static` does not mean `/statics`.
        let ends = mapping.prefix.ends_with('/') || rest.is_empty() || rest.starts_with(b"/");
        if !ends {
            return None;
        }
        let root = self.directory.join(&mapping.target).canonicalize().ok()?;
        if root.is_file() {
            return rest.is_empty().then(|| (root.clone(), root));
        }
        let below = if mapping.whole_path { path } else { rest };
        if below.split(|byte| *byte == b'/').any(is_hidden) {
            return None;
        }
        let start = below.iter().position(|byte| *byte != b'/').unwrap_or(below.len());
        let candidate = root.join(OsStr::from_bytes(&below[start..]));
        let found = self.allowed(&candidate, &root)?;
        if found.is_file() {
            return Some((found, root));
        }
        let mut indexes = self.rules.index.iter().map(|name| found.join(name));
        let index = indexes.find_map(|index| self.allowed(&index, &root).filter(|index| index.is_file()));
        index.map(|index| (index, root))
    }

    /// The path without links, if it lies where it may.
    fn allowed(&self, path: &Path, root: &Path) -> Option<PathBuf> {
        let real = path.canonicalize().ok()?;
        let safe = || {
            self.rules
                .safe
                .iter()
                .filter_map(|safe| self.directory.join(safe).canonicalize().ok())
        };
        (real.starts_with(root) || safe().any(|safe| real.starts_with(safe))).then_some(real)
    }

    /// Opens a file, or a compressed neighbour that the client takes.
    fn open(
        &self,
        path: &Path,
        root: &Path,
        accepted: &[u8],
    ) -> Option<(File, Metadata, Option<&'static str>, bool)> {
        let mut varies = false;
        if self.may_be_compressed(path) {
            for (coding, ending) in CODINGS {
                let mut name = path.as_os_str().to_owned();
                name.push(ending);
                let Some(neighbour) = self.allowed(Path::new(&name), root) else {
                    continue;
                };
                varies = true;
                if conditions::accepts(accepted, coding)
                    && let Some((file, metadata)) = open_file(&neighbour)
                {
                    return Some((file, metadata, Some(coding), true));
                }
            }
        }
        let (file, metadata) = open_file(path)?;
        Some((file, metadata, None, varies))
    }

    fn may_be_compressed(&self, path: &Path) -> bool {
        self.rules.compressed.iter().any(|rule| match rule {
            Compressed::All => true,
            Compressed::Matching(pattern) => pattern.matches(&path.to_string_lossy()),
            Compressed::Prefix(prefix) => path.starts_with(self.directory.join(prefix)),
            Compressed::Suffix(suffix) => path.as_os_str().as_bytes().ends_with(suffix.as_bytes()),
        })
    }

    /// When the answer is no longer fresh, if a rule says so.
    fn expires(
        &self,
        head: &RequestHead,
        path: &[u8],
        file: &Path,
        media_type: Option<&str>,
        metadata: &Metadata,
    ) -> Option<SystemTime> {
        let rule = self.rules.expiry.iter().find(|rule| match rule.subject {
            ExpirySubject::File => rule.pattern.matches(&file.to_string_lossy()),
            ExpirySubject::Target => rule.pattern.matches(&String::from_utf8_lossy(head.target())),
            ExpirySubject::Path => rule.pattern.matches(&String::from_utf8_lossy(path)),
            ExpirySubject::MediaType => media_type.is_some_and(|name| rule.pattern.matches(name)),
        })?;
        let since = match rule.since_change {
            true => metadata.modified().ok()?,
            false => SystemTime::now(),
        };
        // A date has four digits for its year.
        since.checked_add(std::time::Duration::from_secs(
            rule.seconds.min(100 * 365 * 86_400),
        ))
    }
}

/// Names that begin with a dot are not meant for the public (`.git`, `.env`, `.htpasswd`), but for the one that is (RFC 8615).
fn is_hidden(name: &[u8]) -> bool {
    name.starts_with(b".") && name != b"." && name != b".well-known"
}

/// What the system's list says of a file's media type.
pub(crate) fn media_type(path: &Path) -> Option<String> {
    static MEDIA_TYPES: LazyLock<MediaTypes> = LazyLock::new(|| MediaTypes::new(&[]));
    MEDIA_TYPES.of(path).map(str::to_owned)
}

/// Answers with one file, as a rule says; with 404 when it cannot be read.
pub(crate) fn answer_with(exchange: &mut Exchange, path: &Path, rule: &RouteFile) {
    let Some((file, metadata)) = path.canonicalize().ok().and_then(|path| open_file(&path)) else {
        return exchange.fail(404);
    };
    let media_type = rule.media_type.clone().or_else(|| media_type(path));
    let found = Found {
        path: path.to_owned(),
        file,
        metadata,
        media_type,
        coding: None,
        varies: false,
        expires: None,
    };
    match &rule.status {
        Some(status) => answer::send_as(exchange, found, status),
        None => answer::send(exchange, found),
    }
}

/// Opens a regular file. Whatever else has taken its place meanwhile is neither waited for nor followed.
fn open_file(path: &Path) -> Option<(File, Metadata)> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOFOLLOW;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty()).ok()?);
    let metadata = file.metadata().ok().filter(Metadata::is_file)?;
    Some((file, metadata))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory of its own, removed when dropped.
    struct Directory(PathBuf);

    impl Directory {
        fn new(name: &str) -> Directory {
            let path = std::env::temp_dir().join(format!("penstock-files-{}-{name}", std::process::id()));
            std::fs::create_dir_all(&path).expect("a temporary directory can be made");
            Directory(path.canonicalize().expect("it is there"))
        }

        fn write(&self, name: &str) {
            let path = self.0.join(name);
            std::fs::create_dir_all(path.parent().expect("it has a parent"))
                .expect("a directory can be made");
            std::fs::write(path, name).expect("a file can be written");
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            // A directory that cannot be removed does not fail a test.
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn mapping(prefix: &str, target: &str, whole_path: bool) -> StaticMapping {
        StaticMapping {
            prefix: prefix.to_owned(),
            target: PathBuf::from(target),
            whole_path,
        }
    }

    fn files(directory: &Directory, rules: StaticFiles) -> Files {
        Files {
            rules,
            directory: directory.0.clone(),
            media_types: MediaTypes::new(&[]),
        }
    }

    #[test]
    fn a_path_leads_to_a_file_in_its_directory_and_nowhere_else() {
        let directory = Directory::new("lookup");
        for name in [
            "site/a.css",
            "site/sub/index.html",
            "site-secret/key",
            "other/b.css",
            "site/w/x.js",
            "secret",
            "site/we ird/ü",
            "site/.git/config",
            "site/.well-known/token",
        ] {
            directory.write(name);
        }
        let link = |target: &str, name: &str| {
            std::os::unix::fs::symlink(directory.0.join(target), directory.0.join(name))
                .expect("a link can be made");
        };
        link("secret", "site/leak");
        link("other", "site/linked");
        link("site/a.css", "site/inner");
        let files = files(
            &directory,
            StaticFiles {
                mappings: vec![
                    mapping("/s", "site", false),
                    mapping("/w", "site", true),
                    mapping("/one.css", "site/a.css", false),
                    mapping("/gone", "nothing", false),
                ],
                index: vec!["index.html".to_owned()],
                safe: vec![PathBuf::from("other")],
                ..StaticFiles::default()
            },
        );
        let find = |path: &str| {
            let found = files
                .rules
                .mappings
                .iter()
                .find_map(|mapping| files.locate(mapping, path.as_bytes()));
            found.map(|(path, _)| {
                path.strip_prefix(&directory.0)
                    .expect("below it")
                    .display()
                    .to_string()
            })
        };
        for (path, expected) in [
            ("/s/a.css", Some("site/a.css")),
            ("/s//a.css", Some("site/a.css")),
            ("/s/./a.css", Some("site/a.css")),
            ("/s/we ird/ü", Some("site/we ird/ü")),
            ("/s/sub", Some("site/sub/index.html")),
            ("/s/sub/", Some("site/sub/index.html")),
            ("/w/x.js", Some("site/w/x.js")),
            ("/one.css", Some("site/a.css")),
            ("/one.css/x", None),
            ("/s/inner", Some("site/a.css")),
            ("/s/linked/b.css", Some("other/b.css")),
            ("/s/leak", None),
            ("/s/.git/config", None),
            ("/w/.git/config", None),
            ("/s/.well-known/token", Some("site/.well-known/token")),
            ("/s-secret/key", None),
            ("/s", None),
            ("/s/a.css/", None),
            ("/s/none", None),
            ("/gone/a", None),
            ("/s//etc/passwd", None),
            ("a.css", None),
        ] {
            assert_eq!(find(path).as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn a_pipe_is_no_file_and_nobody_waits_for_it() {
        let directory = Directory::new("pipe");
        let path = directory.0.join("pipe");
        let made = rustix::fs::mknodat(
            rustix::fs::CWD,
            &path,
            rustix::fs::FileType::Fifo,
            Mode::RUSR | Mode::WUSR,
            0,
        );
        made.expect("a pipe can be made");
        assert!(open_file(&path).is_none());
    }
}
