//! The control socket, which gunicornc speaks to: a unix socket, its clients, and the messages they send.
//!
//! Nothing here waits: the master's loop polls the descriptors and calls [`ControlSocket::receive`] and
//! [`ControlSocket::answer`]. What is asked is understood in [`command`], what a message looks like in [`message`]; what to
//! do about it is the master's (`serve/control.rs`). Whoever may open the socket may stop the server, so its mode is all
//! there is of access control, as in gunicorn.

pub(crate) mod command;
#[cfg(test)]
mod fuzzed;
mod message;

use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::fs::Mode;
use serde_json::Value;

pub(crate) use message::Request;

/// Clients at once; one more, and the one that has been silent longest is shown the door.
const CLIENTS: usize = 16;
/// Bytes of answers that may wait for a client; one that leaves more unread is shown the door.
const UNREAD: usize = 1 << 20;
/// Bytes taken from a client at once.
const READ: usize = 4096;

/// The open socket.
#[derive(Debug)]
pub(crate) struct ControlSocket {
    listener: UnixListener,
    path: PathBuf,
    /// Device and inode of the file: a later master may have put its own in its place.
    file: (u64, u64),
    /// The one that has been silent longest comes first.
    clients: Vec<Client>,
    /// Clients so far.
    accepted: u64,
}

#[derive(Debug)]
struct Client {
    number: u64,
    stream: UnixStream,
    inbox: Vec<u8>,
    outbox: Vec<u8>,
}

impl ControlSocket {
    /// Opens the socket, in the place of one that is there, with these rights; also the directory for it, if there is none.
    pub(crate) fn open(path: &Path, mode: u32) -> io::Result<ControlSocket> {
        if let Some(directory) = path
            .parent()
            .filter(|directory| !directory.as_os_str().is_empty())
        {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(directory)?;
        }
        match fs::symlink_metadata(path) {
            Ok(about) if about.file_type().is_socket() => fs::remove_file(path)?,
            Ok(_) => return Err(io::Error::other("there is a file which is no socket")),
            Err(_) => {}
        }
        // Nobody else may open it before it has its mode. The master has one thread.
        let mask = rustix::process::umask(Mode::from_raw_mode(0o177));
        let bound = UnixListener::bind(path);
        rustix::process::umask(mask);
        let listener = bound?;
        fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
        listener.set_nonblocking(true)?;
        let about = fs::symlink_metadata(path)?;
        Ok(ControlSocket {
            listener,
            path: path.to_owned(),
            file: (about.dev(), about.ino()),
            clients: Vec::new(),
            accepted: 0,
        })
    }

    /// Removes the socket's file, unless somebody else has put another one in its place.
    pub(crate) fn remove_file(&self) {
        let is_ours =
            |about: fs::Metadata| (about.dev(), about.ino()) == self.file && about.file_type().is_socket();
        if fs::symlink_metadata(&self.path).is_ok_and(is_ours) {
            // If it cannot be, whoever looks finds nobody behind it.
            let _ = fs::remove_file(&self.path);
        }
    }

    /// What to poll: for each descriptor whether it waits to be written to.
    pub(crate) fn sources(&self) -> impl Iterator<Item = (BorrowedFd<'_>, bool)> {
        let clients = self
            .clients
            .iter()
            .map(|client| (client.stream.as_fd(), !client.outbox.is_empty()));
        std::iter::once((self.listener.as_fd(), false)).chain(clients)
    }

    /// Takes what has come, without waiting: requests, with the numbers of the clients who made them.
    pub(crate) fn receive(&mut self) -> Vec<(u64, Request)> {
        self.accept();
        let mut requests = Vec::new();
        let mut silent = Vec::new();
        let mut heard = Vec::new();
        for mut client in std::mem::take(&mut self.clients) {
            let before = requests.len();
            if !client.receive(&mut requests) || !client.flush() {
                continue;
            }
            let place = if requests.len() == before {
                &mut silent
            } else {
                &mut heard
            };
            place.push(client);
        }
        silent.append(&mut heard);
        self.clients = silent;
        requests
    }

    fn accept(&mut self) {
        while let Ok((stream, _)) = self.listener.accept() {
            if stream.set_nonblocking(true).is_err() {
                continue;
            }
            if self.clients.len() >= CLIENTS {
                self.clients.remove(0);
            }
            self.accepted += 1;
            self.clients.push(Client {
                number: self.accepted,
                stream,
                inbox: Vec::new(),
                outbox: Vec::new(),
            });
        }
    }

    /// Sends the answer to a request; `Err` is what gunicornc shows as an error.
    pub(crate) fn answer(&mut self, client: u64, request: &Request, result: Result<Value, String>) {
        let Some(at) = self.clients.iter().position(|known| known.number == client) else {
            return;
        };
        let known = &mut self.clients[at];
        known.outbox.extend(message::answer(request, result));
        if !known.flush() {
            self.clients.remove(at);
        }
    }
}

impl Client {
    /// Takes the requests that are complete. False when the client is gone, or what it sends is none.
    fn receive(&mut self, requests: &mut Vec<(u64, Request)>) -> bool {
        loop {
            let mut bytes = [0; READ];
            match self.stream.read(&mut bytes) {
                Ok(0) => return false,
                Ok(count) => self.inbox.extend_from_slice(&bytes[..count]),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return error.kind() == ErrorKind::WouldBlock,
            }
            loop {
                match message::take(&mut self.inbox) {
                    Ok(Some(request)) => requests.push((self.number, request)),
                    Ok(None) => break,
                    Err(()) => return false,
                }
            }
        }
    }

    /// Writes what the client takes. False when it is gone, or leaves too much unread.
    fn flush(&mut self) -> bool {
        while !self.outbox.is_empty() {
            match self.stream.write(&self.outbox) {
                Ok(count) => drop(self.outbox.drain(..count)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => return false,
            }
        }
        self.outbox.len() <= UNREAD
    }
}
