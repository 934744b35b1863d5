//! The `environ` of PEP 3333: a fresh dict for each request.
//!
//! What is the same for all requests of a listener is a template dict, copied whole by CPython; what changes is set
//! on top. Header names become interned `HTTP_*` keys through a cache, so that a header costs one string.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use config::{Dialect, HeaderRules, Settings, Underscores, Wire};
use foldhash::fast::FixedState;
use protocol::{RequestHead, Version, percent_decode};
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};
use telemetry::ErrorLog;
use worker::{Exchange, Front, Proxied};

use super::Spare;
use super::errors::ErrorStream;
use super::file_wrapper::FileWrapper;
use super::variables::Variables;

/// Header names remembered; a client that invents names costs time, never memory.
pub(super) const NAMES: usize = 512;
/// Longer names are not remembered.
pub(super) const LONGEST_NAME: usize = 64;

/// Makes environs.
pub(super) struct Environs {
    /// One for each listener, in order.
    templates: Vec<Template>,
    keys: Keys,
    names: Mutex<HashMap<Box<[u8]>, Name, FixedState>>,
    variables: Variables,
    /// `wsgi.errors` goes to the web server where the wire has a place for it.
    errors_to_web_server: bool,
    script_name: String,
    rules: HeaderRules,
    /// The target as sent is `REQUEST_URI` to uWSGI's users, `RAW_URI` to gunicorn's.
    dialect: Dialect,
    log: ErrorLog,
    /// A header with an underscore in its name has been dropped, and the log has been told.
    told_of_underscores: std::sync::atomic::AtomicBool,
}

struct Template {
    environ: Py<PyDict>,
    /// A unix socket has no port: name and port come from the Host header.
    is_unix: bool,
    /// The application may speak with the client itself: gunicorn's custom, on wires that have a connection for each request.
    has_client_socket: bool,
}

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

macro_rules! keys {
    ($($name:ident = $text:literal),* $(,)?) => {
        /// Interned keys of what changes from request to request.
        struct Keys { $($name: Py<PyString>),* }
        impl Keys {
            fn new(py: Python<'_>) -> Keys {
                Keys { $($name: PyString::intern(py, $text).unbind()),* }
            }
        }
    };
}

keys! {
    method = "REQUEST_METHOD",
    path = "PATH_INFO",
    query = "QUERY_STRING",
    raw_uri = "RAW_URI",
    request_uri = "REQUEST_URI",
    protocol = "SERVER_PROTOCOL",
    address = "REMOTE_ADDR",
    port = "REMOTE_PORT",
    script = "SCRIPT_NAME",
    server_name = "SERVER_NAME",
    server_port = "SERVER_PORT",
    scheme = "wsgi.url_scheme",
    input = "wsgi.input",
    errors = "wsgi.errors",
    early_hints = "wsgi.early_hints",
    client_socket = "gunicorn.socket",
}

impl Environs {
    pub(super) fn new(
        py: Python<'_>,
        settings: &Settings,
        fronts: &[Front],
        log: &ErrorLog,
    ) -> PyResult<Environs> {
        let templates = fronts
            .iter()
            .map(|front| template(py, settings, front, log))
            .collect::<PyResult<_>>()?;
        Ok(Environs {
            templates,
            keys: Keys::new(py),
            names: Mutex::default(),
            variables: Variables::default(),
            errors_to_web_server: settings.gateways.fastcgi_stderr,
            script_name: settings.script_name.clone(),
            rules: settings.header_rules.clone(),
            dialect: settings.dialect,
            log: log.clone(),
            told_of_underscores: false.into(),
        })
    }

