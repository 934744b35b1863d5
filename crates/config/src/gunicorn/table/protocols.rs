//! gunicorn's settings for TLS, HTTP/2, ASGI, dirty workers and the control socket.

use super::{Default, Entry, under};
use crate::defaults::{count, size, unless_zero};
use crate::gunicorn::kind::Kind;
use crate::{Environment, Lifespan, RawValue};

const NO_TLS: &str = "TLS is not there yet, and plain HTTP is not what was asked for: leave the certificate and key \
                      away and let a proxy in front of the server speak TLS";
const NO_TLS_OPTION: &str =
    "it says how TLS is spoken, and TLS is not there yet: certfile and keyfile are refused";
const NO_HTTP2: &str =
    "HTTP/1.1 is spoken, which every client of HTTP/2 knows too: a proxy in front may offer h2";
const NO_DIRTY: &str =
    "there are no dirty workers: the nearest is a task queue, or a process of its own for such work";
const NO_SSL_MODULE: &str = "it is a flag of Python's ssl module, which is not used";

fn control_socket(environment: &Environment) -> RawValue {
    let variable = |name| environment.variables.get(name);
    let path = match (variable("XDG_RUNTIME_DIR"), variable("HOME")) {
        (Some(runtime), _) => format!("{runtime}/gunicorn.ctl"),
        (None, Some(home)) => format!("{home}/.gunicorn/gunicorn.ctl"),
        (None, None) => "gunicorn.ctl".to_owned(),
    };
    RawValue::Text(path)
}

