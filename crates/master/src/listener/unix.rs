//! Listening sockets that are files, or names without a file: made where a dead server may have left one, with the rights that
//! the configuration gives them.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

use config::{Address, Dialect, Settings, UnixSocketRights};
use rustix::fs::{Gid, Mode, Uid};
use socket2::{Domain, Socket, Type};

use super::OpenError;
use crate::start::{StartError, owner};

pub(super) fn open_unix(path: &Path, backlog: i32, settings: &Settings) -> Result<Socket, OpenError> {
    make_room(path)?;
    let rights = &settings.unix_sockets;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    let address = socket2::SockAddr::unix(path)
        .map_err(|error| hopeless_path(path, &format!("this is no usable path for a socket: {error}")))?;
    let umask = rights
        .umask
        .map(|mask| rustix::process::umask(Mode::from_raw_mode(mask as _)));
    let bound = socket.bind(&address);
    if let Some(before) = umask {
        rustix::process::umask(before);
    }
    bound.map_err(|error| hopeless_path(path, &format!("the socket cannot be created: {error}")))?;
    let prepared = give_rights(path, rights, settings.dialect).and_then(|()| Ok(socket.listen(backlog)?));
    if let Err(error) = prepared {
        let _ = fs::remove_file(path);
        return Err(error);
    }
    Ok(socket)
}

/// A socket without a file: its name is free as soon as nobody has it open, and everybody on this machine may connect.
pub(super) fn open_abstract(name: &[u8], backlog: i32) -> Result<Socket, OpenError> {
    let path = [b"\0", name].concat();
    let address = socket2::SockAddr::unix(OsStr::from_bytes(&path)).map_err(|error| {
        let name = Address::abstract_text(name);
        OpenError::Hopeless(StartError::new(format!(
            "{name}: this is no usable name for a socket: {error}"
        )))
    })?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&address)?;
    socket.listen(backlog)?;
    Ok(socket)
}

/// Removes the socket that a dead server left behind. A living one, or a file of another kind, stays.
fn make_room(path: &Path) -> Result<(), OpenError> {
    let Ok(metadata) = fs::symlink_metadata(path) else {
        return Ok(());
    };
    if !metadata.file_type().is_socket() {
        return Err(hopeless_path(
            path,
            "there is a file that is not a socket. Remove it, or name another path.",
        ));
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(OpenError::System(io::Error::from(ErrorKind::AddrInUse))),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(|error| {
                hopeless_path(
                    path,
                    &format!("the socket of an earlier run cannot be removed: {error}"),
                )
            })
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        // A full accept queue: somebody is listening.
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            Err(OpenError::System(io::Error::from(ErrorKind::AddrInUse)))
        }
        Err(error) => Err(hopeless_path(
            path,
            &format!("the socket that is there cannot be examined: {error}"),
        )),
    }
}

fn give_rights(path: &Path, rights: &UnixSocketRights, dialect: Dialect) -> Result<(), OpenError> {
    let (user, group) =
        owner(rights.user.as_deref(), rights.group.as_deref(), dialect).map_err(OpenError::Hopeless)?;
    let (user, group) = (user.map(Uid::from_raw), group.map(Gid::from_raw));
    if user.is_some() || group.is_some() {
        rustix::fs::chown(path, user, group)
            .map_err(|error| hopeless_path(path, &format!("its owner cannot be changed: {error}")))?;
    }
    if let Some(mode) = rights.mode {
        rustix::fs::chmod(path, Mode::from_raw_mode(mode as _))
            .map_err(|error| hopeless_path(path, &format!("its mode cannot be changed: {error}")))?;
    }
    Ok(())
}

fn hopeless_path(path: &Path, why: &str) -> OpenError {
    OpenError::Hopeless(StartError::new(format!("unix:{}: {why}", path.display())))
}
