//! The `environ` of a request that came by a gateway: the web server's own variables, as they came.
//!
//! Rules: nothing is renamed or left out but what could pose as a setting (HTTP_PROXY), as over HTTP; repeated headers
//! are joined, of other repeated variables the last one counts. Which scheme the client came by is uWSGI's rule.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use foldhash::fast::FixedState;
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use worker::Exchange;

use super::environ::{LONGEST_NAME, NAMES, format_joined, latin1};

/// What the variables of gateway requests are to an environ.
pub(super) struct Variables {
    names: Mutex<HashMap<Box<[u8]>, Variable, FixedState>>,
}

enum Variable {
    /// Taken over; the last one counts.
    Plain(Py<PyString>),
    /// A header; repeated ones are joined by this.
    Header(Py<PyString>, &'static [u8]),
    /// Taken over, and says something about the client's scheme.
    Scheme(Py<PyString>, Hint),
    /// Not shown: it could pose as something else.
    Dropped,
}

/// What says by which scheme the client came, the most telling first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Hint {
    UwsgiScheme,
    ForwardedProto,
    /// HTTPS and X-Forwarded-Ssl.
    Switch,
}

impl Variables {
    pub(super) fn new() -> Variables {
        Variables {
            names: Mutex::default(),
        }
    }

    /// Fills in the variables of a request. `believes`: whether what the client may have sent itself about its scheme
    /// counts. True when a variable was dropped.
    pub(super) fn fill(
        &self,
        py: Python<'_>,
        environ: &Bound<'_, PyDict>,
        exchange: &Exchange,
        believes: bool,
    ) -> PyResult<bool> {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        // Headers seen in this request: interned keys are found by address.
        let mut seen: [*mut ffi::PyObject; 64] = [std::ptr::null_mut(); 64];
        let mut headers = 0;
        let mut scheme: Option<(Hint, bool)> = None;
        let mut dropped = false;
        for (name, value) in exchange.head().variables() {
            let unknown;
            let variable = match names.get(name) {
                Some(known) => known,
                None if names.len() < NAMES && name.len() <= LONGEST_NAME => {
                    names.entry(name.into()).or_insert(Variable::named(py, name))
                }
                None => {
                    unknown = Variable::named(py, name);
                    &unknown
                }
            };
            match variable {
                Variable::Dropped => dropped = true,
                Variable::Plain(key) => environ.set_item(key, latin1(py, value))?,
                Variable::Scheme(key, hint) => {
                    let counts = believes || *hint == Hint::UwsgiScheme || name == b"HTTPS";
                    if let Some(secure) = hint.says(value).filter(|_| counts)
                        && scheme.is_none_or(|(best, _)| *hint <= best)
                    {
                        scheme = Some((*hint, secure));
                    }
                    environ.set_item(key, latin1(py, value))?;
                }
                Variable::Header(key, joint) => {
                    let repeated = headers >= seen.len() || seen[..headers].contains(&key.as_ptr());
                    if headers < seen.len() {
                        seen[headers] = key.as_ptr();
                        headers += 1;
                    }
                    match environ.get_item(key).ok().flatten().filter(|_| repeated) {
                        Some(first) => environ.set_item(key, format_joined(py, &first, joint, value)?)?,
                        None => environ.set_item(key, latin1(py, value))?,
                    }
                }
            }
        }
        if let Some((_, true)) = scheme {
            environ.set_item(intern!(py, "wsgi.url_scheme"), intern!(py, "https"))?;
        }
        Ok(dropped)
    }
}

impl Hint {
    /// Whether the client came by TLS, if the value says so or says that it did not.
    fn says(self, value: &[u8]) -> Option<bool> {
        match self {
            Hint::Switch => Some(value.starts_with(b"on") || value.starts_with(b"1")),
            Hint::UwsgiScheme | Hint::ForwardedProto if value.is_empty() => None,
            Hint::UwsgiScheme | Hint::ForwardedProto => Some(value.eq_ignore_ascii_case(b"https")),
        }
    }
}

impl Variable {
    fn named(py: Python<'_>, name: &[u8]) -> Variable {
        let text: String = name.iter().map(|byte| char::from(*byte)).collect();
        let key = PyString::intern(py, &text).unbind();
        match name {
            // CGI programs, and libraries that look at the environment, take it for a setting ("httpoxy").
            b"HTTP_PROXY" => Variable::Dropped,
            b"UWSGI_SCHEME" => Variable::Scheme(key, Hint::UwsgiScheme),
            b"HTTP_X_FORWARDED_PROTO" => Variable::Scheme(key, Hint::ForwardedProto),
            b"HTTPS" | b"HTTP_X_FORWARDED_SSL" => Variable::Scheme(key, Hint::Switch),
            // Configurations of web servers add one of their own to one that is there.
            b"HTTP_HOST" => Variable::Plain(key),
            b"HTTP_COOKIE" => Variable::Header(key, b"; "),
            _ if name.starts_with(b"HTTP_") => Variable::Header(key, b","),
            _ => Variable::Plain(key),
        }
    }
}
