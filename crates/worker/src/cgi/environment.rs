//! The variables of a CGI script (RFC 3875 4.1), built from nothing: of the server's own environment only PATH, LANG and TZ
//! are passed on.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use config::Settings;
use protocol::Version;

use super::find::Found;
use crate::exchange::Exchange;

/// What scripts find their programs in when the server itself has no PATH.
const STANDARD_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// How a variable begins whose value a shell older than 2014 runs (CVE-2014-6271).
const SHELL_FUNCTION: &[u8] = b"() {";

/// Variables by name, in order.
pub(super) struct Variables(Vec<(OsString, OsString)>);

impl Variables {
    fn set(&mut self, name: &str, value: impl AsRef<[u8]>) {
        self.0.push((
            OsString::from(name),
            OsStr::from_bytes(value.as_ref()).to_os_string(),
        ));
    }

    /// Adds a header; a repeated one is joined to the one before.
    fn add_header(&mut self, name: &[u8], value: &[u8]) {
        let key = variable_name(name);
        let joint: &[u8] = if name.eq_ignore_ascii_case(b"cookie") {
            b"; "
        } else {
            b", "
        };
        if let Some((_, before)) = self.0.iter_mut().find(|(known, _)| *known == key) {
            let joined = [before.as_bytes(), joint, value].concat();
            *before = OsString::from_vec(joined);
        } else {
            self.0.push((key, OsStr::from_bytes(value).to_os_string()));
        }
    }

    pub(super) fn into_inner(self) -> Vec<(OsString, OsString)> {
        self.0
    }
}

/// All variables of one request. `body_length`: where there is a body.
pub(super) fn variables(
    exchange: &Exchange,
    found: &Found,
    settings: &Settings,
    body_length: Option<u64>,
) -> Variables {
    let (head, front) = (exchange.head(), exchange.front());
    let mut variables = Variables(Vec::with_capacity(40));
    for name in ["LANG", "TZ"] {
        if let Some(value) = std::env::var_os(name) {
            variables.set(name, value.as_bytes());
        }
    }
    variables.set("PATH", search_path().as_bytes());
    variables.set("GATEWAY_INTERFACE", "CGI/1.1");
    variables.set("SERVER_SOFTWARE", concat!("penstock/", env!("CARGO_PKG_VERSION")));
    variables.set(
        "SERVER_PROTOCOL",
        match head.version() {
            Version::Http10 => "HTTP/1.0",
            Version::Http11 => "HTTP/1.1",
        },
    );
    let (name, port) = server(exchange);
    variables.set("SERVER_NAME", name);
    variables.set("SERVER_PORT", port);
    variables.set("REQUEST_METHOD", head.method());
    variables.set("REQUEST_URI", head.target());
    variables.set("REQUEST_SCHEME", exchange.scheme());
    if exchange.is_secure() {
        variables.set("HTTPS", "on");
    }
    variables.set("QUERY_STRING", head.query());
    variables.set("SCRIPT_NAME", &found.script_name);
    variables.set("SCRIPT_FILENAME", found.file.as_os_str().as_bytes());
    variables.set("DOCUMENT_ROOT", found.root.as_os_str().as_bytes());
    // php-cgi does not run without it.
    variables.set("REDIRECT_STATUS", "200");
    if !found.path_info.is_empty() {
        variables.set("PATH_INFO", &found.path_info);
        variables.set(
            "PATH_TRANSLATED",
            [found.root.as_os_str().as_bytes(), &found.path_info].concat(),
        );
    }
    variables.set("REMOTE_ADDR", exchange.client_address());
    variables.set("REMOTE_HOST", exchange.client_address());
    if !front.is_unix {
        variables.set("REMOTE_PORT", exchange.client_port().to_string());
    }
    if let Some(length) = body_length {
        variables.set("CONTENT_LENGTH", length.to_string());
    }
    if let Some(kind) = head.field("content-type") {
        variables.set("CONTENT_TYPE", kind);
    }
    let fields = head.fields();
    for (name, value) in fields.filter(|(name, value)| is_passed(name) && !value.starts_with(SHELL_FUNCTION))
    {
        variables.add_header(name, value);
    }
    for (name, value) in &settings.env {
        variables.set(name, value);
    }
    // What rules have set. Where the script is, and what follows it, is known better by now.
    for (name, value) in head.given_variables() {
        let is_own = name.starts_with(b"HTTP_") || matches!(name, b"PATH_INFO" | b"SCRIPT_NAME");
        if !is_own && let Ok(name) = std::str::from_utf8(name) {
            variables.0.retain(|(known, _)| known != name);
            variables.set(name, value);
        }
    }
    variables
        .0
        .retain(|(name, _)| !settings.cgi.unset.iter().any(|unset| name == unset.as_str()));
    variables
}

/// The program that a helper's name means: what PATH has for one without a slash. Where nothing is found it is left to the
/// system to say so.
pub(super) fn program(helper: &Path) -> PathBuf {
    if helper.as_os_str().as_bytes().contains(&b'/') {
        return helper.to_path_buf();
    }
    let may_run = |file: &PathBuf| {
        let about = file.metadata();
        about.is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o111 != 0)
    };
    let path = search_path();
    let found = std::env::split_paths(&path)
        .map(|directory| directory.join(helper))
        .find(may_run);
    found.unwrap_or_else(|| helper.to_path_buf())
}

fn search_path() -> OsString {
    std::env::var_os("PATH").unwrap_or_else(|| STANDARD_PATH.into())
}

/// The host the request was made to, and the port.
fn server(exchange: &Exchange) -> (&[u8], String) {
    let front = exchange.front();
    let (name, port) = exchange.requested_server();
    let name = if name.is_empty() {
        front.server_name.as_bytes()
    } else {
        name
    };
    if front.is_unix || exchange.is_host_forwarded() {
        (name, port.to_string())
    } else {
        (name, front.server_port.clone())
    }
}

/// Credentials are the server's; what frames the message is told in other words; with an underscore a header could pose as
/// another, and `Proxy` as the variable that libraries take their proxy from.
fn is_passed(name: &[u8]) -> bool {
    const KEPT_BACK: [&[u8]; 9] = [
        b"authorization",
        b"proxy-authorization",
        b"proxy",
        b"content-length",
        b"content-type",
        b"connection",
        b"keep-alive",
        b"transfer-encoding",
        b"te",
    ];
    !name.contains(&b'_') && !KEPT_BACK.iter().any(|kept| name.eq_ignore_ascii_case(kept))
}

fn variable_name(name: &[u8]) -> OsString {
    let mut key = b"HTTP_".to_vec();
    key.extend(name.iter().map(|byte| match byte {
        b'-' => b'_',
        other => other.to_ascii_uppercase(),
    }));
    OsString::from_vec(key)
}
