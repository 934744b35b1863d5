//! What this process and its children print: left where it is, sent to the log's file, or, where loggers of uWSGI's have a say about
//! lines, taken out of a pipe and logged.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use config::Dialect;

use super::ErrorLog;
use super::manner::Manner;

impl ErrorLog {
    /// Sends standard output and error of this process to the log's file, if the settings ask for it and there is
    /// one. Call it once, after going into the background; [`ErrorLog::reopen`] repeats it.
    ///
    /// # Errors
    /// What `dup2` says.
    pub fn capture_output(&self) -> io::Result<()> {
        let manner = self.manner();
        if !manner.logs.capture_output || self.takes_lines(&manner) {
            return Ok(());
        }
        manner.sink.become_standard_streams()
    }

    /// uWSGI's loggers, encoders and filters have their say about what is printed as well.
    fn takes_lines(&self, manner: &Manner) -> bool {
        self.dialect() == Dialect::Uwsgi && (manner.sink.is_remote() || !manner.sink.is_plain())
    }

    /// From now on what this process and its children print comes out of a pipe, if the settings have something done with such
    /// lines: whoever calls this calls [`ErrorLog::take_output`] whenever [`ErrorLog::output`] can be read.
    ///
    /// # Errors
    /// What `pipe` and `dup2` say.
    pub fn intercept_output(&self) -> io::Result<()> {
        let manner = self.manner();
        if manner.logs.capture_output && self.takes_lines(&manner) {
            self.inner.intake.open()?;
        }
        Ok(())
    }

    /// The end of the pipe that is to be read, where what is printed is intercepted.
    pub fn output(&self) -> Option<Arc<OwnedFd>> {
        self.inner.intake.reader()
    }

    /// Has the lines that were printed go the way of all others. Waits for nobody.
    pub fn take_output(&self) {
        self.raw_lines(&self.inner.intake.take());
    }

    /// The end of that: standard output and error are what they were.
    pub fn release_output(&self) {
        self.raw_lines(&self.inner.intake.close());
    }

    /// In a child: it prints there, and another process reads it.
    pub fn leave_output(&self) {
        self.inner.intake.leave();
    }

    fn raw_lines(&self, text: &[u8]) {
        let lines = text.iter().filter(|&&byte| byte == b'\n').count();
        self.write(text, lines.max(1) as u64);
    }
}
