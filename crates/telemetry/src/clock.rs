//! Times as text: the `Date` field and the time stamps of log lines.
//!
//! Rules: text is made once per second and then copied; local time needs a zone, which is loaded once per log
//! (before the fork, so that workers share it). It leaves out reading the clock, except in [`http_date`].

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// `now` as the value of a `Date` field (RFC 9110, 5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`.
///
/// Times before 1970 or after 9999 do not fit the format and are given as their nearest bound.
pub fn http_date(now: SystemTime) -> [u8; 29] {
    // The last second that has a four-digit year.
    const LAST: u64 = 253_402_300_799;
    let seconds = now
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
        .min(LAST);
    let text = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds));
    let mut date = *b"Thu, 01 Jan 1970 00:00:00 GMT";
    if text.len() == date.len() {
        date.copy_from_slice(text.as_bytes());
    }
    date
}

/// The value of the `Date` field, made anew only when the second changes.
#[derive(Clone, Debug)]
pub struct DateClock {
    /// The second that `text` stands for.
    second: u64,
    text: [u8; 29],
}

impl DateClock {
    /// A clock that stands at the beginning of 1970.
    pub fn new() -> DateClock {
        DateClock {
            second: 0,
            text: http_date(UNIX_EPOCH),
        }
    }

    /// The date at this second, counted from the beginning of 1970 (UTC).
    pub fn at(&mut self, unix_seconds: u64) -> &[u8; 29] {
        if unix_seconds != self.second {
            // Bounded so that the addition cannot overflow; beyond it no year has four digits anyway.
            self.text =
                http_date(UNIX_EPOCH + Duration::from_secs(unix_seconds.min(u64::from(u32::MAX) << 8)));
            self.second = unix_seconds;
        }
        &self.text
    }
}

impl Default for DateClock {
    fn default() -> DateClock {
        DateClock::new()
    }
}

/// Local time for log lines.
#[derive(Clone, Debug)]
pub(crate) struct LocalClock {
    zone: TimeZone,
}

impl LocalClock {
    /// Loads the system's time zone (`TZ`, then `/etc/localtime`); UTC where there is none.
    pub(crate) fn load() -> LocalClock {
        LocalClock {
            zone: TimeZone::system(),
        }
    }

    #[cfg(test)]
    pub(crate) fn utc() -> LocalClock {
        LocalClock { zone: TimeZone::UTC }
    }

    /// This second's minute, counted from 1970, and its minute, hour, day of the month, month and day of the week (0 is Sunday),
    /// as timetables have them.
    pub(crate) fn minute(&self, unix_seconds: u64) -> (u64, [u32; 5]) {
        let fields = self.format(unix_seconds, "%M %H %d %m %w");
        let mut numbers = fields.split(' ').map(|number| number.parse().unwrap_or_default());
        let now = std::array::from_fn(|_| numbers.next().unwrap_or_default());
        (unix_seconds / 60, now)
    }

    /// This second in strftime notation. Empty if the notation is wrong or the second is out of range.
    pub(crate) fn format(&self, unix_seconds: u64, notation: &str) -> String {
        let second = i64::try_from(unix_seconds).unwrap_or(i64::MAX);
        let Ok(timestamp) = Timestamp::from_second(second) else {
            return String::new();
        };
        jiff::fmt::strtime::format(notation, &timestamp.to_zoned_datetime(self.zone.clone()))
            .unwrap_or_default()
    }
}

/// Seconds since the beginning of 1970 (UTC).
pub(crate) fn unix_seconds(now: SystemTime) -> u64 {
    now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::{DateClock, LocalClock};

    #[test]
    fn the_date_field_has_the_form_of_rfc_9110_at_any_second() {
        let table = [
            (0, b"Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, b"Sun, 06 Nov 1994 08:49:37 GMT"),
            (784_111_777, b"Sun, 06 Nov 1994 08:49:37 GMT"),
            (784_111_778, b"Sun, 06 Nov 1994 08:49:38 GMT"),
            (u64::MAX, b"Fri, 31 Dec 9999 23:59:59 GMT"),
        ];
        let mut clock = DateClock::new();
        for (second, expected) in table {
            assert_eq!(clock.at(second), expected, "{second}");
        }
    }

    #[test]
    fn a_minute_has_the_fields_of_a_timetable() {
        let minute = LocalClock::utc().minute(784_111_777);
        assert_eq!(minute, (13_068_529, [49, 8, 6, 11, 0]));
    }

    #[test]
    fn days_below_ten_are_padded_as_ctime_pads_them() {
        assert_eq!(
            LocalClock::utc().format(784_111_777, "%a %b %e %H:%M:%S %Y"),
            "Sun Nov  6 08:49:37 1994"
        );
    }
}
