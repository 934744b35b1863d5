//! What a script says on standard error: it goes into the log, line by line.

use std::io::{self, Read};

use mio::unix::pipe::Receiver;
use mio::{Interest, Registry, Token};
use telemetry::ErrorLog;

/// A line longer than this is cut.
const LONGEST_LINE: usize = 8 << 10;

/// Where complaints come from.
pub(super) struct Complaints {
    /// `None` once there are no more.
    pipe: Option<Receiver>,
    /// A line that has not ended.
    line: Vec<u8>,
}

impl Complaints {
    pub(super) fn new(pipe: Option<Receiver>) -> Complaints {
        Complaints {
            pipe,
            line: Vec::new(),
        }
    }

    /// Has readiness of the pipe reported.
    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        match &mut self.pipe {
            Some(pipe) => registry.register(pipe, token, Interest::READABLE),
            None => Ok(()),
        }
    }

    /// Logs what there is now. `shown`: who complains.
    pub(super) fn hear(&mut self, shown: &str, log: &ErrorLog) {
        let mut buffer = [0; 4 << 10];
        while let Some(pipe) = &mut self.pipe {
            match pipe.read(&mut buffer) {
                Ok(0) => self.pipe = None,
                Ok(count) => self.take(&buffer[..count], shown, log),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => self.pipe = None,
            }
        }
        if !self.line.is_empty() {
            self.log_line(shown, log);
        }
    }

    fn take(&mut self, piece: &[u8], shown: &str, log: &ErrorLog) {
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(part);
            if part.ends_with(b"\n") || self.line.len() >= LONGEST_LINE {
                self.log_line(shown, log);
            }
        }
    }

    fn log_line(&mut self, shown: &str, log: &ErrorLog) {
        let line = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(line.trim_ascii_end());
        let shown = shown.trim_start_matches("the CGI script ");
        log.error(format_args!("{shown}: {line}"));
    }
}