/// TLS, HTTP/2, ASGI, dirty workers, the control socket.
pub(super) const ENTRIES: &[Entry] = &[
    under(
        "SSL",
        "keyfile",
        &["--keyfile"],
        Kind::Text,
        Default::None,
        "TLS private key.",
    )
    .metavar("FILE")
    .refused(NO_TLS),
    under(
        "SSL",
        "certfile",
        &["--certfile"],
        Kind::Text,
        Default::None,
        "TLS certificate chain.",
    )
    .metavar("FILE")
    .refused(NO_TLS),
    under(
        "SSL",
        "ssl_version",
        &["--ssl-version"],
        Kind::SslVersion,
        Default::Int(2),
        "Ignored since gunicorn 21.",
    )
    .no_effect("gunicorn ignores it too"),
    under(
        "SSL",
        "cert_reqs",
        &["--cert-reqs"],
        Kind::Number,
        Default::Int(0),
        "Client certificates: 0 no, 1 optional, 2 required.",
    )
    .no_effect(NO_TLS_OPTION),
    under(
        "SSL",
        "ca_certs",
        &["--ca-certs"],
        Kind::Text,
        Default::None,
        "CA file for client certificates.",
    )
    .metavar("FILE")
    .no_effect(NO_TLS_OPTION),
    under(
        "SSL",
        "suppress_ragged_eofs",
        &["--suppress-ragged-eofs"],
        Kind::Bool,
        Default::Bool(true),
        "A flag of Python's ssl module.",
    )
    .no_effect(NO_SSL_MODULE),
    under(
        "SSL",
        "do_handshake_on_connect",
        &["--do-handshake-on-connect"],
        Kind::Bool,
        Default::Bool(false),
        "A flag of Python's ssl module.",
    )
    .no_effect(NO_SSL_MODULE),
    under(
        "SSL",
        "ciphers",
        &["--ciphers"],
        Kind::Text,
        Default::None,
        "OpenSSL cipher string.",
    )
    .no_effect(NO_TLS_OPTION),
    under(
        "HTTP/2",
        "http_protocols",
        &["--http-protocols"],
        Kind::CommaList,
        Default::List(&["h1"]),
        "Protocols offered, in order: h1, h2.",
    )
    .no_effect(NO_HTTP2),
    under(
        "HTTP/2",
        "http2_cleartext",
        &["--http2-cleartext"],
        Kind::Choice(&["off", "prior-knowledge", "upgrade", "both"]),
        Default::Text("off"),
        "HTTP/2 without TLS: off, prior-knowledge, upgrade or both.",
    )
    .no_effect(NO_HTTP2),
    under(
        "HTTP/2",
        "http2_max_concurrent_streams",
        &["--http2-max-concurrent-streams"],
        Kind::Number,
        Default::Int(100),
        "Streams at once on a connection.",
    )
    .no_effect(NO_HTTP2),
    under(
        "HTTP/2",
        "http2_initial_window_size",
        &["--http2-initial-window-size"],
        Kind::Number,
        Default::Int(65535),
        "Initial flow-control window.",
    )
    .no_effect(NO_HTTP2),
    under(
        "HTTP/2",
        "http2_max_frame_size",
        &["--http2-max-frame-size"],
        Kind::Number,
        Default::Int(16384),
        "Largest frame accepted.",
    )
    .no_effect(NO_HTTP2),
    under(
        "HTTP/2",
        "http2_max_header_list_size",
        &["--http2-max-header-list-size"],
        Kind::Number,
        Default::Int(65536),
        "Largest header list; 0 is unlimited.",
    )
    .no_effect(NO_HTTP2),
    under(
        "Worker Processes",
        "asgi_loop",
        &["--asgi-loop"],
        Kind::Choice(&["auto", "asyncio", "uvloop"]),
        Default::Text("auto"),
        "Event loop: auto, asyncio or uvloop.",
    )
    .honoured(|draft, value| {
        draft.settings.asgi.event_loop = value.text().unwrap_or_default();
        Ok(())
    }),
    under(
        "Worker Processes",
        "asgi_lifespan",
        &["--asgi-lifespan"],
        Kind::Choice(&["auto", "on", "off"]),
        Default::Text("auto"),
        "Lifespan: auto, on or off.",
    )
    .honoured(|draft, value| {
        draft.settings.asgi.lifespan = match value.text().as_deref() {
            Some("on") => Lifespan::On,
            Some("off") => Lifespan::Off,
            _ => Lifespan::Auto,
        };
        Ok(())
    }),
    under(
        "Worker Processes",
        "asgi_disconnect_grace_period",
        &["--asgi-disconnect-grace-period"],
        Kind::Number,
        Default::Int(3),
        "Seconds a task gets after http.disconnect.",
    )
    .no_effect("an application that is told http.disconnect is never cancelled for it"),
    under(
        "Worker Processes",
        "websocket_max_message_size",
        &["--websocket-max-message-size"],
        Kind::Number,
        Default::Int(16_777_216),
        "Largest WebSocket message in bytes; 0 is unlimited.",
    )
    .honoured(|draft, value| {
        let limit = unless_zero(value.number()).map_or(usize::MAX, size);
        draft.settings.asgi.websocket.message_size = limit;
        Ok(())
    }),
    under(
        "Worker Processes",
        "http_parser",
        &["--http-parser"],
        Kind::Choice(&["auto", "fast", "python"]),
        Default::Text("auto"),
        "Which HTTP parser: auto, fast or python.",
    )
    .no_effect("there is one parser"),
    under(
        "Dirty Arbiters",
        "dirty_apps",
        &["--dirty-app"],
        Kind::TextList,
        Default::List(&[]),
        "Classes served by the dirty workers.",
    )
    .refused(NO_DIRTY),
    under(
        "Dirty Arbiters",
        "dirty_workers",
        &["--dirty-workers"],
        Kind::Number,
        Default::Int(0),
        "Number of dirty workers.",
    )
    .no_effect(NO_DIRTY),
    under(
        "Dirty Arbiters",
        "dirty_timeout",
        &["--dirty-timeout"],
        Kind::Number,
        Default::Int(300),
        "Seconds for a dirty call.",
    )
    .no_effect(NO_DIRTY),
    under(
        "Dirty Arbiters",
        "dirty_threads",
        &["--dirty-threads"],
        Kind::Number,
        Default::Int(1),
        "Threads of a dirty worker.",
    )
    .no_effect(NO_DIRTY),
    under(
        "Dirty Arbiters",
        "dirty_graceful_timeout",
        &["--dirty-graceful-timeout"],
        Kind::Number,
        Default::Int(30),
        "Seconds for dirty workers to stop.",
    )
    .no_effect(NO_DIRTY),
    under(
        "Control",
        "control_socket",
        &["--control-socket"],
        Kind::Text,
        Default::Computed(control_socket),
        "Unix socket of gunicornc.",
    )
    .metavar("PATH")
    .note(
        "Opened only where it is set, unlike gunicorn's. gunicornc and its commands work; there are no dirty workers and no \
         heartbeats to show.",
    )
    .honoured(|draft, value| {
        draft.settings.control.socket = value.text().filter(|path| !path.is_empty()).map(Into::into);
        Ok(())
    }),
    under(
        "Control",
        "control_socket_mode",
        &["--control-socket-mode"],
        Kind::Mode,
        Default::Int(0o600),
        "Mode of that socket.",
    )
    .honoured(|draft, value| {
        draft.settings.control.mode = count(value.number()) & 0o777;
        Ok(())
    }),
    under(
        "Control",
        "control_socket_disable",
        &["--no-control-socket"],
        Kind::Bool,
        Default::Bool(false),
        "No control socket.",
    )
    .honoured(|draft, value| {
        if value.is_on() {
            draft.settings.control.socket = None;
        }
        Ok(())
    }),
];
