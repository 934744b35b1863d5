//! An application as a program that a web server starts: a CGI program (RFC 3875 from the other side) or a FastCGI one.
//!
//! As a CGI program this process has the one request in its environment and on standard input. The standard library's
//! `wsgiref` speaks that protocol; nothing of the server runs. As a FastCGI program it has a listening socket in the place
//! of standard input, and is a server like any other on that.

use std::io::Write;
use std::os::fd::AsFd;

use config::{Address, Bind, ConfigError, Interface, Plan, Settings, Wire};
use pyo3::prelude::*;

use crate::application;

/// What the client sees when the application cannot be loaded; the reason goes to standard error, the web server's log.
const FAILED: &str = "Status: 500 Internal Server Error\r\nContent-Type: text/plain\r\n\r\n\
                      Something went wrong on the server. We are sorry.\n";

/// The descriptor of a FastCGI program's listening socket (`FCGI_LISTENSOCK_FILENO`).
const FASTCGI_SOCKET: i32 = 0;

/// Whether standard input is a listening socket: this was started as a FastCGI program (FastCGI specification, 2.2).
pub(crate) fn is_fastcgi() -> bool {
    rustix::net::sockopt::socket_acceptconn(std::io::stdin().as_fd()).unwrap_or(false)
}

/// The plan as that of a server on the socket that this program was given.
pub(crate) fn as_fastcgi(mut plan: Plan) -> Plan {
    plan.settings.binds = vec![Bind::new(Address::Descriptor(FASTCGI_SOCKET), Wire::Fastcgi)];
    plan
}

/// Answers the request; returns the exit code.
///
/// # Errors
/// When this is not a CGI request, or the application is not one that can answer it.
pub(crate) fn run(py: Python<'_>, settings: &Settings) -> Result<i32, ConfigError> {
    if std::env::var_os("GATEWAY_INTERFACE").is_none() {
        return Err(ConfigError::new(
            "Error: run-cgi is for web servers, which start it with a request in its environment (GATEWAY_INTERFACE) or with \
             a listening socket as its standard input, and there is neither. To serve the application by itself, leave \
             run-cgi away",
        ));
    }
    application::prepare_process(py, settings).map_err(|message| failed(&format!("Error: {message}")))?;
    let loaded = application::load(py, settings)
        .map_err(|failure| failed(&format!("{}{}", failure.details, failure.message)))?;
    if loaded.interface != Interface::Wsgi {
        return Err(failed(
            "Error: run-cgi is for WSGI applications: an ASGI application needs a server (penstock MODULE:CALLABLE)",
        ));
    }
    let served = py
        .import("penstock._cgi_program")
        .and_then(|module| module.call_method1("run", (loaded.callable,)));
    served.map_err(|error| failed(&crate::traceback::text(py, &error)))?;
    Ok(0)
}

/// Tells the client that something went wrong, and the web server's log what.
fn failed(message: &str) -> ConfigError {
    // A web server that has gone away needs no answer.
    let _ = std::io::stdout().write_all(FAILED.as_bytes());
    ConfigError::new(message)
}