    /// The environ of one request.
    pub(super) fn environ<'py>(
        &self,
        py: Python<'py>,
        exchange: &Exchange,
        spare: &Spare,
    ) -> PyResult<Bound<'py, PyDict>> {
        let (head, front, keys) = (exchange.head(), exchange.front(), &self.keys);
        let template = &self.templates[front.index];
        if head.has_variables() {
            return self.of_variables(py, exchange, spare);
        }
        let environ = template.environ.bind(py).copy()?;
        if exchange.is_secure() {
            environ.set_item(&keys.scheme, "https")?;
        }
        if template.has_client_socket {
            environ.set_item(&keys.client_socket, &spare.client_socket)?;
        }
        // What the template says is what most requests say.
        if head.method() != b"GET" {
            environ.set_item(&keys.method, latin1(py, head.method()))?;
        }
        if !head.query().is_empty() {
            environ.set_item(&keys.query, latin1(py, head.query()))?;
        }
        if head.version() == Version::Http10 {
            environ.set_item(&keys.protocol, "HTTP/1.0")?;
        }
        self.set_path(py, &environ, head)?;
        let target = latin1(py, head.target());
        if self.dialect != Dialect::Uwsgi {
            environ.set_item(&keys.raw_uri, &target)?;
        }
        if self.dialect != Dialect::Gunicorn {
            environ.set_item(&keys.request_uri, &target)?;
        }
        if !template.is_unix || exchange.forwarded_client().is_some() {
            environ.set_item(&keys.address, latin1(py, exchange.client_address().as_bytes()))?;
            let mut port = itoa::Buffer::new();
            environ.set_item(
                &keys.port,
                latin1(py, port.format(exchange.client_port()).as_bytes()),
            )?;
        }
        if template.is_unix || exchange.is_host_forwarded() {
            self.set_server(py, &environ, exchange)?;
        }
        if let Some(proxied) = exchange.proxied() {
            self.set_proxied(py, &environ, proxied)?;
        }
        environ.set_item(&keys.input, &spare.transaction)?;
        if self.dialect == Dialect::Gunicorn {
            environ.set_item(&keys.early_hints, &spare.early_hints)?;
        }
        self.set_headers(py, &environ, exchange)?;
        set_given(py, &environ, head)?;
        Ok(environ)
    }

    /// The environ of a request that came by a gateway.
    fn of_variables<'py>(
        &self,
        py: Python<'py>,
        exchange: &Exchange,
        spare: &Spare,
    ) -> PyResult<Bound<'py, PyDict>> {
        let (head, front, keys) = (exchange.head(), exchange.front(), &self.keys);
        let template = &self.templates[front.index];
        let (environ, dropped) = self
            .variables
            .environ(template.environ.bind(py), front.index, head)?;
        if dropped {
            self.tell_of_dropped(b"Proxy");
        }
        if exchange.is_secure() {
            environ.set_item(&keys.scheme, "https")?;
        }
        if template.has_client_socket {
            environ.set_item(&keys.client_socket, &spare.client_socket)?;
        }
        environ.set_item(&keys.input, &spare.transaction)?;
        if self.errors_to_web_server && front.wire == Wire::Fastcgi {
            environ.set_item(&keys.errors, &spare.errors)?;
        }
        if let Some((address, port)) = exchange.forwarded_client() {
            environ.set_item(&keys.address, address)?;
            environ.set_item(&keys.port, port.to_string())?;
        } else if let (Some(proxied), None) = (exchange.proxied(), head.client_address()) {
            // The web server's own word would count for more.
            self.set_proxied(py, &environ, proxied)?;
        }
        if exchange.is_host_forwarded() {
            self.set_server(py, &environ, exchange)?;
        }
        if self.dialect != Dialect::Uwsgi {
            environ.set_item(&keys.raw_uri, latin1(py, head.target()))?;
        }
        set_given(py, &environ, head)?;
        Ok(environ)
    }

    /// gunicorn's names for what a PROXY header says.
    fn set_proxied(&self, py: Python<'_>, environ: &Bound<'_, PyDict>, proxied: &Proxied) -> PyResult<()> {
        environ.set_item(&self.keys.address, &proxied.address)?;
        environ.set_item(&self.keys.port, proxied.port.to_string())?;
        if self.dialect != Dialect::Uwsgi {
            let family = if proxied.server.is_ipv4() { "TCP4" } else { "TCP6" };
            environ.set_item(intern!(py, "PROXY_PROTOCOL"), family)?;
            environ.set_item(intern!(py, "PROXY_ADDR"), proxied.server.ip().to_string())?;
            environ.set_item(intern!(py, "PROXY_PORT"), proxied.server.port().to_string())?;
        }
        Ok(())
    }

    fn set_path(&self, py: Python<'_>, environ: &Bound<'_, PyDict>, head: &RequestHead) -> PyResult<()> {
        // "OPTIONS *" asks about the server as a whole: there is no path, and PEP 3333 wants one to begin with "/".
        let path = if head.path() == b"*" { b"" } else { head.path() };
        if self.script_name.is_empty() && !path.contains(&b'%') {
            return environ.set_item(&self.keys.path, latin1(py, path));
        }
        let rest = path.strip_prefix(self.script_name.as_bytes());
        let below = rest.filter(|rest| rest.is_empty() || rest.starts_with(b"/"));
        if below.is_none() {
            // Outside the prefix: the application sees the whole path, below nothing.
            environ.set_item(&self.keys.script, "")?;
        }
        let mut decoded = Vec::with_capacity(path.len());
        percent_decode(below.unwrap_or(path), &mut decoded);
        environ.set_item(&self.keys.path, latin1(py, &decoded))
    }

    /// Name and port of a server that has no address of its own, or that a trusted proxy names otherwise.
    fn set_server(&self, py: Python<'_>, environ: &Bound<'_, PyDict>, exchange: &Exchange) -> PyResult<()> {
        let (name, port) = exchange.requested_server();
        if !name.is_empty() {
            environ.set_item(&self.keys.server_name, latin1(py, name))?;
            environ.set_item(&self.keys.server_port, port.to_string())?;
        }
        Ok(())
    }

    fn set_headers(&self, py: Python<'_>, environ: &Bound<'_, PyDict>, exchange: &Exchange) -> PyResult<()> {
        let mut names = self.lock_names();
        // Keys seen in this request: repeated headers are rare, and interned keys are found by address.
        let mut seen: [*mut ffi::PyObject; 32] = [std::ptr::null_mut(); 32];
        for (index, (name, value)) in exchange.head().fields().enumerate() {
            let (key, joint) = match lookup(py, &mut names, name, &self.rules) {
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
    fn tell_of_dropped(&self, name: &[u8]) {
        if !self
            .told_of_underscores
            .swap(true, std::sync::atomic::Ordering::Relaxed)
        {
            self.log.warning(format_args!(
                "the request header {} is not passed to the application: with an underscore it could pose as one \
                 with a dash, and \"Proxy\" as the variable HTTP_PROXY (said once)",
                name.escape_ascii()
            ));
        }
    }

    fn lock_names(&self) -> MutexGuard<'_, HashMap<Box<[u8]>, Name, FixedState>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What rules of the server have set counts before all else.
fn set_given(py: Python<'_>, environ: &Bound<'_, PyDict>, head: &RequestHead) -> PyResult<()> {
    head.given_variables()
        .try_for_each(|(name, value)| environ.set_item(latin1(py, name), latin1(py, value)))
}

fn lookup(
    py: Python<'_>,
    names: &mut HashMap<Box<[u8]>, Name, FixedState>,
    name: &[u8],
    rules: &HeaderRules,
) -> Name {
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

pub(super) fn format_joined<'py>(
    py: Python<'py>,
    first: &Bound<'py, PyAny>,
    joint: &[u8],
    value: &[u8],
) -> PyResult<Bound<'py, PyAny>> {
    first.add(latin1(py, joint))?.add(latin1(py, value))
}

/// A `str` whose code points are these bytes, as PEP 3333 has it.
pub(crate) fn latin1<'py>(py: Python<'py>, bytes: &[u8]) -> Bound<'py, PyString> {
    // SAFETY: pointer and length are those of a slice; the result is a new reference to a str, or null without
    // memory, which `from_owned_ptr` turns into a panic.
    unsafe {
        let text = ffi::PyUnicode_DecodeLatin1(
            bytes.as_ptr().cast(),
            bytes.len() as ffi::Py_ssize_t,
            std::ptr::null(),
        );
        Bound::from_owned_ptr(py, text).cast_into_unchecked()
    }
}

