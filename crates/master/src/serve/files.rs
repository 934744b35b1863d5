//! The files that the master leaves in the file system while it serves: its pidfile, and those of unix sockets.

use std::os::fd::AsFd;
use std::sync::Arc;

use config::Address;
use telemetry::Event;

use super::Master;
use crate::listener::Listener;
use crate::pidfile;
use crate::start::StartError;

impl Master<'_> {
    pub(super) fn write_pidfile(&self) -> Result<(), StartError> {
        let Some(path) = self.pidfile() else {
            return Ok(());
        };
        pidfile::write(&path, self.era.settings.dialect)?;
        self.log.event(&Event::PidfileWritten { path });
        Ok(())
    }

    pub(super) fn remove_files(&self) {
        self.remove_socket_files();
        if !self.leaves_files()
            && let Some(path) = self.pidfile()
            && pidfile::remove(&path)
        {
            self.log.event(&Event::FileRemoved { path, socket: false });
        }
    }

    /// Whether pidfile and socket files stay at the end, as uWSGI's do. A start that failed leaves nothing behind.
    fn leaves_files(&self) -> bool {
        self.has_served && !self.era.settings.remove_files_at_exit
    }

    /// Before the listeners close: nobody shall come in between the last accept and that.
    pub(super) fn admit_nobody_new(&self) {
        if self.successor.is_some() || self.inheritance.has_sockets() {
            return; // somebody else may go on listening
        }
        let opened_here =
            |listener: &&Arc<Listener>| !matches!(listener.bind.address, Address::Descriptor(_));
        for listener in self.era.listeners.iter().filter(opened_here) {
            // A unix socket takes no such filter; its file goes away instead.
            let _ = sys::admit_nobody_new(listener.socket.as_fd());
        }
    }

    pub(super) fn remove_socket_files(&self) {
        let shared = self.successor.is_some() || self.inheritance.predecessor.is_some();
        if shared || self.leaves_files() {
            return;
        }
        let eras = self.next_era.iter().chain([&self.era]);
        for path in eras
            .flat_map(|era| era.listeners.iter().chain(&era.statistics))
            .filter_map(|listener| listener.remove_file())
        {
            self.log.event(&Event::FileRemoved {
                path: path.to_owned(),
                socket: true,
            });
        }
    }
}
