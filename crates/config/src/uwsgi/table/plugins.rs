//! What uWSGI's options about plugins mean here: some have their abilities built in, others are not there.

use super::{Draft, Entry, always, does};

/// Plugins of uWSGI, beside `python...`, whose abilities are built in here or need nothing.
const BUILT_IN: &[&str] = &[
    "0",
    "cache",
    "carbon",
    "cgi",
    "cheaper_busyness",
    "corerouter",
    "gevent",
    "http",
    "logfile",
    "logsocket",
    "ping",
    "router_basicauth",
    "router_expires",
    "router_http",
    "router_redirect",
    "router_rewrite",
    "router_static",
    "router_uwsgi",
    "rpc",
    "rsyslog",
    "signal",
    "spooler",
    "stats_pusher_file",
    "stats_pusher_socket",
    "stats_pusher_statsd",
    "syslog",
    "transformation_chunked",
    "transformation_offload",
];

/// Whether what a plugin adds to uWSGI is built in here or needs nothing.
pub(in crate::uwsgi) fn is_builtin_plugin(name: &str) -> bool {
    let name = name.trim();
    name.starts_with("python") || BUILT_IN.contains(&name)
}

/// Plugins that run other languages, and the Python implementations that are not CPython.
const OTHER_LANGUAGES: &[&str] = &[
    "psgi",
    "perl",
    "coroae",
    "php",
    "rack",
    "ruby",
    "rbthreads",
    "fiber",
    "lua",
    "luajit",
    "jvm",
    "jwsgi",
    "ring",
    "mono",
    "v8",
    "gccgo",
    "go",
    "pypy",
    "stackless",
    "xslt",
];

/// The names in a list of plugins that are not built in; the error names another language.
fn absent_plugins(value: &str) -> Result<Vec<&str>, String> {
    let names = || value.split(',').map(str::trim).filter(|name| !name.is_empty());
    let language = |name: &str| {
        let bare = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
        OTHER_LANGUAGES.contains(&name) || OTHER_LANGUAGES.contains(&bare)
    };
    match names().find(|name| language(name)) {
        Some(name) => Err(format!(
            "the plugin '{name}' is not there: only Python applications for CPython are served here; use that language's own \
             server and route to it in the proxy"
        )),
        None => Ok(names().filter(|name| !is_builtin_plugin(name)).collect()),
    }
}

fn plugins(draft: &mut Draft<'_>, value: &str) -> Result<(), String> {
    for name in absent_plugins(value)? {
        draft.notices.push(format!("the plugin '{name}' is not there"));
    }
    Ok(())
}

fn needed_plugins(_: &mut Draft<'_>, value: &str) -> Result<(), String> {
    match absent_plugins(value)?.first() {
        Some(name) => Err(format!(
            "unable to load plugin \"{name}\": it is not there; with plugins = {name} the server starts without it"
        )),
        None => Ok(()),
    }
}

/// The entries, in the order of the compatibility page.
pub(super) const ENTRIES: &[Entry] = &[
    does(
        &["plugins", "plugin"],
        "Accepted where what the plugin does is built in.",
        plugins,
    ),
    does(
        &["need-plugin", "need-plugins"],
        "As plugins, but without them the server does not start.",
        needed_plugins,
    ),
    always(
        &["plugins-dir", "plugin-dir", "autoload"],
        "There are no plugins to load.",
    ),
];
