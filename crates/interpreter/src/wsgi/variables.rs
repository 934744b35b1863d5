//! The `environ` of a request that came by a gateway: the web server's own variables, as they came.
//!
//! Rules: nothing is renamed or left out but what could pose as a setting (HTTP_PROXY), as over HTTP; repeated headers
//! are joined, of other repeated variables the last one counts.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use foldhash::fast::FixedState;
use protocol::RequestHead;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use super::environ::{LONGEST_NAME, NAMES, format_joined, latin1};

/// What the variables of gateway requests are to an environ.
pub(super) struct Variables {
    names: Mutex<HashMap<Box<[u8]>, Variable, FixedState>>,
}

/// A value longer than this is not kept for the next request.
const KEPT_VALUE: usize = 128;

enum Variable {
    /// Taken over; the last one counts. Most say of every request the same, so what the last one had is kept.
    Plain(Py<PyString>, Option<Kept>),
    /// A header; repeated ones are joined by this.
    Header(Py<PyString>, &'static [u8]),
    /// Not shown: it could pose as something else.
    Dropped,
}

/// A value of the last request.
struct Kept {
    bytes: Vec<u8>,
    text: Py<PyString>,
}

impl Kept {
    /// The text of `value`: the kept one, if it is the same, and else a new one, which is kept then.
    fn text_of<'py>(kept: &mut Option<Kept>, py: Python<'py>, value: &[u8]) -> Bound<'py, PyString> {
        if let Some(kept) = kept.as_ref().filter(|kept| kept.bytes == value) {
            return kept.text.bind(py).clone();
        }
        let text = latin1(py, value);
        match kept {
            _ if value.len() > KEPT_VALUE => {}
            Some(kept) => {
                kept.bytes.clear();
                kept.bytes.extend_from_slice(value);
                kept.text = text.clone().unbind();
            }
            None => {
                let (bytes, text) = (value.to_vec(), text.clone().unbind());
                *kept = Some(Kept { bytes, text });
            }
        }
        text
    }
}

impl Variables {
    pub(super) fn new() -> Variables {
        Variables {
            names: Mutex::default(),
        }
    }

    /// Fills in the variables of a request. True when one was dropped.
    pub(super) fn fill(
        &self,
        py: Python<'_>,
        environ: &Bound<'_, PyDict>,
        head: &RequestHead,
    ) -> PyResult<bool> {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let mut filling = Filling {
            environ,
            seen: [std::ptr::null_mut(); 64],
            headers: 0,
            dropped: false,
        };
        for (name, value) in head.variables() {
            if let Some(known) = names.get_mut(name) {
                filling.put(known, value)?;
                continue;
            }
            let mut new = Variable::named(py, name);
            filling.put(&mut new, value)?;
            if names.len() < NAMES && name.len() <= LONGEST_NAME {
                names.insert(name.into(), new);
            }
        }
        Ok(filling.dropped)
    }
}

/// An environ that is being filled.
struct Filling<'a, 'py> {
    environ: &'a Bound<'py, PyDict>,
    /// Headers seen in this request, so many: interned keys are found by address.
    seen: [*mut ffi::PyObject; 64],
    headers: usize,
    /// A variable was left out.
    dropped: bool,
}

impl Filling<'_, '_> {
    fn put(&mut self, variable: &mut Variable, value: &[u8]) -> PyResult<()> {
        let (environ, py) = (self.environ, self.environ.py());
        match variable {
            Variable::Dropped => {
                self.dropped = true;
                Ok(())
            }
            Variable::Plain(key, kept) => environ.set_item(&*key, Kept::text_of(kept, py, value)),
            Variable::Header(key, joint) => {
                let (seen, headers) = (&mut self.seen, &mut self.headers);
                let repeated = *headers >= seen.len() || seen[..*headers].contains(&key.as_ptr());
                if *headers < seen.len() {
                    seen[*headers] = key.as_ptr();
                    *headers += 1;
                }
                if repeated && let Some(first) = environ.get_item(&*key)? {
                    return environ.set_item(&*key, format_joined(py, &first, joint, value)?);
                }
                environ.set_item(&*key, latin1(py, value))
            }
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
            // Configurations of web servers add one of their own to one that is there.
            b"HTTP_HOST" => Variable::Plain(key, None),
            b"HTTP_COOKIE" => Variable::Header(key, b"; "),
            _ if name.starts_with(b"HTTP_") => Variable::Header(key, b","),
            _ => Variable::Plain(key, None),
        }
    }
}
