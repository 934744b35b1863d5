//! gunicorn's settings for limits, the process's surroundings and the trust in neighbours.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use super::{Default, Draft, Entry, under};
use crate::defaults::{count, size};
use crate::gunicorn::kind::Kind;
use crate::{Daemonize, Environment, RawValue, Underscores, Wire};

/// What gunicorn caps the request line and a field at.
const LARGEST_LINE: u64 = 8190;
/// What gunicorn caps the number of fields at.
const MOST_FIELDS: u64 = 32_768;

const fn security(
    name: &'static str,
    flags: &'static [&'static str],
    default: i64,
    help: &'static str,
) -> Entry {
    under("Security", name, flags, Kind::Number, Default::Int(default), help)
}

const fn mechanics(
    name: &'static str,
    flags: &'static [&'static str],
    kind: Kind,
    default: Default,
    help: &'static str,
) -> Entry {
    under("Server Mechanics", name, flags, kind, default, help)
}

/// The effective user and group of this process, from the owner of its own entry in /proc.
fn own(id: fn(&std::fs::Metadata) -> u32) -> RawValue {
    match std::fs::metadata("/proc/self") {
        Ok(metadata) => RawValue::Int(i64::from(id(&metadata))),
        Err(_) => RawValue::None,
    }
}

fn start_directory(environment: &Environment) -> RawValue {
    RawValue::Text(environment.directory.display().to_string())
}

fn add_environment(draft: &mut Draft<'_>, value: &RawValue) -> Result<(), String> {
    for text in value.texts() {
        let Some((name, value)) = text.split_once('=').filter(|(name, _)| !name.is_empty()) else {
            return Err(format!(
                "environment setting '{text}' invalid: it has to be NAME=VALUE"
            ));
        };
        draft.settings.env.push((name.to_owned(), value.to_owned()));
    }
    Ok(())
}

