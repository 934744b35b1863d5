//! Listening sockets: opened before the first fork, inherited by every worker, kept across reloads.

mod unix;

use std::fs;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use config::{Address, Bind, Dialect, Settings, Wire};
use socket2::{Domain, Protocol, Socket, Type};
use telemetry::ErrorLog;

use crate::start::StartError;

use unix::{open_abstract, open_unix};

/// An open listening socket: nonblocking, closed on exec.
#[derive(Debug)]
pub struct Listener {
    /// The socket.
    pub socket: OwnedFd,
    /// What asked for it.
    pub bind: Bind,
    /// As users write it: `http://127.0.0.1:8000`, `unix:/run/app.sock`; a port of 0 has been replaced by the real one.
    pub text: String,
    /// The address it is bound to; `None` for a unix socket.
    pub local_address: Option<SocketAddr>,
    /// The socket file that the server created.
    pub(crate) file: Option<PathBuf>,
}

/// How often a port in use is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// As the dialect does at start: gunicorn tries five times, a second apart.
    AtStart,
    /// Once: a reload must not keep the master from its work.
    Once,
}

/// Opens what `binds` ask for, taking over from `open` those that are there already.
///
/// Nothing is left behind on failure.
pub(crate) fn bind_all(
    binds: &[Bind],
    settings: &Settings,
    open: &[Arc<Listener>],
    patience: Patience,
    log: &ErrorLog,
) -> Result<Vec<Arc<Listener>>, StartError> {
    let backlog = clamp_backlog(settings.backlog, log);
    let mut listeners: Vec<Arc<Listener>> = Vec::new();
    for bind in binds {
        let kept = open.iter().find(|listener| listener.bind == *bind).cloned();
        let opened = match kept {
            Some(listener) => Ok(listener),
            None => open_patiently(bind, backlog, settings, patience, log).map(Arc::new),
        };
        match opened {
            Ok(listener) => {
                if !open.iter().any(|old| Arc::ptr_eq(old, &listener)) {
                    warn_of_exposure(&listener, settings, log);
                }
                listeners.push(listener);
            }
            Err(error) => {
                let new = listeners
                    .iter()
                    .filter(|listener| !open.iter().any(|old| Arc::ptr_eq(old, listener)));
                new.for_each(|listener| {
                    listener.remove_file();
                });
                return Err(error);
            }
        }
    }
    Ok(listeners)
}

/// A gateway socket is for web servers: whoever reaches it says who the client is, and by which path it came.
fn warn_of_exposure(listener: &Listener, settings: &Settings, log: &ErrorLog) {
    let peers = listener.bind.peers(&settings.gateways);
    if let Some(warning) = exposure(&listener.text, listener.local_address, listener.bind.wire, &peers) {
        log.warning(warning);
    }
}

/// What is to be said of a socket, shown as `text`, that others than this machine can reach.
fn exposure(text: &str, address: Option<SocketAddr>, wire: Wire, peers: &[String]) -> Option<String> {
    if address?.ip().is_loopback() || !wire.is_gateway() {
        return None;
    }
    let wire = wire.name();
    Some(if peers.iter().any(|peer| peer == "*") {
        format!(
            "{text} can be reached from other machines, and whoever speaks {wire} is believed what a web server would be: bind \
             it to 127.0.0.1 or a unix socket, or keep others away from it"
        )
    } else {
        let peers = peers.join(", ");
        format!("{text} can be reached from other machines; those that may speak {wire}: {peers}")
    })
}

impl Listener {
    /// Its number in this process.
    pub fn descriptor(&self) -> i32 {
        self.socket.as_raw_fd()
    }

    /// The socket for a worker: a second handle on this one or, with `reuse_port`, one of its own on the same address.
    pub(crate) fn for_worker(&self, settings: &Settings) -> io::Result<Listener> {
        let socket = match self.local_address {
            Some(address) if settings.reuse_port && matches!(self.bind.address, Address::Tcp(..)) => {
                let socket = tcp_socket(address, true)?;
                socket.listen(i32::try_from(settings.backlog).unwrap_or(i32::MAX))?;
                socket.set_nonblocking(true)?;
                socket.into()
            }
            _ => self.socket.try_clone()?,
        };
        Ok(Listener {
            socket,
            bind: self.bind.clone(),
            text: self.text.clone(),
            local_address: self.local_address,
            file: None, // the file is the master's to remove
        })
    }

    /// Removes the socket file, if there is one and it is a socket; tells which.
    pub(crate) fn remove_file(&self) -> Option<&Path> {
        let path = self.file.as_deref()?;
        let is_socket = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket());
        (is_socket && fs::remove_file(path).is_ok()).then_some(path)
    }
}

