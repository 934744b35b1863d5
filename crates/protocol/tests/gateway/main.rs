//! The gateway codecs from outside: bytes in, events out, and back.

mod answers;
#[path = "../support/cuts.rs"]
mod cuts;
mod fastcgi;
mod properties;
mod proxy;
mod scgi;
mod transcript;
mod uwsgi;
