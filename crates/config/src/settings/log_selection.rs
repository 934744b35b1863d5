//! Which requests get a line in the access log: plain data; `telemetry` decides with it.

use std::time::Duration;

/// The requests that are logged where not all are. By default none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogSelection {
    /// Answers with a status from 400 to 499.
    pub client_errors: bool,
    /// Answers with a status from 500 to 599.
    pub server_errors: bool,
    /// Answers that took at least so long.
    pub slow: Option<Duration>,
    /// Answers with a body of at least so many bytes.
    pub large: Option<u64>,
    /// Answers without a body.
    pub empty: bool,
    /// Answers with a file that the kernel sends.
    pub files: bool,
    /// Requests whose body, or answers whose client, was gone before the end.
    pub failures: bool,
}

/// What decides whether a request is logged.
#[derive(Clone, Copy, Debug)]
pub struct Logged {
    /// The answer's status.
    pub status: u16,
    /// From the request's arrival to its answer.
    pub took: Duration,
    /// Bytes of the answer's body.
    pub body_bytes: u64,
    /// The answer was a file that the kernel sends.
    pub is_file: bool,
    /// Body or answer did not come to its end.
    pub failed: bool,
}

impl LogSelection {
    /// Whether no request can get a line.
    pub fn is_empty(&self) -> bool {
        *self == LogSelection::default()
    }

    /// Whether a request gets a line.
    pub fn takes(&self, logged: Logged) -> bool {
        let Logged {
            status,
            took,
            body_bytes,
            is_file,
            failed,
        } = logged;
        (self.client_errors && (400..500).contains(&status))
            || (self.server_errors && (500..600).contains(&status))
            || self.slow.is_some_and(|slow| took >= slow)
            || self.large.is_some_and(|large| body_bytes >= large)
            || (self.empty && body_bytes == 0)
            || (self.files && is_file)
            || (self.failures && failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: LogSelection = LogSelection {
        client_errors: false,
        server_errors: false,
        slow: None,
        large: None,
        empty: false,
        files: false,
        failures: false,
    };
    const SECOND: Duration = Duration::from_secs(1);
    /// An answer that is nothing special.
    const USUAL: Logged = Logged {
        status: 200,
        took: SECOND,
        body_bytes: 5,
        is_file: false,
        failed: false,
    };

    /// A selection, or a request, that differs in this.
    fn with<T: Copy>(usual: T, change: impl FnOnce(&mut T)) -> T {
        let mut changed = usual;
        change(&mut changed);
        changed
    }

    #[test]
    fn a_request_gets_a_line_for_any_of_the_reasons_chosen() {
        let status = |status| with(USUAL, |logged| logged.status = status);
        let body = |bytes| with(USUAL, |logged| logged.body_bytes = bytes);
        let file = with(USUAL, |logged| logged.is_file = true);
        let failed = with(USUAL, |logged| logged.failed = true);
        let client_errors = with(NONE, |chosen| chosen.client_errors = true);
        let server_errors = with(NONE, |chosen| chosen.server_errors = true);
        let slow = |took| with(NONE, |chosen| chosen.slow = Some(took));
        let large = |bytes| with(NONE, |chosen| chosen.large = Some(bytes));
        let empty = with(NONE, |chosen| chosen.empty = true);
        let files = with(NONE, |chosen| chosen.files = true);
        let failures = with(NONE, |chosen| chosen.failures = true);
        for (selection, logged, expected) in [
            (NONE, with(status(500), |logged| logged.body_bytes = 0), false),
            (client_errors, status(404), true),
            (client_errors, status(500), false),
            (server_errors, status(503), true),
            (server_errors, USUAL, false),
            (slow(SECOND), USUAL, true),
            (slow(SECOND * 2), USUAL, false),
            (large(5), USUAL, true),
            (large(6), USUAL, false),
            (empty, body(0), true),
            (empty, body(1), false),
            (files, file, true),
            (files, failed, false),
            (failures, failed, true),
            (failures, file, false),
        ] {
            assert_eq!(selection.takes(logged), expected, "{selection:?} {logged:?}");
        }
        assert!(NONE.is_empty() && !empty.is_empty());
        assert_eq!(NONE, LogSelection::default());
    }
}
