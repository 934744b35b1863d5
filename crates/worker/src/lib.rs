#![forbid(unsafe_code)]
//! Room `worker`: one process's share of the connections.
//!
//! [`serve`] turns a reactor over the listeners it is given: it accepts, reads, drives the codec, and hands each
//! complete request to a [`Gateway`] as an [`Exchange`]. Where the application has an event loop of its own, that loop
//! turns the reactor instead, as [`Driven`]. It knows no Python and no other process; what it learns from outside are
//! signals, the end of its master, and the time.

mod acceptor;
mod cgi;
mod clock;
mod commons;
mod connection;
mod crew;
mod deadlines;
mod driven;
mod exchange;
mod files;
mod gateway;
mod gather;
mod lead;
mod manners;
mod origin;
mod outbox;
mod parcel;
mod passing;
mod peers;
mod reactor;
mod routes;
mod signals;
mod stream;
mod traffic;
mod vanished;
mod websocket;

pub use commons::Commons;
pub use connection::{Front, Proxied, ProxyProtocol};
pub use driven::{Driven, Due, Happening, Patience};
pub use exchange::{BodyError, Exchange, Flow};
pub use gateway::Gateway;
pub use parcel::Passage;
pub use peers::Peers;
pub use reactor::{Conditions, Departure, Errand, Readiness, serve};
pub use websocket::{Inflow, WebSocket};
