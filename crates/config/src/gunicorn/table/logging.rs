//! gunicorn's settings for logs and metrics.

use std::path::PathBuf;

use super::{Apply, Default, Entry, under};
use crate::defaults::COMBINED_FORMAT;
use crate::gunicorn::kind::Kind;
use crate::{Level, LogTarget, RawValue, StatsdAddress, StatsdSettings};

const fn logging(
    name: &'static str,
    flags: &'static [&'static str],
    kind: Kind,
    default: Default,
    help: &'static str,
) -> Entry {
    under("Logging", name, flags, kind, default, help)
}

/// `-` is the standard stream that `standard` names.
fn target(name: String, standard: LogTarget) -> LogTarget {
    if name == "-" {
        standard
    } else {
        LogTarget::File(PathBuf::from(name))
    }
}

/// The lines go through a logger in Python if there is a value.
const IN_PYTHON: Apply = |draft, value| {
    draft.settings.logs.in_python |= value.text().is_some();
    Ok(())
};

/// The logger in Python reads it from `cfg`.
const READ_BY_THE_LOGGER: Apply = |_, _| Ok(());

/// Logs and metrics.
pub(super) const ENTRIES: &[Entry] = &[
    logging(
        "accesslog",
        &["--access-logfile"],
        Kind::Text,
        Default::None,
        "Access log file; - is standard output.",
    )
    .metavar("FILE")
    .honoured(|draft, value| {
        draft.settings.logs.access = value.text().map(|name| target(name, LogTarget::Stdout));
        Ok(())
    }),
    logging(
        "disable_redirect_access_to_syslog",
        &["--disable-redirect-access-to-syslog"],
        Kind::Bool,
        Default::Bool(false),
        "With syslog on, keep the access log out of it.",
    )
    .honoured(READ_BY_THE_LOGGER),
    logging(
        "access_log_format",
        &["--access-logformat"],
        Kind::Text,
        Default::Text(COMBINED_FORMAT),
        "Format of an access line.",
    )
    .honoured(|draft, value| {
        draft.settings.logs.access_format = value.text().unwrap_or_default();
        Ok(())
    }),
    logging(
        "errorlog",
        &["--error-logfile", "--log-file"],
        Kind::Text,
        Default::Text("-"),
        "Error log file; - is standard error.",
    )
    .metavar("FILE")
    .honoured(|draft, value| {
        draft.settings.logs.error = value
            .text()
            .map_or(LogTarget::Stderr, |name| target(name, LogTarget::Stderr));
        Ok(())
    }),
    logging(
        "loglevel",
        &["--log-level"],
        Kind::Text,
        Default::Text("info"),
        "Least severe level that is logged: debug, info, warning, error or critical.",
    )
    .metavar("LEVEL")
    .note("An unknown level means info, as in gunicorn.")
    .honoured(|draft, value| {
        draft.settings.logs.level = match value.text().unwrap_or_default().to_lowercase().as_str() {
            "debug" => Level::Debug,
            "warning" => Level::Warning,
            "error" => Level::Error,
            "critical" => Level::Critical,
            _ => Level::Info,
        };
        Ok(())
    }),
    logging(
        "capture_output",
        &["--capture-output"],
        Kind::Bool,
        Default::Bool(false),
        "Send the application's standard output and error to the error log file.",
    )
    .honoured(|draft, value| {
        draft.settings.logs.capture_output = value.is_on();
        Ok(())
    }),
    logging(
        "logger_class",
        &["--logger-class"],
        Kind::Class,
        Default::Text("gunicorn.glogging.Logger"),
        "The class that does the logging.",
    )
    .honoured(|draft, value| {
        let own = [
            "gunicorn.glogging.Logger",
            "simple",
            "gunicorn.instrument.statsd.Statsd",
        ];
        let is_own = matches!(value, RawValue::Text(name) if own.contains(&name.as_str()));
        draft.settings.logs.in_python |= !is_own && *value != RawValue::None;
        Ok(())
    }),
    logging(
        "logconfig",
        &["--log-config"],
        Kind::Text,
        Default::None,
        "A logging.config file in ini form.",
    )
    .metavar("FILE")
    .honoured(IN_PYTHON),
    logging(
        "logconfig_dict",
        &[],
        Kind::Map,
        Default::Map(&[]),
        "A logging.config dictionary.",
    )
    .honoured(|draft, value| {
        draft.settings.logs.in_python |= matches!(value, RawValue::Map(items) if !items.is_empty());
        Ok(())
    }),
    logging(
        "logconfig_json",
        &["--log-config-json"],
        Kind::Text,
        Default::None,
        "A logging.config file in JSON.",
    )
    .metavar("FILE")
    .honoured(IN_PYTHON),
    logging(
        "syslog_addr",
        &["--log-syslog-to"],
        Kind::Text,
        Default::Text("udp://localhost:514"),
        "Where syslog goes: unix://PATH, udp://HOST:PORT or tcp://HOST:PORT.",
    )
    .metavar("SYSLOG_ADDR")
    .honoured(READ_BY_THE_LOGGER),
    logging(
        "syslog",
        &["--log-syslog"],
        Kind::Bool,
        Default::Bool(false),
        "Log to syslog too.",
    )
    .honoured(|draft, value| {
        draft.settings.logs.in_python |= value.is_on();
        Ok(())
    }),
    logging(
        "syslog_prefix",
        &["--log-syslog-prefix"],
        Kind::Text,
        Default::None,
        "Program name in syslog entries.",
    )
    .metavar("SYSLOG_PREFIX")
    .honoured(READ_BY_THE_LOGGER),
    logging(
        "syslog_facility",
        &["--log-syslog-facility"],
        Kind::Text,
        Default::Text("user"),
        "Syslog facility.",
    )
    .metavar("SYSLOG_FACILITY")
    .honoured(READ_BY_THE_LOGGER),
    logging(
        "enable_stdio_inheritance",
        &["-R", "--enable-stdio-inheritance"],
        Kind::Bool,
        Default::Bool(false),
        "Keep redirected standard streams in the background.",
    )
    .honoured(|draft, value| {
        draft.keep_output = value.is_on();
        Ok(())
    }),
    logging(
        "statsd_host",
        &["--statsd-host"],
        Kind::StatsdAddress,
        Default::None,
        "Where StatsD metrics go.",
    )
    .metavar("STATSD_ADDR")
    .honoured(|draft, value| {
        let address = match value {
            RawValue::List(items) => match items.as_slice() {
                [RawValue::Text(host), port] => StatsdAddress::Udp(host.clone(), port.number() as u16),
                _ => return Ok(()),
            },
            RawValue::Text(path) => StatsdAddress::Unix(PathBuf::from(path)),
            _ => return Ok(()),
        };
        draft.settings.logs.statsd = Some(StatsdSettings {
            address,
            prefix: String::new(),
            tags: String::new(),
        });
        Ok(())
    }),
    logging(
        "dogstatsd_tags",
        &["--dogstatsd-tags"],
        Kind::Text,
        Default::Text(""),
        "Tags added to each metric.",
    )
    .metavar("DOGSTATSD_TAGS")
    .honoured(|draft, value| {
        if let Some(statsd) = &mut draft.settings.logs.statsd {
            statsd.tags = value.text().unwrap_or_default();
        }
        Ok(())
    }),
    logging(
        "statsd_prefix",
        &["--statsd-prefix"],
        Kind::Text,
        Default::Text(""),
        "Prefix of metric names.",
    )
    .metavar("STATSD_PREFIX")
    .honoured(|draft, value| {
        if let Some(statsd) = &mut draft.settings.logs.statsd {
            statsd.prefix = value.text().unwrap_or_default();
        }
        Ok(())
    }),
    logging(
        "enable_backlog_metric",
        &["--enable-backlog-metric"],
        Kind::Bool,
        Default::Bool(false),
        "Send the number of connections that wait to be accepted.",
    )
    .note("Sent once a second, summed over the TCP sockets, and logged at level debug; Linux only.")
    .honoured(|draft, value| {
        draft.settings.logs.backlog_metric = value.is_on();
        Ok(())
    }),
];