fn open_patiently(
    bind: &Bind,
    backlog: i32,
    settings: &Settings,
    patience: Patience,
    log: &ErrorLog,
) -> Result<Listener, StartError> {
    let dialect = settings.dialect;
    let retries = matches!(dialect, Dialect::Gunicorn | Dialect::Native);
    let tries = if retries && patience == Patience::AtStart {
        5
    } else {
        1
    };
    let shown = shown_address(&bind.address, dialect);
    for attempt in 1..=tries {
        let error = match open(bind, backlog, settings) {
            Ok(listener) => return Ok(listener),
            Err(OpenError::Hopeless(error)) => return Err(error),
            Err(OpenError::System(error)) => error,
        };
        if dialect == Dialect::Uwsgi {
            return Err(StartError::new(uwsgi_lines(&shown, &error)));
        }
        if dialect == Dialect::Uvicorn {
            return Err(StartError::new(uvicorn_line(&shown, &error)));
        }
        match error.kind() {
            ErrorKind::AddrInUse => log.error(format_args!("Connection in use: {shown}")),
            ErrorKind::AddrNotAvailable => log.error(format_args!("Invalid address: {shown}")),
            _ => return Err(StartError::new(format!("Can't connect to {shown}: {error}"))),
        }
        if attempt < tries {
            log.error("Retrying in 1 second.");
            std::thread::sleep(Duration::from_secs(1));
        }
    }
    Err(StartError::new(format!("Can't connect to {shown}")))
}

/// uWSGI's last words about an address.
fn uwsgi_lines(shown: &str, error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::AddrInUse => format!(
            "probably another instance of uWSGI is running on the same address ({shown}).\n\
             bind(): Address already in use"
        ),
        _ => format!("bind(): {error} ({shown})"),
    }
}

/// uvicorn's last words about an address: asyncio's.
fn uvicorn_line(shown: &str, error: &io::Error) -> String {
    let text = error.to_string();
    let reason = text.split(" (os error").next().unwrap_or_default().to_lowercase();
    let number = error.raw_os_error().unwrap_or_default();
    format!("[Errno {number}] error while attempting to bind on address {shown}: {reason}")
}

/// The address as the dialect's error lines write it: gunicorn prints Python's tuple.
fn shown_address(address: &Address, dialect: Dialect) -> String {
    match (address, dialect) {
        (Address::Tcp(host, port), Dialect::Gunicorn | Dialect::Uvicorn) => format!("('{host}', {port})"),
        (Address::Tcp(host, port), _) if host.contains(':') => format!("[{host}]:{port}"),
        (Address::Tcp(host, port), _) => format!("{host}:{port}"),
        (Address::Unix(path), _) => path.display().to_string(),
        (Address::Abstract(name), _) => Address::abstract_text(name),
        (Address::Descriptor(number), _) => format!("fd://{number}"),
    }
}

enum OpenError {
    /// Worth the dialect's wording, and perhaps another try.
    System(io::Error),
    /// Needs no other word.
    Hopeless(StartError),
}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> OpenError {
        OpenError::System(error)
    }
}

fn open(bind: &Bind, backlog: i32, settings: &Settings) -> Result<Listener, OpenError> {
    let (socket, file) = match &bind.address {
        Address::Tcp(host, port) => (open_tcp(host, *port, backlog, settings.reuse_port)?, None),
        Address::Unix(path) => (open_unix(path, backlog, settings)?, Some(path.clone())),
        Address::Abstract(name) => (open_abstract(name, backlog)?, None),
        Address::Descriptor(number) => (adopt(*number)?, None),
    };
    let mut listener = listener(socket, bind, file)?;
    if let (Address::Descriptor(_), Dialect::Uvicorn, Some(address)) =
        (&bind.address, settings.dialect, listener.local_address)
    {
        // It does not say of an inherited socket what it speaks there.
        listener.text = format!("socket ('{}', {})", address.ip(), address.port());
    }
    Ok(listener)
}

fn listener(socket: Socket, bind: &Bind, file: Option<PathBuf>) -> io::Result<Listener> {
    socket.set_nonblocking(true)?;
    let local_address = socket.local_addr()?.as_socket();
    let text = match (local_address, &bind.address) {
        (Some(address), _) => format!("{}://{address}", bind.wire.name()),
        (None, Address::Unix(path)) => unix_text(bind.wire, path),
        (None, Address::Abstract(name)) => unix_text(bind.wire, Path::new(&Address::abstract_text(name))),
        (None, _) => match socket.local_addr()?.as_pathname() {
            Some(path) => unix_text(bind.wire, path),
            None => "unix:".to_owned(),
        },
    };
    Ok(Listener {
        socket: socket.into(),
        bind: bind.clone(),
        text,
        local_address,
        file,
    })
}

/// A unix socket as users write it: `unix:/run/app.sock`, `uwsgi://unix:/run/app.sock`.
fn unix_text(wire: Wire, path: &Path) -> String {
    let scheme = if wire.is_gateway() {
        format!("{}://", wire.name())
    } else {
        String::new()
    };
    format!("{scheme}unix:{}", path.display())
}

/// With `reuse_port` the address is only reserved: a socket that listens would be sent connections nobody accepts.
fn open_tcp(host: &str, port: u16, backlog: i32, reuse_port: bool) -> Result<Socket, OpenError> {
    let socket = tcp_socket(resolve(host, port)?, reuse_port)?;
    if !reuse_port {
        socket.listen(backlog)?;
    }
    Ok(socket)
}

