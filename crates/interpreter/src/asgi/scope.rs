//! The `scope` of ASGI 3: a fresh dict for each request.
//!
//! As with WSGI's environs, what is the same for all requests of a listener is a template, copied whole; header names are
//! lower-case `bytes` from a cache.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use config::Settings;
use foldhash::fast::FixedState;
use protocol::websocket::Handshake;
use protocol::{RequestHead, Version, percent_decode};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString, PyTuple};
use worker::{Exchange, Front};

/// Header names remembered; a client that invents names costs time, never memory.
const NAMES: usize = 512;
/// Longer names are not remembered.
const LONGEST_NAME: usize = 64;

/// The version of ASGI's "HTTP & WebSocket" specification that is kept: `send` raises `OSError` once the client has gone
/// (2.4), and `websocket.disconnect` has a reason (2.5).
const SPEC_VERSION: &str = "2.5";

/// Makes scopes.
pub(super) struct Scopes {
    /// One for each listener, in order.
    templates: Vec<Py<PyDict>>,
    asgi: Py<PyDict>,
    /// What can be done for any request.
    extensions: Py<PyDict>,
    /// The same, and interim answers.
    extensions_of_http11: Py<PyDict>,
    /// The same, and trailers, for a client that says it takes them.
    extensions_with_trailers: Py<PyDict>,
    /// The lifespan's state, if the application has a lifespan.
    state: Option<Py<PyDict>>,
    root_path: String,
    keys: Keys,
    names: Mutex<HashMap<Box<[u8]>, Py<PyBytes>, FixedState>>,
}

/// Interned keys and values of what changes from request to request.
struct Keys {
    asgi: Py<PyString>,
    client: Py<PyString>,
    extensions: Py<PyString>,
    headers: Py<PyString>,
    http_version: Py<PyString>,
    method: Py<PyString>,
    path: Py<PyString>,
    query_string: Py<PyString>,
    raw_path: Py<PyString>,
    scheme: Py<PyString>,
    server: Py<PyString>,
    state: Py<PyString>,
    get: Py<PyString>,
    post: Py<PyString>,
}

impl Keys {
    fn new(py: Python<'_>) -> Keys {
        let key = |text| PyString::intern(py, text).unbind();
        Keys {
            asgi: key("asgi"),
            client: key("client"),
            extensions: key("extensions"),
            headers: key("headers"),
            http_version: key("http_version"),
            method: key("method"),
            path: key("path"),
            query_string: key("query_string"),
            raw_path: key("raw_path"),
            scheme: key("scheme"),
            server: key("server"),
            state: key("state"),
            get: key("GET"),
            post: key("POST"),
        }
    }
}

impl Scopes {
    pub(super) fn new(
        py: Python<'_>,
        settings: &Settings,
        fronts: &[Front],
        state: Option<Py<PyDict>>,
    ) -> PyResult<Scopes> {
        let asgi = PyDict::new(py);
        asgi.set_item("version", "3.0")?;
        asgi.set_item("spec_version", SPEC_VERSION)?;
        let extensions = |names: &[&str]| -> PyResult<Py<PyDict>> {
            let extensions = PyDict::new(py);
            for name in names {
                extensions.set_item(format!("http.response.{name}"), PyDict::new(py))?;
            }
            Ok(extensions.unbind())
        };
        let root_path = if settings.asgi.root_path.is_empty() {
            settings.script_name.clone()
        } else {
            settings.asgi.root_path.clone()
        };
        let templates = fronts
            .iter()
            .map(|front| template(py, &root_path, front))
            .collect::<PyResult<_>>()?;
        Ok(Scopes {
            templates,
            asgi: asgi.unbind(),
            extensions: extensions(&["pathsend", "zerocopysend"])?,
            extensions_of_http11: extensions(&["pathsend", "zerocopysend", "early_hint"])?,
            extensions_with_trailers: extensions(&["pathsend", "zerocopysend", "early_hint", "trailers"])?,
            state,
            root_path,
            keys: Keys::new(py),
            names: Mutex::default(),
        })
    }

