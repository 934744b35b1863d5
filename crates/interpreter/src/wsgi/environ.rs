//! The `environ` of PEP 3333: a fresh dict for each request.
//!
//! What is the same for all requests of a listener is a template dict, copied whole by CPython; what changes is set
//! on top. Header names become interned `HTTP_*` keys through a cache, so that a header costs one string.

mod headers;
mod template;

use config::{Dialect, Settings, Wire};
use protocol::{RequestHead, Version, percent_decode};
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use telemetry::ErrorLog;
use worker::{Exchange, Front, Proxied};

use super::Spare;
use super::variables::Variables;
use headers::Headers;
use template::{Template, template};

pub(super) use headers::{LONGEST_NAME, NAMES, format_joined};

/// Makes environs.
pub(super) struct Environs {
    /// One for each listener, in order.
    templates: Vec<Template>,
    keys: Keys,
    headers: Headers,
    variables: Variables,
    /// `wsgi.errors` goes to the web server where the wire has a place for it.
    errors_to_web_server: bool,
    script_name: String,
    /// The target as sent is `REQUEST_URI` to uWSGI's users, `RAW_URI` to gunicorn's.
    dialect: Dialect,
    log: ErrorLog,
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
            headers: Headers::new(&settings.header_rules),
            variables: Variables::default(),
            errors_to_web_server: settings.gateways.fastcgi_stderr,
            script_name: settings.script_name.clone(),
            dialect: settings.dialect,
            log: log.clone(),
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
}

/// What rules of the server have set counts before all else.
fn set_given(py: Python<'_>, environ: &Bound<'_, PyDict>, head: &RequestHead) -> PyResult<()> {
    head.given_variables()
        .try_for_each(|(name, value)| environ.set_item(latin1(py, name), latin1(py, value)))
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
