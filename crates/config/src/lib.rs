#![forbid(unsafe_code)]
//! Room `config`: command lines and files of every dialect become one [`Settings`].
//!
//! A dialect reads what was typed, keeps where it came from, looks each option up in its table and returns an
//! [`Outcome`]. It applies nothing, opens no socket and knows no Python: see [`Evaluate`] for gunicorn's
//! configuration files.

mod address;
mod defaults;
mod glob;
mod gunicorn;
mod native;
mod option;
mod outcome;
mod pattern;
mod settings;
mod uvicorn;
mod uwsgi;

pub use gunicorn::{Evaluate, gunicorn, gunicorn_defaults, gunicorn_setting_names};
pub use native::native;
pub use outcome::{ConfigError, Environment, Outcome, PidfileRequest, Plan, PythonSource, RawValue};
pub use pattern::Pattern;
pub use settings::*;
pub use uvicorn::uvicorn;
pub use uwsgi::{UWSGI_DEFAULT_FORMAT, uwsgi};

/// The gunicorn whose options, words and names these are: what users' scripts compare.
pub const GUNICORN_VERSION: &str = "27.0.1";
/// The same of uWSGI: what `--version`, `%V` and `uwsgi.version` say.
pub const UWSGI_VERSION: &str = "2.0.31";

/// The format of uvicorn's access lines, in the notation of its own formatter.
pub const UVICORN_ACCESS_FORMAT: &str =
    "%(levelprefix)s %(client_addr)s - \"%(request_line)s\" %(status_code)s";

#[cfg(test)]
mod tests;
