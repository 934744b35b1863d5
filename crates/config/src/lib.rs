#![forbid(unsafe_code)]
//! Room `config`: command lines and files of every dialect become one [`Settings`].
//!
//! A dialect reads what was typed, keeps where it came from, looks each option up in its table and returns an
//! [`Outcome`]. It applies nothing, opens no socket and knows no Python: see [`Evaluate`] for gunicorn's
//! configuration files.

mod address;
mod commons;
mod defaults;
mod emperor;
mod glob;
mod gunicorn;
mod harakiri;
mod loading;
mod log_selection;
mod loggers;
mod native;
mod option;
mod outcome;
mod pattern;
mod routes;
mod scaling;
mod settings;
mod static_files;
mod statistics;
mod supervision;
mod uvicorn;
mod uwsgi;
mod worker_limits;

pub use commons::*;
pub use emperor::*;
pub use gunicorn::{Evaluate, gunicorn, gunicorn_defaults, gunicorn_setting_names};
pub use harakiri::*;
pub use loading::*;
pub use log_selection::*;
pub use loggers::*;
pub use native::native;
pub use outcome::{ConfigError, Environment, Outcome, PidfileRequest, Plan, PythonSource, RawValue};
pub use pattern::Pattern;
pub use routes::*;
pub use scaling::*;
pub use settings::*;
pub use static_files::*;
pub use statistics::*;
pub use supervision::*;
pub use uvicorn::uvicorn;
pub use uwsgi::{UWSGI_DEFAULT_FORMAT, uwsgi};
pub use worker_limits::*;

/// The format of uvicorn's access lines, in the notation of its own formatter.
pub const UVICORN_ACCESS_FORMAT: &str =
    "%(levelprefix)s %(client_addr)s - \"%(request_line)s\" %(status_code)s";

#[cfg(test)]
mod tests;
