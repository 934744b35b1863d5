//! The WebSocket codec from outside: handshakes, frames and messages in, events and frames out.

mod compression;
mod frames;
mod handshakes;
mod properties;
mod sending;
mod transcript;
mod wire;
