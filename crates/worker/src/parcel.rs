//! A request on its way from one worker to another: the client's socket, what is known of the connection, and what was read.
//!
//! It travels as one packet through a pair of sockets that is made before the first fork and of which every worker has both
//! ends. Nothing is addressed to anybody: whoever has a thread free takes the next parcel, so one outlives the worker that has
//! sent it, and is lost with none but the one that has taken it. Only workers of one master write there; a parcel that cannot
//! be understood is dropped all the same, and its connection with it.
//!
//! Left out: which requests are sent, and when (`passing.rs`).

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};

use crate::connection::Proxied;

/// Bytes of a parcel at the most. A socket has room for some of this size.
const LARGEST: usize = 64 << 10;
/// Bytes of a request that goes into one for certain.
pub(crate) const LARGEST_REQUEST: usize = LARGEST - (4 << 10);

/// The sockets by which workers pass requests on.
#[derive(Debug)]
pub struct Passage {
    inlet: OwnedFd,
    outlet: OwnedFd,
}

/// What is known of a connection beyond its socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Label {
    /// The listener it came to, as log lines show it.
    pub(crate) listener: String,
    pub(crate) client_address: String,
    pub(crate) client_port: u16,
    pub(crate) proxied: Option<Proxied>,
    /// It has had an answer already.
    pub(crate) served: bool,
    /// Since when the request waits, in microseconds of the monotonic clock.
    pub(crate) waits_since_us: u64,
}

/// A request that another worker had no thread for.
#[derive(Debug)]
pub(crate) struct Parcel {
    pub(crate) socket: OwnedFd,
    pub(crate) label: Label,
    /// What had been read, from the request's first byte on.
    pub(crate) bytes: Vec<u8>,
}

impl Passage {
    /// Makes the sockets; to be called before the first fork.
    ///
    /// # Errors
    /// When descriptors or memory are used up.
    pub fn open() -> io::Result<Passage> {
        // Packets that keep their bounds, on every system.
        let (inlet, outlet) = socketpair(
            AddressFamily::UNIX,
            SocketType::DGRAM,
            SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
            None,
        )?;
        Ok(Passage { inlet, outlet })
    }

    /// The same sockets under further descriptors.
    ///
    /// # Errors
    /// When descriptors are used up.
    pub fn try_clone(&self) -> io::Result<Passage> {
        Ok(Passage {
            inlet: self.inlet.try_clone()?,
            outlet: self.outlet.try_clone()?,
        })
    }

    /// Readable when there is a parcel.
    pub(crate) fn descriptor(&self) -> RawFd {
        self.outlet.as_raw_fd()
    }

    /// Sends a socket with a label and what was read, which `write` appends: false when there is no room for it, and nothing has
    /// happened.
    pub(crate) fn send(
        &self,
        socket: BorrowedFd<'_>,
        label: &Label,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> bool {
        let mut packet = label.encode();
        write(&mut packet);
        if packet.len() > LARGEST {
            return false;
        }
        let sockets = [socket];
        let rights = SendAncillaryMessage::ScmRights(&sockets);
        let mut space = [MaybeUninit::uninit(); 64];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        ancillary.push(rights)
            && sendmsg(
                &self.inlet,
                &[IoSlice::new(&packet)],
                &mut ancillary,
                SendFlags::NOSIGNAL,
            )
            .is_ok()
    }

    /// Takes the next parcel, if there is one.
    ///
    /// # Errors
    /// When descriptors are used up: it stays there.
    pub(crate) fn take(&self) -> io::Result<Option<Parcel>> {
        let mut packet = vec![0; LARGEST];
        loop {
            // A socket for which there is no descriptor would be lost: this is the one it can have.
            drop(self.outlet.try_clone()?);
            let mut space = [MaybeUninit::uninit(); 64];
            let mut ancillary = RecvAncillaryBuffer::new(&mut space);
            let received = recvmsg(
                &self.outlet,
                &mut [IoSliceMut::new(&mut packet)],
                &mut ancillary,
                RecvFlags::CMSG_CLOEXEC,
            );
            let length = match received {
                Ok(received) => received.bytes,
                Err(rustix::io::Errno::INTR) => continue,
                Err(_) => return Ok(None),
            };
            let sockets = ancillary.drain().filter_map(|message| match message {
                RecvAncillaryMessage::ScmRights(sockets) => Some(sockets),
                _ => None,
            });
            let socket = sockets.flatten().next();
            if let (Some(socket), Some((label, bytes))) = (socket, Label::decode(&packet[..length])) {
                let bytes = bytes.to_vec();
                return Ok(Some(Parcel { socket, label, bytes }));
            }
        }
    }
}

/// Between the parts of a label, none of which can have one.
const END: u8 = 0;

impl Label {
    fn encode(&self) -> Vec<u8> {
        let (address, port, server) = match &self.proxied {
            Some(proxied) => (proxied.address.as_str(), proxied.port, proxied.server.to_string()),
            None => ("", 0, String::new()),
        };
        let parts = [
            &self.listener,
            &self.client_address,
            &self.client_port.to_string(),
            address,
            &port.to_string(),
            &server,
            &u8::from(self.served).to_string(),
            &self.waits_since_us.to_string(),
        ];
        let mut encoded = Vec::with_capacity(1024);
        for part in parts {
            encoded.extend_from_slice(part.as_bytes());
            encoded.push(END);
        }
        encoded
    }

