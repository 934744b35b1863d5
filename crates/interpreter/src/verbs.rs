//! uWSGI's commands for a server that runs already: `--ping` and `--connect-and-read` over one of its sockets, `--reload`, `--stop`
//! and `--pause` by its pidfile.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::path::Path;
use std::time::Duration;

use config::{Address, ConfigError, PidfileRequest};
use rustix::process::{Pid, Signal, kill_process};

/// The kind of a packet that asks whether somebody is there (modifier 100 of the uwsgi protocol): no variables follow.
const PING: [u8; 4] = [100, 0, 0, 0];

/// Writes what a server sends (its statistics, usually) to standard error, as uWSGI does, to its end.
pub(crate) fn connect_and_read(address: &str) -> Result<i32, ConfigError> {
    let mut server = connect(address, None).map_err(|error| failed(address, "connect-and-read", &error))?;
    // Whoever is cut off has read something, and nobody can be told more.
    let _ = io::copy(&mut server, &mut io::stderr());
    Ok(0)
}

/// Asks a uwsgi socket whether somebody is there: 0; a message that comes with the answer is a warning: 2.
pub(crate) fn ping(address: &str, timeout: Duration) -> Result<i32, ConfigError> {
    eprintln!("PING uwsgi host {address} (timeout: {})", timeout.as_secs());
    let warning = ask(address, timeout).map_err(|error| failed(address, "ping", &error))?;
    if warning.is_empty() {
        return Ok(0);
    }
    eprintln!(
        "[WARNING] node {address} message: {}",
        String::from_utf8_lossy(&warning)
    );
    Ok(2)
}

/// Tells the server of a pidfile to reload, to stop, to pause or to go on.
pub(crate) fn signal_pidfile(pidfile: &Path, request: PidfileRequest) -> Result<i32, ConfigError> {
    let (signal, option) = match request {
        PidfileRequest::Reload => (Signal::HUP, "reload"),
        PidfileRequest::Stop => (Signal::INT, "stop"),
        PidfileRequest::Pause => (Signal::TSTP, "pause"),
    };
    let shown = pidfile.display();
    let text = std::fs::read_to_string(pidfile).map_err(|error| {
        ConfigError::new(format!(
            "cannot read the pidfile {shown} (option --{option}): {error}"
        ))
    })?;
    let pid = text
        .trim()
        .parse()
        .ok()
        .filter(|pid| *pid > 1)
        .and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| {
        ConfigError::new(format!(
            "the pidfile {shown} (option --{option}) holds no process id: {:?}",
            text.trim()
        ))
    })?;
    kill_process(pid, signal).map_err(|error| {
        let pid = pid.as_raw_nonzero();
        ConfigError::new(format!(
            "no signal can be sent to process {pid} of the pidfile {shown} (option --{option}): {error}"
        ))
    })?;
    Ok(0)
}

fn ask(address: &str, timeout: Duration) -> io::Result<Vec<u8>> {
    let mut server = connect(address, Some(timeout))?;
    server.write_all(&PING)?;
    let mut head = [0; 4];
    server.read_exact(&mut head)?;
    if head[0] != PING[0] {
        return Err(io::Error::other("what answers is no uwsgi socket"));
    }
    let mut message = vec![0; usize::from(u16::from_le_bytes([head[1], head[2]]))];
    server.read_exact(&mut message)?;
    Ok(message)
}

trait Peer: Read + Write {}
impl<Stream: Read + Write> Peer for Stream {}

fn connect(address: &str, timeout: Option<Duration>) -> io::Result<Box<dyn Peer>> {
    let Some((host, port)) = address.rsplit_once(':').filter(|_| !address.starts_with('/')) else {
        let stream = match Address::abstract_name(address) {
            Some(name) => UnixStream::connect_addr(&SocketAddr::from_abstract_name(name)?)?,
            None => UnixStream::connect(address)?,
        };
        stream.set_read_timeout(timeout)?;
        return Ok(Box::new(stream));
    };
    let host = match host.trim_start_matches('[').trim_end_matches(']') {
        "" => "127.0.0.1",
        host => host,
    };
    let port: u16 = port
        .parse()
        .map_err(|_| io::Error::other(format!("'{port}' is no port")))?;
    let mut places = (host, port).to_socket_addrs()?;
    let place = places
        .next()
        .ok_or_else(|| io::Error::other("the host has no address"))?;
    let stream = match timeout {
        Some(timeout) => TcpStream::connect_timeout(&place, timeout)?,
        None => TcpStream::connect(place)?,
    };
    stream.set_read_timeout(timeout)?;
    Ok(Box::new(stream))
}

fn failed(address: &str, option: &str, error: &io::Error) -> ConfigError {
    ConfigError::new(format!("cannot reach {address} (option --{option}): {error}"))
}
