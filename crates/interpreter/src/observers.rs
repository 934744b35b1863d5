//! Who looks at each request in Python besides the application: gunicorn's `pre_request` and `post_request` hooks, and
//! a logger that is written in Python.
//!
//! The objects they get are made only when somebody looks; without observers a request costs nothing more.

use std::time::Instant;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString};
use telemetry::ErrorLog;
use worker::Exchange;

use crate::hooks::Hooks;
use crate::wsgi::latin1;

/// The observers of a worker's requests.
pub(crate) struct Observers {
    /// The hook before, and the worker it is called with.
    before: Option<(Py<PyAny>, Py<PyAny>)>,
    /// The hook after, made to take all four arguments.
    after: Option<(Py<PyAny>, Py<PyAny>)>,
    /// `access` of a logger in Python.
    access: Option<Py<PyAny>>,
    request_class: Py<PyAny>,
    response_class: Py<PyAny>,
    timedelta: Py<PyAny>,
    log: ErrorLog,
}

/// A request that is being observed.
pub(crate) struct Observed {
    request: Py<PyAny>,
    since: Instant,
}

impl Observers {
    /// The observers that a worker's hooks and logger ask for; `None` when nobody looks.
    pub(crate) fn new(
        py: Python<'_>,
        hooks: &Hooks,
        access: Option<Py<PyAny>>,
        log: &ErrorLog,
    ) -> PyResult<Option<Observers>> {
        let before = hooks.bound(py, "pre_request");
        let after = hooks.bound(py, "post_request");
        if before.is_none() && after.is_none() && access.is_none() {
            return Ok(None);
        }
        let module = py.import("penstock._gunicorn.objects")?;
        let all_arguments = |(hook, worker): (Py<PyAny>, Py<PyAny>)| -> PyResult<_> {
            Ok((module.call_method1("post_request", (hook,))?.unbind(), worker))
        };
        Ok(Some(Observers {
            before,
            after: after.map(all_arguments).transpose()?,
            access,
            request_class: module.getattr("Request")?.unbind(),
            response_class: module.getattr("Response")?.unbind(),
            timedelta: py.import("datetime")?.getattr("timedelta")?.unbind(),
            log: log.clone(),
        }))
    }

    /// A request has come.
    ///
    /// # Errors
    /// What the hook raises; the request is then not handed to the application.
    pub(crate) fn begin(&self, py: Python<'_>, exchange: &Exchange) -> PyResult<Observed> {
        let since = Instant::now();
        let request = self.request(py, exchange)?;
        if let Some((hook, worker)) = &self.before {
            hook.call1(py, (worker, &request))?;
        }
        Ok(Observed {
            request: request.unbind(),
            since,
        })
    }

    fn request<'py>(&self, py: Python<'py>, exchange: &Exchange) -> PyResult<Bound<'py, PyAny>> {
        let head = exchange.head();
        let headers = PyList::empty(py);
        for (name, value) in head.fields() {
            headers.append((latin1(py, &name.to_ascii_uppercase()), latin1(py, value)))?;
        }
        let peer = if exchange.front().is_unix {
            PyString::new(py, "").into_any()
        } else {
            (exchange.client_address(), exchange.client_port())
                .into_pyobject(py)?
                .into_any()
        };
        let minor = u8::from(head.version() != protocol::Version::Http10);
        self.request_class.bind(py).call1((
            latin1(py, head.method()),
            latin1(py, head.target()),
            latin1(py, head.path()),
            latin1(py, head.query()),
            minor,
            headers,
            peer,
            exchange.client_address(),
        ))
    }

    /// The request has been answered, or has failed. Without an `environ`, as with ASGI, observers get one of the few
    /// variables that gunicorn makes up for them. What an observer raises is logged.
    pub(crate) fn end<'py>(
        &self,
        py: Python<'py>,
        observed: &Observed,
        environ: Option<&Bound<'py, PyDict>>,
        exchange: &mut Exchange,
    ) {
        let request = observed.request.bind(py);
        let told = (|| {
            let environ = match environ {
                Some(environ) => environ.clone().into_any(),
                None => request.call_method0("environ")?,
            };
            let response = self.response(py, request, exchange)?;
            if let Some(access) = &self.access {
                let took = observed.since.elapsed();
                let took = self
                    .timedelta
                    .call1(py, (0, took.as_secs(), took.subsec_micros()))?;
                access.call1(py, (&response, request, &environ, took))?;
            }
            if let Some((hook, worker)) = &self.after {
                hook.call1(py, (worker, request, &environ, &response))?;
            }
            Ok(())
        })();
        if let Err(error) = told {
            let traceback = crate::traceback::text(py, &error);
            self.log
                .error_with_details("Exception in post_request hook", &traceback);
        }
    }

    fn response<'py>(
        &self,
        py: Python<'py>,
        request: &Bound<'py, PyAny>,
        exchange: &mut Exchange,
    ) -> PyResult<Bound<'py, PyAny>> {
        let sent = exchange.body_sent();
        let response = exchange.response();
        let headers = PyList::empty(py);
        for (name, value) in response.fields() {
            headers.append((latin1(py, name), latin1(py, value)))?;
        }
        let status = latin1(py, response.status_line());
        self.response_class
            .bind(py)
            .call1((status, headers, sent, request))
    }
}
