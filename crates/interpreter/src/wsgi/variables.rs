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

enum Variable {
    /// Taken over; the last one counts.
    Plain(Py<PyString>),
    /// A header; repeated ones are joined by this.
    Header(Py<PyString>, &'static [u8]),
    /// Not shown: it could pose as something else.
    Dropped,
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
        // Headers seen in this request: interned keys are found by address.
        let mut seen: [*mut ffi::PyObject; 64] = [std::ptr::null_mut(); 64];
        let mut headers = 0;
        let mut dropped = false;
        for (name, value) in head.variables() {
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
        Ok(dropped)
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
            b"HTTP_HOST" => Variable::Plain(key),
            b"HTTP_COOKIE" => Variable::Header(key, b"; "),
            _ if name.starts_with(b"HTTP_") => Variable::Header(key, b","),
            _ => Variable::Plain(key),
        }
    }
}
