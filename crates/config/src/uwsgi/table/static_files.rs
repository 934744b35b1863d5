//! What uWSGI's options for static files mean here.

use std::path::PathBuf;

use super::rights::seen_from_here;
use super::{Draft, Entry, at_start, does, does_with_text};
use crate::uwsgi::known::is_on;
use crate::{Compressed, Expiry, ExpirySubject, Pattern, StaticMapping};

fn map(draft: &mut Draft<'_>, value: &str, whole_path: bool) -> Result<(), String> {
    let (prefix, target) = value
        .split_once('=')
        .filter(|(prefix, target)| !prefix.is_empty() && !target.is_empty())
        .ok_or_else(|| format!("'{value}' has to be PREFIX=DIRECTORY"))?;
    let slash = if prefix.starts_with('/') { "" } else { "/" };
    draft.settings.static_files.mappings.push(StaticMapping {
        prefix: format!("{slash}{prefix}"),
        target: PathBuf::from(target),
        whole_path,
    });
    Ok(())
}

/// `PATTERN SECONDS`, or `PATTERN=SECONDS` as media types are written.
fn expires(
    draft: &mut Draft<'_>,
    value: &str,
    subject: ExpirySubject,
    since_change: bool,
) -> Result<(), String> {
    let unreadable = || format!("'{value}' has to be PATTERN SECONDS");
    let (text, seconds) = value
        .trim()
        .rsplit_once(|character: char| character == '=' || character.is_whitespace())
        .ok_or_else(unreadable)?;
    let seconds = seconds.parse().map_err(|_| unreadable())?;
    let pattern = match subject {
        ExpirySubject::MediaType => Pattern::new(&format!(
            "^{}$",
            text.trim().replace('.', "\\.").replace('+', "\\+")
        ))?,
        _ => Pattern::new(text.trim())?,
    };
    draft.settings.static_files.expiry.push(Expiry {
        subject,
        pattern,
        seconds,
        since_change,
    });
    Ok(())
}

fn compressed(draft: &mut Draft<'_>, rule: Compressed) {
    draft.settings.static_files.compressed.push(rule);
}

macro_rules! expiry {
    ($name:literal, $help:literal, $subject:ident, $since_change:literal) => {
        does_with_text(&[$name], $help, |d, v| {
            expires(d, v, ExpirySubject::$subject, $since_change)
        })
    };
}

/// The entries, in the order of the compatibility page.
pub(super) const ENTRIES: &[Entry] = &[
    does_with_text(
        &["static-map"],
        "PREFIX=DIRECTORY or PATH=FILE: answer GET and HEAD from files, before the application; may be repeated. Hidden files \
         (`.env`, `.git`) are left to the application, but for those in `.well-known`.",
        |d, v| map(d, v, false),
    ),
    does_with_text(
        &["static-map2"],
        "As static-map, with the whole path appended to the directory.",
        |d, v| map(d, v, true),
    ),
    does(
        &["check-static", "static-check"],
        "Look for every path in this directory first.",
        |d, v| {
            d.settings.static_files.mappings.push(StaticMapping {
                prefix: String::new(),
                target: PathBuf::from(v),
                whole_path: true,
            });
            Ok(())
        },
    ),
    does(
        &["check-static-docroot"],
        "Look for every path in the directory first that the web server names in DOCUMENT_ROOT.",
        |d, v| {
            d.settings.static_files.below_document_root = is_on(v);
            Ok(())
        },
    ),
    does(
        &["file-serve-mode", "fileserve-mode"],
        "x-accel-redirect (nginx) or x-sendfile (Apache): the web server sends the files that are found.",
        |d, v| {
            d.settings.static_files.named_in = Some(match v.to_lowercase().as_str() {
                "x-accel-redirect" | "xaccelredirect" | "nginx" => "X-Accel-Redirect",
                "x-sendfile" | "xsendfile" => "X-Sendfile",
                _ => {
                    return Err(format!(
                        "'{v}' is no way to send files: take x-accel-redirect or x-sendfile"
                    ));
                }
            });
            Ok(())
        },
    ),
    does(
        &["static-index"],
        "Name of a file that answers for its directory; may be repeated.",
        |d, v| {
            d.settings.static_files.index.push(v.to_owned());
            Ok(())
        },
    ),
    does(
        &["static-skip-ext"],
        "End of paths that are never served from files; may be repeated.",
        |d, v| {
            d.settings.static_files.skipped.push(v.to_owned());
            Ok(())
        },
    ),
    does(
        &["static-safe"],
        "A directory that links may lead to; may be repeated.",
        |d, v| {
            d.settings.static_files.safe.push(PathBuf::from(v));
            Ok(())
        },
    ),
    expiry!(
        "static-expires",
        "PATTERN SECONDS: freshness of files whose path matches.",
        File,
        false
    ),
    expiry!(
        "static-expires-mtime",
        "As static-expires, counted from the file's last change.",
        File,
        true
    ),
    expiry!(
        "static-expires-uri",
        "PATTERN SECONDS: freshness by the request's target.",
        Target,
        false
    ),
    expiry!(
        "static-expires-uri-mtime",
        "As static-expires-uri, counted from the file's last change.",
        Target,
        true
    ),
    expiry!(
        "static-expires-path-info",
        "PATTERN SECONDS: freshness by the request's path.",
        Path,
        false
    ),
    expiry!(
        "static-expires-path-info-mtime",
        "As static-expires-path-info, from the file's last change.",
        Path,
        true
    ),
    expiry!(
        "static-expires-type",
        "TYPE=SECONDS: freshness by the media type.",
        MediaType,
        false
    ),
    expiry!(
        "static-expires-type-mtime",
        "As static-expires-type, counted from the file's last change.",
        MediaType,
        true
    ),
    does(
        &["static-gzip-all"],
        "Send FILE.br or FILE.gz in place of FILE to clients that take it.",
        |d, v| {
            if is_on(v) {
                compressed(d, Compressed::All);
            }
            Ok(())
        },
    ),
    does_with_text(
        &["static-gzip"],
        "As static-gzip-all, for files whose path matches.",
        |d, v| {
            compressed(d, Compressed::Matching(Pattern::new(v.trim())?));
            Ok(())
        },
    ),
    does(
        &["static-gzip-dir", "static-gzip-prefix"],
        "As static-gzip-all, for files whose path begins so.",
        |d, v| {
            compressed(d, Compressed::Prefix(PathBuf::from(v)));
            Ok(())
        },
    ),
    does(
        &["static-gzip-ext", "static-gzip-suffix"],
        "As static-gzip-all, for files whose path ends so.",
        |d, v| {
            compressed(d, Compressed::Suffix(v.to_owned()));
            Ok(())
        },
    ),
    does(
        &["mimefile", "mime-file"],
        "A file like /etc/mime.types; may be repeated.",
        |d, v| {
            let path = at_start(d, v);
            match seen_from_here(d, &path) {
                there if there.is_file() => {}
                missing => return Err(format!("there is no file {}", missing.display())),
            }
            d.settings.static_files.mime_types.push(path);
            Ok(())
        },
    ),
];