/// Application environment, files, rights and trust.
pub(super) const ENTRIES: &[Entry] = &[
    security(
        "limit_request_line",
        &["--limit-request-line"],
        4094,
        "Longest request line in bytes, at most 8190; 0 is unlimited.",
    )
    .note("Left alone, 8190. Unlimited is the limit of the whole head.")
    .honoured(|draft, value| {
        draft.settings.limits.request_line = match value.number() {
            0 => draft.settings.limits.head,
            number => size(number.min(LARGEST_LINE)),
        };
        Ok(())
    }),
    security(
        "limit_request_fields",
        &["--limit-request-fields"],
        100,
        "Most header fields in a request, at most 32768.",
    )
    .honoured(|draft, value| {
        draft.settings.limits.fields = match value.number() {
            0 => size(MOST_FIELDS),
            number => size(number.min(MOST_FIELDS)),
        };
        Ok(())
    }),
    security(
        "limit_request_field_size",
        &["--limit-request-field_size"],
        8190,
        "Longest header field in bytes; 0 is 8190.",
    )
    .note("A limit above 8190 makes room for a larger head too.")
    .honoured(|draft, value| {
        let limits = &mut draft.settings.limits;
        limits.field_size = match value.number() {
            0 => size(LARGEST_LINE),
            number => size(number),
        };
        limits.head = limits.head.max(limits.field_size.saturating_mul(2));
        Ok(())
    }),
    mechanics(
        "preload_app",
        &["--preload"],
        Kind::Bool,
        Default::Bool(false),
        "Import the application in the master, before the workers are forked.",
    )
    .honoured(|draft, value| {
        draft.settings.preload = value.is_on();
        Ok(())
    }),
    mechanics(
        "sendfile",
        &["--no-sendfile"],
        Kind::Bool,
        Default::None,
        "Do not use sendfile() for wsgi.file_wrapper.",
    )
    .argument(super::Argument::Flag(false))
    .note("The variable SENDFILE (y, yes, true or 1) decides when the setting is left alone.")
    .honoured(|draft, value| {
        if let RawValue::Bool(on) = value {
            draft.settings.sendfile = *on;
        }
        Ok(())
    }),
    mechanics(
        "reuse_port",
        &["--reuse-port"],
        Kind::Bool,
        Default::Bool(false),
        "Each worker has a listening socket of its own.",
    )
    .note(
        "Connections that arrive in the moment in which a worker leaves may be lost: its queue ends with it.",
    )
    .honoured(|draft, value| {
        draft.settings.reuse_port = value.is_on();
        Ok(())
    }),
    mechanics(
        "chdir",
        &["--chdir"],
        Kind::Directory,
        Default::Computed(start_directory),
        "Directory to enter before the application is loaded.",
    )
    .honoured(|draft, value| {
        draft.settings.chdir = value.text().map(PathBuf::from);
        Ok(())
    }),
    mechanics(
        "daemon",
        &["-D", "--daemon"],
        Kind::Bool,
        Default::Bool(false),
        "Go on in the background.",
    )
    .honoured(|draft, value| {
        draft.settings.daemonize = value.is_on().then_some(Daemonize { output: None, keep_output: false });
        Ok(())
    }),
    mechanics(
        "raw_env",
        &["-e", "--env"],
        Kind::TextList,
        Default::List(&[]),
        "NAME=VALUE to put in the environment; may be repeated.",
    )
    .metavar("ENV")
    .honoured(add_environment),
    mechanics(
        "pidfile",
        &["-p", "--pid"],
        Kind::Text,
        Default::None,
        "File for the master's process id.",
    )
    .metavar("FILE")
    .honoured(|draft, value| {
        draft.settings.pidfile = value.text().map(PathBuf::from);
        Ok(())
    }),
    mechanics(
        "worker_tmp_dir",
        &["--worker-tmp-dir"],
        Kind::Text,
        Default::None,
        "Directory of the heartbeat files.",
    )
    .metavar("DIR")
    .no_effect("there are no heartbeat files: workers are watched through shared memory"),
    mechanics(
        "user",
        &["-u", "--user"],
        Kind::Owner,
        Default::Computed(|_| own(std::fs::Metadata::uid)),
        "User that workers run as.",
    )
    .metavar("USER")
    .honoured(|draft, value| {
        draft.settings.user = value.text();
        draft.settings.unix_sockets.user = value.text();
        Ok(())
    }),
    mechanics(
        "group",
        &["-g", "--group"],
        Kind::Owner,
        Default::Computed(|_| own(std::fs::Metadata::gid)),
        "Group that workers run as.",
    )
    .metavar("GROUP")
    .honoured(|draft, value| {
        draft.settings.group = value.text();
        draft.settings.unix_sockets.group = value.text();
        Ok(())
    }),
    mechanics(
        "umask",
        &["-m", "--umask"],
        Kind::Mode,
        Default::Int(0),
        "Mask for the rights of unix sockets.",
    )
    .honoured(|draft, value| {
        draft.settings.unix_sockets.umask = Some(count(value.number()) & 0o777);
        Ok(())
    }),
    mechanics(
        "initgroups",
        &["--initgroups"],
        Kind::Bool,
        Default::Bool(false),
        "Workers also get the user's other groups.",
    )
    .honoured(|draft, value| {
        draft.settings.supplementary_groups = value.is_on();
        Ok(())
    }),
    mechanics(
        "tmp_upload_dir",
        &[],
        Kind::Text,
        Default::None,
        "Directory for request data.",
    )
    .no_effect("gunicorn does not read it either"),
    mechanics(
        "secure_scheme_headers",
        &[],
        Kind::Map,
        Default::Map(&[
            ("X-FORWARDED-PROTOCOL", "ssl"),
            ("X-FORWARDED-PROTO", "https"),
            ("X-FORWARDED-SSL", "on"),
        ]),
        "Headers that mean https when a trusted peer sends them.",
    )
    .honoured(|draft, value| {
        if let RawValue::Map(items) = value {
            let pairs = items.iter().map(|(name, value)| {
                (name.to_ascii_uppercase(), value.text().unwrap_or_default())
            });
            draft.settings.header_rules.secure_scheme = pairs.collect();
        }
        Ok(())
    }),
    mechanics(
        "forwarded_allow_ips",
        &["--forwarded-allow-ips"],
        Kind::Addresses,
        Default::List(&["127.0.0.1", "::1"]),
        "Peers trusted for forwarded headers, with commas between them; * is everybody.",
    )
    .note("The variable FORWARDED_ALLOW_IPS changes the default.")
    .honoured(|draft, value| {
        draft.settings.forwarded_allow_ips = value.texts();
        Ok(())
    }),
    mechanics(
        "pythonpath",
        &["--pythonpath"],
        Kind::Text,
        Default::None,
        "Directories for sys.path, with commas between them.",
    )
    .honoured(|draft, value| {
        let start = &draft.environment.directory;
        draft.settings.pythonpath = value
            .text()
            .unwrap_or_default()
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(|part| start.join(part))
            .collect();
        Ok(())
    }),
    mechanics(
        "paste",
        &["--paste", "--paster"],
        Kind::Text,
        Default::None,
        "Load a PasteDeploy application.",
    )
    .note("Needs the package PasteDeploy. A section loggers in the file is the logconfig, where none is set.")
    // It is looked at before all others: it may be the logconfig.
    .honoured(|_, _| Ok(())),
    mechanics(
        "proxy_protocol",
        &["--proxy-protocol"],
        Kind::ProxyProtocol,
        Default::Text("off"),
        "PROXY protocol: off, v1, v2 or auto.",
    )
    .argument(super::Argument::Optional("auto"))
    .metavar("MODE")
    .honoured(|draft, value| {
        let expected = &mut draft.settings.proxy_protocol;
        let mode = value.text().unwrap_or_default();
        expected.v1 = matches!(mode.as_str(), "v1" | "auto");
        expected.v2 = matches!(mode.as_str(), "v2" | "auto");
        Ok(())
    }),
    mechanics(
        "proxy_allow_ips",
        &["--proxy-allow-from"],
        Kind::Addresses,
        Default::List(&["127.0.0.1", "::1"]),
        "Peers that may send PROXY headers.",
    )
    .honoured(|draft, value| {
        draft.settings.proxy_protocol.allow_from = value.texts();
        Ok(())
    }),
    mechanics(
        "protocol",
        &["--protocol"],
        Kind::Choice(&["http", "uwsgi", "fastcgi", "scgi"]),
        Default::Text("http"),
        "http, or uwsgi for nginx's uwsgi_pass.",
    )
    .note("fastcgi and scgi are Penstock's own.")
    .honoured(|draft, value| {
        draft.wire = match value.text().as_deref() {
            Some("uwsgi") => Wire::Uwsgi,
            Some("fastcgi") => Wire::Fastcgi,
            Some("scgi") => Wire::Scgi,
            _ => Wire::Http1,
        };
        Ok(())
    }),
    mechanics(
        "uwsgi_allow_ips",
        &["--uwsgi-allow-from"],
        Kind::Addresses,
        Default::List(&["127.0.0.1", "::1"]),
        "Peers that may speak uwsgi.",
    )
    .honoured(|draft, value| {
        draft.settings.gateways.allow_from = value.texts();
        Ok(())
    }),
    mechanics(
        "raw_paste_global_conf",
        &["--paste-global"],
        Kind::TextList,
        Default::List(&[]),
        "NAME=VALUE pairs for PasteDeploy; may be repeated.",
    )
    .metavar("CONF")
    .honoured(|draft, value| {
        draft.paste_globals = value.clone();
        Ok(())
    }),
    mechanics(
        "permit_obsolete_folding",
        &["--permit-obsolete-folding"],
        Kind::Bool,
        Default::Bool(false),
        "Accept folded header lines.",
    )
    .no_effect("a folded line is always refused: a proxy may have seen another header (RFC 9112 5.2)"),
    mechanics(
        "strip_header_spaces",
        &["--strip-header-spaces"],
        Kind::Bool,
        Default::Bool(false),
        "Accept space before the colon of a header.",
    )
    .no_effect("space before a colon is always refused: a proxy may have seen another header (RFC 9112 5.1)"),
    mechanics(
        "permit_unconventional_http_method",
        &["--permit-unconventional-http-method"],
        Kind::Bool,
        Default::Bool(false),
        "Accept unusual methods.",
    )
    .honoured(|draft, value| {
        draft.settings.header_rules.conventional_methods = !value.is_on();
        Ok(())
    }),
    mechanics(
        "permit_unconventional_http_version",
        &["--permit-unconventional-http-version"],
        Kind::Bool,
        Default::Bool(false),
        "Accept versions other than 1.x.",
    )
    .no_effect("1.2 to 1.9 are served as 1.1 anyway (RFC 9110 2.5); the rest of a request of another major version cannot be understood"),
    mechanics(
        "casefold_http_method",
        &["--casefold-http-method"],
        Kind::Bool,
        Default::Bool(false),
        "Turn the method to upper case.",
    )
    .honoured(|draft, value| {
        draft.settings.header_rules.uppercase_methods = value.is_on();
        Ok(())
    }),
    mechanics(
        "forwarder_headers",
        &["--forwarder-headers"],
        Kind::CommaList,
        Default::List(&["SCRIPT_NAME", "PATH_INFO"]),
        "Header names with _ that a trusted peer may send.",
    )
    .note(
        "Names are in capitals, and * is each of them, as in gunicorn. From a trusted peer SCRIPT_NAME is the prefix of the application, as in gunicorn. FORWARDED, X-FORWARDED-FOR and \
         X-FORWARDED-HOST in the list are Penstock's own: such a header then decides about the client, the scheme and the \
         host that the application sees.",
    )
    .honoured(|draft, value| {
        let names: Vec<String> = value.texts();
        let lists = |wanted: &str| names.iter().any(|name| name == wanted);
        let believed = &mut draft.settings.believed;
        believed.client |= lists("X-FORWARDED-FOR");
        believed.host |= lists("X-FORWARDED-HOST");
        believed.forwarded |= lists("FORWARDED");
        draft.settings.header_rules.forwarder = names;
        Ok(())
    }),
    mechanics(
        "header_map",
        &["--header-map"],
        Kind::Choice(&["drop", "refuse", "dangerous"]),
        Default::Text("drop"),
        "What to do with header names holding _.",
    )
    .honoured(|draft, value| {
        draft.settings.header_rules.underscores = match value.text().as_deref() {
            Some("refuse") => Underscores::Refuse,
            Some("dangerous") => Underscores::Keep,
            _ => Underscores::Drop,
        };
        Ok(())
    }),
    mechanics(
        "root_path",
        &["--root-path"],
        Kind::Text,
        Default::Text(""),
        "root_path of the ASGI scope.",
    )
    .honoured(|draft, value| {
        draft.settings.asgi.root_path = value.text().unwrap_or_default().trim_end_matches('/').to_owned();
        Ok(())
    }),
];