/// What all environs of a listener have in common. The keys that change stand in it too: a copy then has room for
/// them, and setting them replaces a value instead of growing the dict.
fn template(py: Python<'_>, settings: &Settings, front: &Front, log: &ErrorLog) -> PyResult<Template> {
    let environ = PyDict::new(py);
    let none = py.None();
    environ.set_item("REQUEST_METHOD", PyString::intern(py, "GET"))?;
    environ.set_item("QUERY_STRING", "")?;
    environ.set_item("SERVER_PROTOCOL", "HTTP/1.1")?;
    environ.set_item("PATH_INFO", "/")?;
    environ.set_item("SCRIPT_NAME", &settings.script_name)?;
    environ.set_item("SERVER_NAME", &front.server_name)?;
    // Never empty (PEP 3333): a unix socket has no port, and a client that names no host means the usual one.
    environ.set_item(
        "SERVER_PORT",
        if front.is_unix { "80" } else { &front.server_port },
    )?;
    // A web server sends the client's address, and the target, itself.
    let is_gateway = front.wire.is_gateway();
    if !is_gateway {
        environ.set_item("REMOTE_ADDR", "")?;
    }
    if !front.is_unix && !is_gateway {
        environ.set_item("REMOTE_PORT", "")?;
    }
    environ.set_item("wsgi.version", (1, 0))?;
    environ.set_item("wsgi.url_scheme", "http")?;
    environ.set_item("wsgi.input", none)?;
    environ.set_item("wsgi.errors", Bound::new(py, ErrorStream::new(log.clone()))?)?;
    environ.set_item("wsgi.multithread", settings.threads > 1 || settings.greenlets)?;
    environ.set_item("wsgi.multiprocess", settings.workers > 1)?;
    environ.set_item("wsgi.run_once", false)?;
    environ.set_item("wsgi.input_terminated", true)?;
    if settings.file_wrapper {
        environ.set_item("wsgi.file_wrapper", py.get_type::<FileWrapper>())?;
    }
    let has_client_socket =
        settings.dialect == Dialect::Gunicorn && matches!(front.wire, Wire::Http1 | Wire::Uwsgi);
    if has_client_socket {
        environ.set_item("gunicorn.socket", py.None())?;
    }
    match settings.dialect {
        Dialect::Gunicorn => {
            environ.set_item("RAW_URI", "")?;
            environ.set_item("SERVER_SOFTWARE", "gunicorn/27.0.1")?;
        }
        Dialect::Uwsgi => {
            if !is_gateway {
                environ.set_item("REQUEST_URI", "")?;
            }
            environ.set_item("uwsgi.version", PyBytes::new(py, b"2.0.31"))?;
            environ.set_item(
                "uwsgi.node",
                PyBytes::new(py, rustix::system::uname().nodename().to_bytes()),
            )?;
        }
        Dialect::Native | Dialect::Uvicorn => {
            environ.set_item("RAW_URI", "")?;
            if !is_gateway {
                environ.set_item("REQUEST_URI", "")?;
            }
            environ.set_item("SERVER_SOFTWARE", concat!("penstock/", env!("CARGO_PKG_VERSION")))?;
        }
    }
    Ok(Template {
        environ: environ.unbind(),
        is_unix: front.is_unix,
        has_client_socket,
    })
}
