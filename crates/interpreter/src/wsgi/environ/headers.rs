//! What header fields are to an environ: their keys, which are remembered, and who may send which.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use config::{HeaderRules, Underscores};
use foldhash::fast::FixedState;
use protocol::{RequestHead, percent_decode};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use worker::Exchange;

use super::{Environs, latin1};

/// Header names remembered; a client that invents names costs time, never memory.
pub(in crate::wsgi) const NAMES: usize = 512;
/// Longer names are not remembered.
pub(in crate::wsgi) const LONGEST_NAME: usize = 64;

/// What a header is to an environ.
enum Name {
    /// `HTTP_*`; repeated headers are joined by this.
    Plain(Py<PyString>, &'static [u8]),
    /// `CONTENT_TYPE` or `CONTENT_LENGTH`.
    Content(Py<PyString>),
    /// Has an underscore, and counts when a trusted peer sends it.
    Forwarder(Py<PyString>),
    /// The same, and is the prefix the application is mounted at.
    Mount(Py<PyString>),
    /// Not shown: it could pose as something else.
    Dropped,
}

type Known = HashMap<Box<[u8]>, Name, FixedState>;

/// What is known of header names.
pub(super) struct Headers {
    known: Mutex<Known>,
    rules: HeaderRules,
    /// A header with an underscore in its name has been dropped, and the log has been told.
    told_of_underscores: AtomicBool,
}

impl Headers {
    pub(super) fn new(rules: &HeaderRules) -> Headers {
        Headers {
            known: Mutex::default(),
            rules: rules.clone(),
            told_of_underscores: AtomicBool::new(false),
        }
    }
}

impl Environs {
    /// Sets what the header fields of a request are to its environ.
    pub(super) fn set_headers(
        &self,
        py: Python<'_>,
        environ: &Bound<'_, PyDict>,
        exchange: &Exchange,
    ) -> PyResult<()> {
        let mut names = self.headers.known.lock().unwrap_or_else(PoisonError::into_inner);
        // Keys seen in this request: repeated headers are rare, and interned keys are found by address.
        let mut seen: [*mut ffi::PyObject; 32] = [std::ptr::null_mut(); 32];
        for (index, (name, value)) in exchange.head().fields().enumerate() {
            let (key, joint) = match lookup(py, &mut names, name, &self.headers.rules) {
                Name::Plain(key, joint) => (key, joint),
                Name::Content(key) => {
                    environ.set_item(key, latin1(py, value))?;
                    continue;
                }
                Name::Forwarder(key) if exchange.is_peer_trusted() => (key, &b","[..]),
                Name::Mount(key) if exchange.is_peer_trusted() => {
                    self.mount(py, environ, exchange.head(), value)?;
                    (key, &b","[..])
                }
                Name::Dropped | Name::Forwarder(_) | Name::Mount(_) => {
                    self.tell_of_dropped(name);
                    continue;
                }
            };
            let repeated = index >= seen.len() || seen[..index].contains(&key.as_ptr());
            if index < seen.len() {
                seen[index] = key.as_ptr();
            }
            if repeated && let Some(first) = environ.get_item(&key)? {
                let joined = format_joined(py, &first, joint, value)?;
                environ.set_item(&key, joined)?;
            } else {
                environ.set_item(&key, latin1(py, value))?;
            }
        }
        Ok(())
    }

    /// A trusted peer says which prefix the application is mounted at; it is taken off the front of the path.
    fn mount(
        &self,
        py: Python<'_>,
        environ: &Bound<'_, PyDict>,
        head: &RequestHead,
        prefix: &[u8],
    ) -> PyResult<()> {
        let rest = head.path().strip_prefix(prefix);
        let Some(below) = rest.filter(|rest| rest.is_empty() || rest.starts_with(b"/")) else {
            return Ok(()); // outside: the application sees the whole path, below nothing
        };
        let mut decoded = Vec::with_capacity(below.len());
        percent_decode(below, &mut decoded);
        environ.set_item(&self.keys.script, latin1(py, prefix))?;
        environ.set_item(&self.keys.path, latin1(py, &decoded))
    }

    /// Once: a flood of such headers must not become a flood of lines.
    pub(super) fn tell_of_dropped(&self, name: &[u8]) {
        if !self.headers.told_of_underscores.swap(true, Ordering::Relaxed) {
            self.log.warning(format_args!(
                "the request header {} is not passed to the application: with an underscore it could pose as one \
                 with a dash, and \"Proxy\" as the variable HTTP_PROXY (said once)",
                name.escape_ascii()
            ));
        }
    }
}

fn lookup(py: Python<'_>, names: &mut Known, name: &[u8], rules: &HeaderRules) -> Name {
    if let Some(known) = names.get(name) {
        return known.clone_ref(py);
    }
    let meaning = meaning(py, name, rules);
    if names.len() < NAMES && name.len() <= LONGEST_NAME {
        names.insert(name.into(), meaning.clone_ref(py));
    }
    meaning
}

impl Name {
    fn clone_ref(&self, py: Python<'_>) -> Name {
        match self {
            Name::Plain(key, joint) => Name::Plain(key.clone_ref(py), joint),
            Name::Content(key) => Name::Content(key.clone_ref(py)),
            Name::Forwarder(key) => Name::Forwarder(key.clone_ref(py)),
            Name::Mount(key) => Name::Mount(key.clone_ref(py)),
            Name::Dropped => Name::Dropped,
        }
    }
}

fn meaning(py: Python<'_>, name: &[u8], rules: &HeaderRules) -> Name {
    let capitals = String::from_utf8_lossy(name).to_ascii_uppercase();
    if capitals.contains('_') && !rules.lets_forward(&capitals) && rules.underscores != Underscores::Keep {
        return Name::Dropped;
    }
    let upper: String = name
        .iter()
        .map(|byte| {
            if *byte == b'-' {
                '_'
            } else {
                byte.to_ascii_uppercase().into()
            }
        })
        .collect();
    let key = |text: &str| PyString::intern(py, text).unbind();
    if capitals.contains('_') && rules.lets_forward(&capitals) {
        let key = key(&format!("HTTP_{upper}"));
        return match upper.as_str() {
            "SCRIPT_NAME" => Name::Mount(key),
            _ => Name::Forwarder(key),
        };
    }
    match upper.as_str() {
        "CONTENT_TYPE" | "CONTENT_LENGTH" => Name::Content(key(&upper)),
        // CGI programs, and libraries that look at the environment, take HTTP_PROXY for a setting ("httpoxy").
        "PROXY" => Name::Dropped,
        "COOKIE" => Name::Plain(key("HTTP_COOKIE"), b"; "),
        _ => Name::Plain(key(&format!("HTTP_{upper}")), b","),
    }
}

pub(in crate::wsgi) fn format_joined<'py>(
    py: Python<'py>,
    first: &Bound<'py, PyAny>,
    joint: &[u8],
    value: &[u8],
) -> PyResult<Bound<'py, PyAny>> {
    first.add(latin1(py, joint))?.add(latin1(py, value))
}
