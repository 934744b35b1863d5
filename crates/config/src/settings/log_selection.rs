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

    #[test]
    fn a_request_gets_a_line_for_any_of_the_reasons_chosen() {
        let none = LogSelection::default();
        let second = Duration::from_secs(1);
        for (selection, status, took, body_bytes, expected) in [
            (none, 500, second, 0, false),
            (
                LogSelection {
                    client_errors: true,
                    ..none
                },
                404,
                second,
                5,
                true,
            ),
            (
                LogSelection {
                    client_errors: true,
                    ..none
                },
                500,
                second,
                5,
                false,
            ),
            (
                LogSelection {
                    server_errors: true,
                    ..none
                },
                503,
                second,
                5,
                true,
            ),
            (
                LogSelection {
                    server_errors: true,
                    ..none
                },
                200,
                second,
                5,
                false,
            ),
            (
                LogSelection {
                    slow: Some(second),
                    ..none
                },
                200,
                second,
                5,
                true,
            ),
            (
                LogSelection {
                    slow: Some(second * 2),
                    ..none
                },
                200,
                second,
                5,
                false,
            ),
            (
                LogSelection {
                    large: Some(5),
                    ..none
                },
                200,
                second,
                5,
                true,
            ),
            (
                LogSelection {
                    large: Some(6),
                    ..none
                },
                200,
                second,
                5,
                false,
            ),
            (LogSelection { empty: true, ..none }, 204, second, 0, true),
            (LogSelection { empty: true, ..none }, 200, second, 1, false),
        ] {
            assert_eq!(
                selection.takes(Logged {
                    status,
                    took,
                    body_bytes,
                    is_file: false,
                    failed: false,
                }),
                expected,
                "{selection:?} {status}"
            );
        }
        for (files, failures, is_file, failed, expected) in [
            (true, false, true, false, true),
            (true, false, false, true, false),
            (false, true, false, true, true),
            (false, true, true, false, false),
        ] {
            let selection = LogSelection {
                files,
                failures,
                ..none
            };
            let logged = Logged {
                status: 200,
                took: second,
                body_bytes: 5,
                is_file,
                failed,
            };
            assert_eq!(selection.takes(logged), expected, "{selection:?}");
        }
        assert!(none.is_empty() && !LogSelection { empty: true, ..none }.is_empty());
    }
}
