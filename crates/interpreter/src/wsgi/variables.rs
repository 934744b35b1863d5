//! The `environ` of a request that came by a gateway: the web server's own variables, as they came.
//!
//! Rules: nothing is renamed or left out but what could pose as a setting (HTTP_PROXY), as over HTTP; repeated headers
//! are joined, of other repeated variables the last one counts.
//!
//! A web server sends the same list for each request of a location, and most of it says the same each time. So what is
//! no header is kept as a [`Shape`], a dict of the last request's: the next one changes what differs, and copies it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use foldhash::fast::FixedState;
use protocol::RequestHead;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use super::environ::{LONGEST_NAME, NAMES, format_joined, latin1};

/// Lists of variables that are kept: about one for each location of the web server's configuration.
const SHAPES: usize = 8;
/// A longer list is not kept.
const LONGEST_SHAPE: usize = 64;

/// Makes environs from the variables of requests.
#[derive(Default)]
pub(super) struct Variables {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    shapes: Vec<Shape>,
    /// The shape that makes room for a new one.
    next: usize,
    headers: HashMap<Box<[u8]>, Header, FixedState>,
}

impl Variables {
    /// The environ of a request to the listener of this index and `template`, and whether a variable was dropped.
    pub(super) fn environ<'py>(
        &self,
        template: &Bound<'py, PyDict>,
        listener: usize,
        head: &RequestHead,
    ) -> PyResult<(Bound<'py, PyDict>, bool)> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State {
            shapes,
            next,
            headers,
        } = &mut *state;
        let plain = || head.variables().filter(|(name, _)| !is_header(name));
        let known = shapes
            .iter_mut()
            .find(|shape| shape.listener == listener && shape.fits(plain()));
        let environ = match known {
            Some(shape) => shape.environ(template.py(), plain())?,
            None => {
                let shape = Shape::new(template, listener, plain())?;
                let environ = shape.environ.bind(template.py()).copy()?;
                keep(shapes, next, shape);
                environ
            }
        };
        let dropped = fill_in_headers(&environ, headers, head)?;
        Ok((environ, dropped))
    }
}

fn is_header(name: &[u8]) -> bool {
    name.starts_with(b"HTTP_")
}

/// The variables of the last request with these names, but for its headers.
struct Shape {
    listener: usize,
    /// The listener's template with the variables in it.
    environ: Py<PyDict>,
    variables: Vec<Plain>,
}

/// A variable that is no header.
struct Plain {
    name: Box<[u8]>,
    key: Py<PyString>,
    value: Vec<u8>,
    /// One of that name came before.
    is_repeated: bool,
}

impl Shape {
    fn new<'a>(
        template: &Bound<'_, PyDict>,
        listener: usize,
        variables: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    ) -> PyResult<Shape> {
        let py = template.py();
        let environ = template.copy()?;
        let mut plain: Vec<Plain> = Vec::new();
        for (name, value) in variables {
            let key = interned(py, name);
            environ.set_item(&key, latin1(py, value))?;
            plain.push(Plain {
                is_repeated: plain.iter().any(|other| *other.name == *name),
                name: name.into(),
                key,
                value: value.to_vec(),
            });
        }
        Ok(Shape {
            listener,
            environ: environ.unbind(),
            variables: plain,
        })
    }

    /// The same names, in the same order.
    fn fits<'a>(&self, variables: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> bool {
        variables
            .map(|(name, _)| name)
            .eq(self.variables.iter().map(|known| &*known.name))
    }

    /// The environ of `variables`, which fit.
    fn environ<'py, 'a>(
        &mut self,
        py: Python<'py>,
        variables: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let environ = self.environ.bind(py);
        for (known, (_, value)) in self.variables.iter_mut().zip(variables) {
            // What comes again replaces what came before, whether that has changed or not.
            if known.value == value && !known.is_repeated {
                continue;
            }
            environ.set_item(&known.key, latin1(py, value))?;
            known.value.clear();
            known.value.extend_from_slice(value);
        }
        environ.copy()
    }
}

fn keep(shapes: &mut Vec<Shape>, next: &mut usize, shape: Shape) {
    if shape.variables.len() > LONGEST_SHAPE {
        return;
    }
    if shapes.len() < SHAPES {
        return shapes.push(shape);
    }
    shapes[*next] = shape;
    *next = (*next + 1) % SHAPES;
}

/// What a header is to an environ.
enum Header {
    /// Repeated ones are joined by this.
    Joined(Py<PyString>, &'static [u8]),
    /// Of repeated ones the last counts.
    Last(Py<PyString>),
    /// Not shown: it could pose as something else.
    Dropped,
}

impl Header {
    fn named(py: Python<'_>, name: &[u8]) -> Header {
        match name {
            // CGI programs, and libraries that look at the environment, take it for a setting ("httpoxy").
            b"HTTP_PROXY" => Header::Dropped,
            // Configurations of web servers add one of their own to one that is there.
            b"HTTP_HOST" => Header::Last(interned(py, name)),
            b"HTTP_COOKIE" => Header::Joined(interned(py, name), b"; "),
            _ => Header::Joined(interned(py, name), b","),
        }
    }
}

/// True when one was dropped.
fn fill_in_headers(
    environ: &Bound<'_, PyDict>,
    headers: &mut HashMap<Box<[u8]>, Header, FixedState>,
    head: &RequestHead,
) -> PyResult<bool> {
    let mut filling = Filling {
        environ,
        seen: [std::ptr::null_mut(); 64],
        headers: 0,
        dropped: false,
    };
    for (name, value) in head.variables().filter(|(name, _)| is_header(name)) {
        if let Some(known) = headers.get(name) {
            filling.put(known, value)?;
            continue;
        }
        let new = Header::named(environ.py(), name);
        filling.put(&new, value)?;
        if headers.len() < NAMES && name.len() <= LONGEST_NAME {
            headers.insert(name.into(), new);
        }
    }
    Ok(filling.dropped)
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
    fn put(&mut self, header: &Header, value: &[u8]) -> PyResult<()> {
        let (environ, py) = (self.environ, self.environ.py());
        match header {
            Header::Dropped => {
                self.dropped = true;
                Ok(())
            }
            Header::Last(key) => environ.set_item(key, latin1(py, value)),
            Header::Joined(key, joint) => {
                let (seen, headers) = (&mut self.seen, &mut self.headers);
                let repeated = *headers >= seen.len() || seen[..*headers].contains(&key.as_ptr());
                if *headers < seen.len() {
                    seen[*headers] = key.as_ptr();
                    *headers += 1;
                }
                if repeated && let Some(first) = environ.get_item(key)? {
                    return environ.set_item(key, format_joined(py, &first, joint, value)?);
                }
                environ.set_item(key, latin1(py, value))
            }
        }
    }
}

fn interned(py: Python<'_>, name: &[u8]) -> Py<PyString> {
    let text: String = name.iter().map(|byte| char::from(*byte)).collect();
    PyString::intern(py, &text).unbind()
}
