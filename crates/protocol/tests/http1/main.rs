//! The HTTP/1 codec from outside: bytes in, events out, and back.

mod properties;
mod requests;
mod responses;
mod transcript;
