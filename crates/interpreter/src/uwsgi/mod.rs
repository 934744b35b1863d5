//! `import uwsgi`: what uWSGI's applications ask of their server, in the processes that serve.
//!
//! [`Commons`] is made before the workers are forked and holds what they share; [`Caches`], [`Stores`], [`Locks`], [`Bells`],
//! [`Server`] and [`CurrentRequest`] are what Python sees of it. [`run_aide`] is the life of a mule or a spooler. The module itself, with uWSGI's names and manners, is `penstock._uwsgi`.

mod aide;
mod backing;
mod bells;
mod caches;
mod commons;
mod lines;
mod locks;
mod redis_link;
mod remote_tasks;
mod request;
mod rules;
mod server;
mod stores;

pub(crate) use aide::run as run_aide;
pub(crate) use bells::Bells;
pub(crate) use caches::Caches;
pub(crate) use commons::Commons;
pub(crate) use lines::{Lines, Role};
pub(crate) use locks::Locks;
pub(crate) use request::CurrentRequest;
pub(crate) use server::{Place, Server};
pub(crate) use stores::Stores;
