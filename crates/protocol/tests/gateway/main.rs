//! The gateway codecs from outside: bytes in, events out, and back.

mod answers;
#[path = "../support/cuts.rs"]
mod cuts;
mod fastcgi;
mod properties;
mod proxy;
#[path = "../support/repeated.rs"]
mod repeated;
mod scgi;
mod transcript;
mod uwsgi;
