//! What a master is given by whoever started it: sockets of the master it is to replace, sockets that systemd holds, and
//! where to say how it is.
//!
//! Replacing a master (gunicorn's USR2): the old one starts the same command again with GUNICORN_PID, its process id, and
//! GUNICORN_FD, its sockets' descriptors. Socket activation is systemd's: LISTEN_PID, LISTEN_FDS (sd_listen_fds(3)).

use std::sync::Arc;

use config::{Address, Bind, Settings, Wire};
use telemetry::ErrorLog;

use crate::listener::{Listener, adopt_for};

/// The variable that names the emperor of a vassal by its process id.
pub(crate) const EMPEROR: &str = "PENSTOCK_EMPEROR";

/// systemd's first descriptor.
const FIRST_ACTIVATED: i32 = 3;

/// What was inherited.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inheritance {
    /// The master that this one is to replace.
    pub predecessor: Option<u32>,
    /// Its listening sockets.
    pub sockets: Vec<i32>,
    /// Listening sockets from systemd; they stand in the place of every configured address.
    pub activated: Vec<i32>,
    /// The process that has started this server and that it does not outlive.
    pub emperor: Option<u32>,
    /// Where systemd wants to hear how the server is (NOTIFY_SOCKET).
    pub notify_socket: Option<String>,
    /// How often it wants to hear that, in microseconds (WATCHDOG_USEC).
    pub watchdog_us: Option<u64>,
}

impl Inheritance {
    /// Reads the variables. `own` is this process's id: activation and watchdog name the process they are meant for.
    pub fn read(own: u32, variable: impl Fn(&str) -> Option<String>) -> Inheritance {
        let number = |name: &str| variable(name)?.trim().parse::<u64>().ok();
        let is_meant = |name: &str| number(name) == Some(u64::from(own));
        let activated = match number("LISTEN_FDS").and_then(|count| i32::try_from(count).ok()) {
            Some(count) if is_meant("LISTEN_PID") => (FIRST_ACTIVATED..FIRST_ACTIVATED + count).collect(),
            _ => Vec::new(),
        };
        let for_somebody_else = variable("WATCHDOG_PID").is_some() && !is_meant("WATCHDOG_PID");
        let sockets = variable("GUNICORN_FD").unwrap_or_default();
        Inheritance {
            predecessor: number("GUNICORN_PID").and_then(|pid| u32::try_from(pid).ok()),
            sockets: sockets
                .split(',')
                .filter_map(|text| text.trim().parse().ok())
                .collect(),
            activated,
            emperor: number(EMPEROR).and_then(|pid| u32::try_from(pid).ok()),
            notify_socket: variable("NOTIFY_SOCKET").filter(|path| !path.is_empty()),
            watchdog_us: number("WATCHDOG_USEC").filter(|_| !for_somebody_else),
        }
    }

    /// Whether there are listening sockets that were opened by somebody else.
    pub(crate) fn has_sockets(&self) -> bool {
        !self.sockets.is_empty() || !self.activated.is_empty()
    }

    /// The addresses to listen on: those configured, unless systemd has brought sockets.
    pub(crate) fn binds(&self, settings: &Settings) -> Vec<Bind> {
        if self.activated.is_empty() {
            return settings.binds.clone();
        }
        let wire = settings.binds.first().map_or(Wire::Http1, |bind| bind.wire);
        let activated = self
            .activated
            .iter()
            .map(|number| Bind::new(Address::Descriptor(*number), wire));
        activated.collect()
    }

    /// The predecessor's sockets, each for the address among `binds` that it listens on. Others are closed.
    pub(crate) fn listeners(&self, binds: &[Bind], log: &ErrorLog) -> Vec<Arc<Listener>> {
        let mut wanted: Vec<&Bind> = binds.iter().collect();
        let mut listeners = Vec::new();
        for number in &self.sockets {
            match adopt_for(*number, &mut wanted) {
                Some(listener) => listeners.push(Arc::new(listener)),
                None => log.warning(format_args!(
                    "the socket under descriptor {number} (GUNICORN_FD) is none that the configuration asks for, and \
                     is closed"
                )),
            }
        }
        listeners
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Inheritance {
        Inheritance::read(7, |name| {
            variables
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn variables_count_for_the_process_they_are_meant_for() {
        for (variables, activated, watchdog) in [
            (vec![("LISTEN_PID", "7"), ("LISTEN_FDS", "2")], vec![3, 4], None),
            (vec![("LISTEN_PID", "8"), ("LISTEN_FDS", "2")], vec![], None),
            (vec![("LISTEN_FDS", "2")], vec![], None),
            (vec![("LISTEN_PID", "7"), ("LISTEN_FDS", "x")], vec![], None),
            (vec![("WATCHDOG_USEC", "30")], vec![], Some(30)),
            (
                vec![("WATCHDOG_USEC", "30"), ("WATCHDOG_PID", "7")],
                vec![],
                Some(30),
            ),
            (vec![("WATCHDOG_USEC", "30"), ("WATCHDOG_PID", "8")], vec![], None),
        ] {
            let inheritance = read(&variables);
            assert_eq!(inheritance.activated, activated, "{variables:?}");
            assert_eq!(inheritance.watchdog_us, watchdog, "{variables:?}");
        }
    }

    #[test]
    fn a_predecessor_names_itself_and_its_sockets() {
        let inheritance = read(&[("GUNICORN_PID", "41"), ("GUNICORN_FD", "5,6")]);
        assert_eq!(
            (inheritance.predecessor, inheritance.sockets),
            (Some(41), vec![5, 6])
        );
        assert_eq!(read(&[]), Inheritance::default());
    }
}
