//! `import uwsgi`: what uWSGI's applications ask of their server, in the processes that serve.
//!
//! [`Commons`] is made before the workers are forked and holds what they share; [`Caches`], [`Locks`] and [`Server`] are
//! what Python sees of it. The module itself, with uWSGI's names and manners, is `penstock._uwsgi`.

mod caches;
mod commons;
mod locks;
mod server;

pub(crate) use caches::Caches;
pub(crate) use commons::Commons;
pub(crate) use locks::Locks;
pub(crate) use server::Server;
