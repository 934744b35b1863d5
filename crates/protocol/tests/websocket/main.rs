//! The WebSocket codec from outside: handshakes, frames and messages in, events and frames out.

mod compression;
#[path = "../support/cuts.rs"]
mod cuts;
mod frames;
mod handshakes;
mod properties;
mod sending;
mod transcript;
mod wire;
