//! Answers that rules give without the application.

use std::path::PathBuf;

use config::RouteFile;

use crate::exchange::Exchange;
use crate::files;

/// An answer without the application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Close without an answer.
    Close,
    /// An error page.
    Status(u16),
    /// A status line, and a text.
    Text {
        /// `404 Not Found`
        status: String,
        /// The body.
        body: String,
        /// The connection ends with it.
        close: bool,
    },
    /// Status and Location.
    Redirect(u16, String),
    /// 401, for this realm.
    Unauthorized(String),
    /// A file.
    File(PathBuf, RouteFile),
    /// A value of a cache.
    Value {
        /// What it is.
        bytes: Vec<u8>,
        /// Its media type; empty: none is told.
        media_type: String,
        /// How it is encoded.
        encoding: Option<String>,
    },
}

impl Outcome {
    /// Gives the answer.
    pub(crate) fn answer(self, exchange: &mut Exchange) {
        match self {
            Outcome::Close => exchange.give_up(),
            Outcome::Status(status) => exchange.fail(status),
            Outcome::Text { status, body, close } => {
                if close {
                    exchange.close_after_answer();
                }
                short(exchange, &status, None, &body);
            }
            Outcome::Redirect(301, address) => {
                short(
                    exchange,
                    "301 Moved Permanently",
                    Some(("Location", &address)),
                    "Moved Permanently",
                );
            }
            Outcome::Redirect(_, address) => {
                short(exchange, "302 Found", Some(("Location", &address)), "Moved")
            }
            Outcome::Unauthorized(realm) => {
                let challenge = format!("Basic realm=\"{}\"", realm.replace(['"', '\\'], ""));
                let field = Some(("WWW-Authenticate", challenge.as_str()));
                short(exchange, "401 Authorization Required", field, "Unauthorized");
            }
            Outcome::File(path, file) => files::answer_with(exchange, &path, &file),
            Outcome::Value {
                bytes,
                media_type,
                encoding,
            } => value(exchange, &bytes, &media_type, encoding.as_deref()),
        }
    }
}

fn value(exchange: &mut Exchange, bytes: &[u8], media_type: &str, encoding: Option<&str>) {
    let response = exchange.response();
    response.clear();
    let mut fields = vec![("Content-Type", media_type)];
    fields.extend(encoding.map(|encoding| ("Content-Encoding", encoding)));
    let mut told = fields.into_iter().filter(|(_, value)| !value.is_empty());
    let all_told = told.all(|(name, value)| response.push(name.as_bytes(), value.as_bytes()).is_ok());
    if !all_told || response.set_status(b"200 OK").is_err() {
        // What the configuration says of it is no value of a field.
        return exchange.fail(500);
    }
    response.set_content_length(bytes.len() as u64);
    exchange.begin();
    exchange.write(bytes);
    exchange.finish();
}

/// An answer with a short text, and one field of its own.
fn short(exchange: &mut Exchange, status: &str, field: Option<(&str, &str)>, text: &str) {
    let response = exchange.response();
    response.clear();
    let pushed = field.is_none_or(|(name, value)| response.push(name.as_bytes(), value.as_bytes()).is_ok());
    if !pushed || response.set_status(status.as_bytes()).is_err() {
        // Only what a request has put into a text can be wrong with it.
        return exchange.fail(400);
    }
    // Fixed and valid.
    let _ = response.push(b"Content-Type", b"text/plain");
    response.set_content_length(text.len() as u64);
    exchange.begin();
    exchange.write(text.as_bytes());
    exchange.finish();
}
