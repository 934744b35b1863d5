//! The HTTP/1 codec from outside: bytes in, events out, and back.

#[path = "../support/cuts.rs"]
mod cuts;
mod properties;
#[path = "../support/repeated.rs"]
mod repeated;
mod requests;
mod responses;
mod transcript;
