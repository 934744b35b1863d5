//! Somebody else who writes the lines: gunicorn's and uvicorn's logs are a logger in Python where the configuration names one.

use config::Level;

use crate::access::AccessedRequest;

/// Somebody else who writes the lines: a logger in Python.
pub trait Relay: Send + Sync + std::fmt::Debug {
    /// Takes a line of the error log and what stands below it; false when it could not.
    fn line(&self, level: Level, text: &str, details: &str) -> bool;
    /// Takes a line of the access log.
    fn access(&self, text: &str);
    /// Takes a request that was answered; false where it wants the line.
    fn request(&self, _request: &AccessedRequest<'_>) -> bool {
        false
    }
    /// Opens its files anew.
    fn reopen(&self);
}
