//! The options of uWSGI's `cgi` plugin.

use std::path::PathBuf;
use std::time::Duration;

use super::{Entry, at_start, does, natural, refused, without_effect};
use crate::CgiMount;
use crate::defaults::size;

pub(super) const ENTRIES: &[Entry] = &[
    does(
        &["cgi"],
        "[/MOUNT=]PATH: run the scripts of a directory, or one script. No modifier is needed; without a mount, every path is \
         a script's.",
        |d, v| {
            let (prefix, path) = match v.split_once('=') {
                Some((prefix, path)) => (prefix, path),
                None => ("", v),
            };
            let path = at_start(d, path);
            d.settings.cgi.mounts.push(CgiMount {
                prefix: prefix.trim_end_matches('/').to_owned(),
                path,
            });
            Ok(())
        },
    ),
    does(
        &["cgi-helper", "cgi-map-helper"],
        ".ENDING=COMMAND: run scripts with that ending by COMMAND.",
        |d, v| match v.split_once('=') {
            Some((ending, command)) => {
                d.settings
                    .cgi
                    .helpers
                    .push((ending.to_owned(), PathBuf::from(command)));
                Ok(())
            }
            None => Err(format!("'{v}' has to be .ENDING=COMMAND")),
        },
    ),
    does(
        &["cgi-index"],
        "Look for this name where a path is a directory.",
        |d, v| {
            d.settings.cgi.index.push(v.to_owned());
            Ok(())
        },
    ),
    does(
        &["cgi-allowed-ext"],
        "Run only scripts with this ending.",
        |d, v| {
            d.settings.cgi.allowed_endings.push(v.to_owned());
            Ok(())
        },
    ),
    does(
        &["cgi-timeout"],
        "Seconds a script may be silent before it is killed, with its process group; the answer is 504.",
        |d, v| {
            d.settings.cgi.timeout = Duration::from_secs(natural(v)?.max(1));
            Ok(())
        },
    ),
    does(
        &["cgi-buffer-size"],
        "Longest header of a script, in bytes.",
        |d, v| {
            d.settings.cgi.head = size(natural(v)?);
            Ok(())
        },
    ),
    does(&["cgi-unset"], "Keep this variable from scripts.", |d, v| {
        d.settings.cgi.unset.push(v.to_owned());
        Ok(())
    }),
    does(
        &["cgi-safe"],
        "A directory outside the mount that symbolic links may lead to.",
        |d, v| {
            let directory = at_start(d, v);
            d.settings.cgi.safe.push(directory);
            Ok(())
        },
    ),
    without_effect(
        &["cgi-optimize", "cgi-optimized"],
        "Start scripts without copying the process.",
        "they are always started like that",
    ),
    without_effect(
        &[
            "cgi-async-max-attempts",
            "cgi-close-stdin-on-eof",
            "cgi-do-not-kill-on-error",
        ],
        "Details of how scripts are fed and listened to.",
        "body and output pass side by side here, and a script whose client has left is killed",
    ),
    refused(
        &["cgi-from-docroot"],
        "Take the directory from DOCUMENT_ROOT.",
        "a request must not choose the directory: name it with cgi",
    ),
    refused(
        &["cgi-path-info"],
        "Leave PATH_INFO as the request has it.",
        "RFC 3875 has PATH_INFO begin behind the script; the whole path is in REQUEST_URI",
    ),
    refused(
        &["cgi-loadlib"],
        "Run a function of a C library in the script's process.",
        "nothing is loaded into scripts' processes: write a wrapper and name it with cgi-helper",
    ),
];
