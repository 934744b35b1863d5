#![forbid(unsafe_code)]
//! Room `protocol`: bytes to events and events to bytes, for every wire Penstock speaks.
//!
//! Rules: no IO, no clock, no threads, no logging, no Python; needing more input is a normal answer;
//! nothing a peer sends can panic; every loop over input is linear. Whatever the wire, a request is one
//! [`RequestHead`] and an answer is one [`ResponseHead`].
//!
//! Left out: when to time out, how much to buffer, what to answer. That is the worker's.

mod cgi;
mod codec;
mod event;
mod refusal;
mod request;
mod response;
mod rewrite;
mod status;
mod syntax;

pub mod forwarded;
pub mod gateway;
pub mod http1;
pub mod proxy;
pub mod websocket;

pub use cgi::{ScriptFault, ScriptHead, nph_head, script_head, script_head_end};
pub use codec::Codec;
pub use event::{Event, Finished, Limits, Received, Stamp};
pub use refusal::Refusal;
pub use request::{BodyLength, Fields, RequestHead, Version, percent_decode};
pub use response::{ResponseFault, ResponseFields, ResponseHead};
pub use status::{explanation, reason_phrase};