/// A bound socket.
fn tcp_socket(address: SocketAddr, reuse_port: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if reuse_port {
        rustix::net::sockopt::set_socket_reuseport(&socket, true)?;
    }
    if address.is_ipv6() {
        socket.set_only_v6(true)?; // [::] does not take the port from 0.0.0.0
    }
    socket.bind(&address.into())?;
    Ok(socket)
}

/// Takes over an inherited listening socket, for the first address of `wanted` that it listens on: that one is removed
/// from there. `None` when it is no socket that listens, or when nobody wants it; then it is closed.
pub(crate) fn adopt_for(number: i32, wanted: &mut Vec<&Bind>) -> Option<Listener> {
    let socket = adopt(number).ok()?;
    sys::close_descriptor(number);
    let address = socket.local_addr().ok()?;
    let place = wanted.iter().position(|bind| match &bind.address {
        Address::Tcp(host, port) => resolve(host, *port).is_ok_and(|asked| {
            address
                .as_socket()
                .is_some_and(|found| found.ip() == asked.ip() && (*port == 0 || found.port() == *port))
        }),
        Address::Unix(path) => address.as_pathname() == Some(path),
        Address::Abstract(name) => address.as_abstract_namespace() == Some(name),
        Address::Descriptor(_) => true,
    })?;
    let bind = wanted.remove(place).clone();
    let file = match &bind.address {
        Address::Unix(path) => Some(path.clone()),
        Address::Tcp(..) | Address::Abstract(_) | Address::Descriptor(_) => None,
    };
    listener(socket, &bind, file).ok()
}

/// The address of `host`; of a name with several, the first IPv4 one, as gunicorn takes it.
fn resolve(host: &str, port: u16) -> Result<SocketAddr, OpenError> {
    let host = if host.is_empty() { "0.0.0.0" } else { host };
    let hopeless = |why: String| {
        OpenError::Hopeless(StartError::new(format!(
            "the address '{host}' cannot be resolved: {why}"
        )))
    };
    let addresses: Vec<SocketAddr> = (host, port)
        .to_socket_addrs()
        .map_err(|error| hopeless(error.to_string()))?
        .collect();
    let first = addresses
        .iter()
        .find(|address| address.is_ipv4())
        .or(addresses.first());
    first
        .copied()
        .ok_or_else(|| hopeless("it has no address".to_owned()))
}

fn adopt(number: i32) -> Result<Socket, OpenError> {
    let hopeless = |why: &str| OpenError::Hopeless(StartError::new(format!("fd://{number}: {why}")));
    let socket = sys::adopt_descriptor(number)
        .map_err(|_| hopeless("no descriptor of that number was inherited. Pass a listening socket."))?;
    match rustix::net::sockopt::socket_acceptconn(socket.as_fd()) {
        Ok(true) => Ok(Socket::from(socket)),
        Ok(false) | Err(_) => Err(hopeless("it is not a listening socket.")),
    }
}

/// The kernel cuts longer queues without a word; the user gets one.
fn clamp_backlog(wanted: u32, log: &ErrorLog) -> i32 {
    let most = fs::read_to_string("/proc/sys/net/core/somaxconn")
        .ok()
        .and_then(|text| text.trim().parse().ok());
    let most: u32 = most.unwrap_or(u32::MAX);
    if wanted > most {
        log.warning(format_args!(
            "a backlog of {wanted} is more than net.core.somaxconn allows; {most} connections will queue"
        ));
    }
    i32::try_from(wanted.min(most)).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_socket_that_others_can_reach_is_warned_of() {
        let (everybody, listed) = (
            ["*".to_owned()],
            ["127.0.0.1".to_owned(), "10.0.0.0/8".to_owned()],
        );
        for (address, wire, peers, said) in [
            (
                "0.0.0.0:3031",
                Wire::Uwsgi,
                &everybody[..],
                "whoever speaks uwsgi is believed",
            ),
            (
                "[::]:9000",
                Wire::Fastcgi,
                &everybody[..],
                "bind it to 127.0.0.1 or a unix socket",
            ),
            (
                "192.0.2.5:4000",
                Wire::Scgi,
                &listed[..],
                "those that may speak scgi: 127.0.0.1, 10.0.0.0/8",
            ),
            ("127.0.0.1:3031", Wire::Uwsgi, &everybody[..], ""),
            ("[::1]:3031", Wire::Uwsgi, &everybody[..], ""),
            ("0.0.0.0:80", Wire::Http1, &everybody[..], ""),
            ("", Wire::Uwsgi, &everybody[..], ""),
        ] {
            let warning = exposure("the socket", address.parse().ok(), wire, peers);
            match said {
                "" => assert_eq!(warning, None, "{address}"),
                _ => assert!(warning.is_some_and(|warning| warning.contains(said)), "{address}"),
            }
        }
    }
}