    /// The label at the front of a packet, and what follows.
    fn decode(packet: &[u8]) -> Option<(Label, &[u8])> {
        let mut rest = packet;
        let mut part = || {
            let (part, after) = rest.split_at(rest.iter().position(|byte| *byte == END)?);
            rest = &after[1..];
            std::str::from_utf8(part).ok()
        };
        let (listener, client_address, client_port) = (part()?, part()?, part()?);
        let (proxied, proxied_port, server) = (part()?, part()?, part()?);
        let (served, waits_since_us) = (part()?, part()?);
        let proxied = match server {
            "" => None,
            server => Some(Proxied {
                address: proxied.to_owned(),
                port: proxied_port.parse().ok()?,
                server: server.parse().ok()?,
            }),
        };
        let label = Label {
            listener: listener.to_owned(),
            client_address: client_address.to_owned(),
            client_port: client_port.parse().ok()?,
            proxied,
            served: served == "1",
            waits_since_us: waits_since_us.parse().ok()?,
        };
        Some((label, rest))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    fn label() -> Label {
        Label {
            listener: "http://127.0.0.1:80".to_owned(),
            client_address: "::1".to_owned(),
            client_port: 65535,
            proxied: None,
            served: true,
            waits_since_us: u64::MAX,
        }
    }

    #[test]
    fn a_label_is_read_as_it_was_written_and_a_part_of_one_is_none() {
        let unix = Label {
            listener: "unix:/a b".to_owned(),
            client_address: String::new(),
            client_port: 0,
            proxied: Some(Proxied {
                address: "192.0.2.1".to_owned(),
                port: 7,
                server: "[2001:db8::1]:443".parse().expect("an address"),
            }),
            served: false,
            waits_since_us: 0,
        };
        for label in [label(), unix] {
            let mut packet = label.encode();
            let length = packet.len();
            packet.extend_from_slice(b"GET /\0 HTTP");
            assert_eq!(Label::decode(&packet), Some((label, &b"GET /\0 HTTP"[..])));
            for end in 0..length {
                assert_eq!(Label::decode(&packet[..end]), None);
            }
        }
    }

    #[test]
    fn a_socket_goes_through_with_what_was_read_and_works_when_its_sender_has_closed_it() {
        let passage = Passage::open().expect("sockets");
        let (ours, mut client) = UnixStream::pair().expect("sockets");
        assert!(passage.take().expect("descriptors").is_none());
        assert!(passage.send(ours.as_fd(), &label(), |packet| packet.extend(b"GET / ")));
        drop(ours);
        let elsewhere = passage.try_clone().expect("descriptors");
        drop(passage);
        let parcel = elsewhere.take().expect("descriptors").expect("a parcel");
        assert_eq!((parcel.label, &*parcel.bytes), (label(), &b"GET / "[..]));
        UnixStream::from(parcel.socket).write_all(b"ok").expect("write");
        let mut answer = String::new();
        client.read_to_string(&mut answer).expect("read");
        assert_eq!(answer, "ok");
        assert!(elsewhere.take().expect("descriptors").is_none());
    }

    #[test]
    fn what_there_is_no_room_for_is_not_sent() {
        let passage = Passage::open().expect("sockets");
        let (ours, _client) = UnixStream::pair().expect("sockets");
        let send = |length| passage.send(ours.as_fd(), &label(), |packet| packet.resize(length, b'x'));
        assert!(!send(LARGEST + 1));
        let mut sent = 0;
        while send(LARGEST) {
            sent += 1;
            assert!(sent < 10_000, "the socket is never full");
        }
        assert!(sent > 0);
        for _ in 0..sent {
            assert!(passage.take().expect("descriptors").is_some());
        }
        assert!(passage.take().expect("descriptors").is_none());
    }
}
