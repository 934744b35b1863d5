//! The answer to a request for a file: which one is decided in [`conditions`](super::conditions), its fields are here.

use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use httpdate::fmt_http_date;

use super::Found;
use super::conditions::{Choice, choose};
use crate::exchange::Exchange;

/// Answers with a file.
pub(super) fn send(exchange: &mut Exchange, found: Found) {
    let size = found.metadata.len();
    let tag = entity_tag(&found.metadata);
    let modified = whole_seconds(&found.metadata);
    let choice = choose(exchange.head(), size, &tag, modified);
    let (status, length) = match choice {
        Choice::Whole => (200, size),
        Choice::Part(_, length) => (206, length),
        Choice::NotModified => (304, 0),
        Choice::Failed => (412, 0),
        Choice::Unsatisfiable => (416, 0),
    };
    let range = match choice {
        Choice::Part(first, length) => Some(format!("bytes {first}-{}/{size}", first + length - 1)),
        Choice::Unsatisfiable => Some(format!("bytes */{size}")),
        _ => None,
    };
    let represents = matches!(choice, Choice::Whole | Choice::Part(..));
    let fields = [
        ("Last-Modified", Some(fmt_http_date(modified))),
        ("ETag", Some(tag)),
        ("Accept-Ranges", Some("bytes".to_owned())),
        ("Content-Type", found.media_type.filter(|_| represents)),
        (
            "Content-Encoding",
            found.coding.filter(|_| represents).map(str::to_owned),
        ),
        ("Content-Range", range),
        ("Vary", found.varies.then(|| "Accept-Encoding".to_owned())),
        ("Expires", found.expires.map(fmt_http_date)),
    ];
    let response = exchange.response();
    response.clear();
    // The code is one of those above and the values are dates, numbers and graphic characters: nothing to refuse.
    let _ = response.set_status_code(status);
    for (name, value) in fields {
        if let Some(value) = value {
            let _ = response.push(name.as_bytes(), value.as_bytes());
        }
    }
    if status != 304 {
        response.set_content_length(length);
    }
    exchange.begin();
    if length > 0 {
        let first = match choice {
            Choice::Part(first, _) => first,
            _ => 0,
        };
        exchange.write_file(found.file.into(), first, length);
    }
    exchange.finish();
}

/// Has the web server send the file, which it finds named in `field`.
pub(super) fn hand_over(exchange: &mut Exchange, found: &Found, field: &str) {
    let modified = fmt_http_date(whole_seconds(&found.metadata));
    let mut path = found.path.as_os_str().as_bytes().to_vec();
    path.extend_from_slice(match found.coding {
        Some("br") => b".br",
        Some(_) => b".gz",
        None => b"",
    });
    let response = exchange.response();
    response.clear();
    // A fixed status, and values without control characters.
    let _ = response.set_status_code(200);
    if response.push(field.as_bytes(), &path).is_err() {
        return exchange.fail(404);
    }
    let _ = response.push(b"Last-Modified", modified.as_bytes());
    let fields = [
        ("Content-Type", &found.media_type),
        ("Content-Encoding", &found.coding.map(str::to_owned)),
    ];
    for (name, value) in fields {
        if let Some(value) = value {
            let _ = response.push(name.as_bytes(), value.as_bytes());
        }
    }
    response.set_content_length(0);
    exchange.begin();
    exchange.finish();
}

/// Answers with all of a file, under a status that has been checked.
pub(super) fn send_as(exchange: &mut Exchange, found: Found, status: &str) {
    let size = found.metadata.len();
    let response = exchange.response();
    response.clear();
    let status = format!("{status}{}", if status.len() == 3 { " " } else { "" });
    if response.set_status(status.as_bytes()).is_err() {
        return exchange.fail(500);
    }
    if let Some(media_type) = found.media_type {
        // What would break the field is left away.
        let _ = response.push(b"Content-Type", media_type.as_bytes());
    }
    response.set_content_length(size);
    exchange.begin();
    if size > 0 {
        exchange.write_file(found.file.into(), 0, size);
    }
    exchange.finish();
}

/// Changes whenever the file does.
fn entity_tag(metadata: &Metadata) -> String {
    let since = metadata
        .modified()
        .ok()
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
        .unwrap_or_default();
    format!(
        "\"{:x}.{:x}-{:x}\"",
        since.as_secs(),
        since.subsec_nanos(),
        metadata.len()
    )
}

/// When the file changed, as exactly as a date in a field can be.
fn whole_seconds(metadata: &Metadata) -> SystemTime {
    let since = metadata
        .modified()
        .ok()
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    UNIX_EPOCH + Duration::from_secs(since.unwrap_or_default().as_secs())
}
