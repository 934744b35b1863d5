//! A listening socket, whatever its kind.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use mio::event::Source;
use mio::net::{TcpListener, UnixListener};
use mio::{Interest, Registry, Token};
use rustix::net::{AddressFamily, sockopt};

use crate::connection::Front;
use crate::stream::Stream;

/// A listening socket and what its connections share.
#[derive(Debug)]
pub(crate) struct Acceptor {
    listener: Listener,
    front: Arc<Front>,
    /// There may be connections to accept: readiness is reported only once.
    pub(crate) pending: bool,
}

#[derive(Debug)]
enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// A client that has just come.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) stream: Stream,
    pub(crate) front: Arc<Front>,
    /// Its address, unless it came by a unix socket.
    pub(crate) address: Option<SocketAddr>,
}

impl Acceptor {
    pub(crate) fn new(socket: OwnedFd, front: Front) -> io::Result<Acceptor> {
        let listener = if sockopt::socket_domain(&socket)? == AddressFamily::UNIX {
            let listener = std::os::unix::net::UnixListener::from(socket);
            listener.set_nonblocking(true)?;
            Listener::Unix(UnixListener::from_std(listener))
        } else {
            // Accepted sockets inherit it, which saves a system call for each.
            sockopt::set_tcp_nodelay(&socket, true)?;
            let listener = std::net::TcpListener::from(socket);
            listener.set_nonblocking(true)?;
            Listener::Tcp(TcpListener::from_std(listener))
        };
        Ok(Acceptor {
            listener,
            front: Arc::new(front),
            pending: true,
        })
    }

    pub(crate) fn front(&self) -> &Arc<Front> {
        &self.front
    }

    pub(crate) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        self.source().register(registry, token, Interest::READABLE)
    }

    pub(crate) fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        self.source().deregister(registry)
    }

    /// The next client, if one is waiting.
    ///
    /// # Errors
    /// When the system is out of descriptors or memory.
    pub(crate) fn accept(&mut self) -> io::Result<Option<Arrival>> {
        loop {
            let accepted = match &self.listener {
                Listener::Tcp(listener) => listener
                    .accept()
                    .map(|(stream, address)| (Stream::Tcp(stream), Some(address))),
                Listener::Unix(listener) => listener.accept().map(|(stream, _)| (Stream::Unix(stream), None)),
            };
            match accepted {
                Ok((stream, address)) => {
                    return Ok(Some(Arrival {
                        stream,
                        front: Arc::clone(&self.front),
                        address,
                    }));
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => return Ok(None),
                    // The client was gone before we came; or a signal.
                    io::ErrorKind::ConnectionAborted
                    | io::ErrorKind::ConnectionReset
                    | io::ErrorKind::Interrupted => {}
                    _ => return Err(error),
                },
            }
        }
    }

    fn source(&mut self) -> &mut dyn Source {
        match &mut self.listener {
            Listener::Tcp(listener) => listener,
            Listener::Unix(listener) => listener,
        }
    }
}