    /// The scope of one HTTP request.
    pub(super) fn http<'py>(&self, py: Python<'py>, exchange: &Exchange) -> PyResult<Bound<'py, PyDict>> {
        let (head, front, keys) = (exchange.head(), exchange.front(), &self.keys);
        let scope = self.templates[front.index].bind(py).copy()?;
        scope.set_item(&keys.asgi, self.asgi.bind(py).copy()?)?;
        if let Some(state) = &self.state {
            scope.set_item(&keys.state, state.bind(py).copy()?)?;
        }
        let (headers, takes_trailers) = self.headers(py, head)?;
        scope.set_item(&keys.headers, headers)?;
        let extensions = match head.version() {
            Version::Http10 => {
                scope.set_item(&keys.http_version, "1.0")?;
                &self.extensions
            }
            // There is no place for interim answers and trailers in what a web server is told.
            Version::Http11 if front.wire.is_gateway() => &self.extensions,
            Version::Http11 if takes_trailers => &self.extensions_with_trailers,
            Version::Http11 => &self.extensions_of_http11,
        };
        scope.set_item(&keys.extensions, extensions.bind(py).copy()?)?;
        match head.method() {
            b"GET" => scope.set_item(&keys.method, &keys.get)?,
            b"POST" => scope.set_item(&keys.method, &keys.post)?,
            other => scope.set_item(&keys.method, String::from_utf8_lossy(other).to_ascii_uppercase())?,
        }
        self.set_path(py, &scope, head)?;
        scope.set_item(&keys.query_string, PyBytes::new(py, head.query()))?;
        if exchange.is_secure() {
            scope.set_item(&keys.scheme, "https")?;
        }
        if exchange.is_host_forwarded() {
            let (name, port) = exchange.requested_server();
            scope.set_item(&keys.server, (String::from_utf8_lossy(name), port))?;
        }
        if !exchange.client_address().is_empty() {
            scope.set_item(&keys.client, (exchange.client_address(), exchange.client_port()))?;
        }
        Ok(scope)
    }

    /// The scope of one WebSocket: what HTTP's says, but for what only one of both has.
    pub(super) fn websocket<'py>(
        &self,
        py: Python<'py>,
        exchange: &Exchange,
        handshake: &Handshake,
    ) -> PyResult<Bound<'py, PyDict>> {
        let scope = self.http(py, exchange)?;
        let keys = &self.keys;
        scope.set_item("type", pyo3::intern!(py, "websocket"))?;
        scope.del_item(&keys.method)?;
        let scheme = if exchange.is_secure() { "wss" } else { "ws" };
        scope.set_item(&keys.scheme, scheme)?;
        scope.set_item("subprotocols", handshake.subprotocols())?;
        let extensions = PyDict::new(py);
        extensions.set_item("websocket.http.response", PyDict::new(py))?;
        scope.set_item(&keys.extensions, extensions)?;
        Ok(scope)
    }

    fn set_path(&self, py: Python<'_>, scope: &Bound<'_, PyDict>, head: &RequestHead) -> PyResult<()> {
        let (path, keys) = (head.path(), &self.keys);
        if head.has_variables() || head.given_variables().len() > 0 {
            let mut decoded = self.root_path.clone().into_bytes();
            head.decoded_path(&mut decoded);
            scope.set_item(&keys.raw_path, PyBytes::new(py, path))?;
            if !head.script_name().is_empty() {
                let root = [self.root_path.as_bytes(), head.script_name()].concat();
                scope.set_item("root_path", String::from_utf8_lossy(&root))?;
            }
            return scope.set_item(&keys.path, String::from_utf8_lossy(&decoded));
        }
        if self.root_path.is_empty() {
            scope.set_item(&keys.raw_path, PyBytes::new(py, path))?;
        } else {
            let raw = [self.root_path.as_bytes(), path].concat();
            scope.set_item(&keys.raw_path, PyBytes::new(py, &raw))?;
        }
        if self.root_path.is_empty()
            && !path.contains(&b'%')
            && let Ok(path) = std::str::from_utf8(path)
        {
            return scope.set_item(&keys.path, path);
        }
        let mut decoded = self.root_path.clone().into_bytes();
        percent_decode(path, &mut decoded);
        scope.set_item(&keys.path, String::from_utf8_lossy(&decoded))
    }

    /// The headers, and whether they say that the client takes trailers.
    fn headers<'py>(&self, py: Python<'py>, head: &RequestHead) -> PyResult<(Bound<'py, PyList>, bool)> {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let fields = head.fields();
        let mut headers = Vec::with_capacity(fields.len());
        let mut takes_trailers = false;
        for (name, value) in fields {
            takes_trailers |= name.eq_ignore_ascii_case(b"te") && lists_trailers(value);
            let name = lower_case(py, &mut names, name);
            headers.push(PyTuple::new(py, [name, PyBytes::new(py, value)])?);
        }
        Ok((PyList::new(py, headers)?, takes_trailers))
    }
}

/// Method and path for the log, made harmless.
pub(super) fn request_line(scope: &Bound<'_, PyDict>) -> String {
    let text = |key: &str| match scope.get_item(key) {
        Ok(Some(value)) => value.to_string().escape_debug().to_string(),
        Ok(None) | Err(_) => String::new(),
    };
    format!("{} {}", text("method"), text("path"))
}

/// Whether `trailers` is among the members of a TE field (RFC 9110 10.1.4).
pub(super) fn lists_trailers(value: &[u8]) -> bool {
    value
        .split(|byte| *byte == b',')
        .any(|member| member.trim_ascii().eq_ignore_ascii_case(b"trailers"))
}

fn lower_case<'py>(
    py: Python<'py>,
    names: &mut HashMap<Box<[u8]>, Py<PyBytes>, FixedState>,
    name: &[u8],
) -> Bound<'py, PyBytes> {
    if let Some(known) = names.get(name) {
        return known.bind(py).clone();
    }
    let lower = PyBytes::new(py, &name.to_ascii_lowercase());
    if names.len() < NAMES && name.len() <= LONGEST_NAME {
        names.insert(name.into(), lower.clone().unbind());
    }
    lower
}

/// What all scopes of a listener have in common. The keys that change stand in it too: a copy then has room for them.
fn template(py: Python<'_>, root_path: &str, front: &Front) -> PyResult<Py<PyDict>> {
    let scope = PyDict::new(py);
    scope.set_item("type", "http")?;
    scope.set_item("asgi", py.None())?;
    scope.set_item("http_version", "1.1")?;
    if front.is_unix {
        scope.set_item("server", (&front.server_name, py.None()))?;
    } else {
        let port: u16 = front.server_port.parse().unwrap_or_default();
        scope.set_item("server", (&front.server_name, port))?;
    }
    scope.set_item("client", py.None())?;
    scope.set_item("scheme", "http")?;
    scope.set_item("method", "GET")?;
    scope.set_item("root_path", root_path)?;
    scope.set_item("path", "/")?;
    scope.set_item("raw_path", PyBytes::new(py, b"/"))?;
    scope.set_item("query_string", PyBytes::new(py, b""))?;
    scope.set_item("headers", py.None())?;
    scope.set_item("extensions", py.None())?;
    Ok(scope.unbind())
}
