//! gunicorn's settings for the application, the listening sockets, the workers and for debugging.

use std::time::Duration;

use super::{Default, Entry, under};
use crate::address::bind;
use crate::defaults::{count, unless_zero};
use crate::gunicorn::kind::Kind;
use crate::{Environment, RawValue, ReloadEngine, Wire};

const WORKERS: &str = "Worker Processes";

fn default_bind(environment: &Environment) -> RawValue {
    let address = match environment.variables.get("PORT") {
        Some(port) => format!("0.0.0.0:{port}"),
        None => "127.0.0.1:8000".to_owned(),
    };
    RawValue::List(vec![RawValue::Text(address)])
}

fn seconds(value: &RawValue) -> Duration {
    Duration::from_secs(value.number())
}

/// What `worker_connections` is where nobody sets it; only gevent asks for it.
const GEVENT_CONNECTIONS: u32 = 1000;

/// The classes that run an event loop; all are served by the same one here.
fn is_asgi_class(class: &str) -> bool {
    matches!(
        class,
        "asgi"
            | "egg:gunicorn#asgi"
            | "gunicorn.workers.gasgi.ASGIWorker"
            | "uvicorn.workers.UvicornWorker"
            | "uvicorn.workers.UvicornH11Worker"
            | "uvicorn_worker.UvicornWorker"
            | "uvicorn_worker.UvicornH11Worker"
    )
}

/// The classes whose requests are greenlets. gevent's own server, which the last three stand for, is not used: the environ
/// is the same as for the others.
fn is_gevent_class(class: &str) -> bool {
    matches!(
        class,
        "gevent"
            | "egg:gunicorn#gevent"
            | "gunicorn.workers.ggevent.GeventWorker"
            | "gevent_wsgi"
            | "gevent_pywsgi"
            | "gunicorn.workers.ggevent.GeventPyWSGIWorker"
    )
}

/// Accepts the classes there are: between sync and gthread the number of threads decides. Others cannot be had; why.
fn check_worker_class(class: &str) -> Result<(), String> {
    let python_class = |name: &str| format!("worker class '{class}': {name}");
    match class {
        "sync" | "gunicorn.workers.sync.SyncWorker" | "egg:gunicorn#sync" => Ok(()),
        "gthread" | "gunicorn.workers.gthread.ThreadWorker" | "egg:gunicorn#gthread" => Ok(()),
        _ if is_asgi_class(class) || is_gevent_class(class) => Ok(()),
        _ if class.contains("tornado") => Err(python_class(
            "Tornado applications need Tornado's own server; a WSGI application runs under sync and gthread",
        )),
        "eventlet" => Err(python_class(
            "class uri 'eventlet' invalid or not found: gunicorn has removed it too; the nearest is -k gthread with \
             --threads",
        )),
        _ => Err(python_class(
            "workers are not written in Python here, so a class of one's own cannot be one; the nearest is sync or \
             gthread, with the hooks of the configuration file",
        )),
    }
}

/// Application, sockets, workers, debugging, names.
pub(super) const ENTRIES: &[Entry] = &[
    under(
        "Config File",
        "config",
        &["-c", "--config"],
        Kind::Text,
        Default::Text("./gunicorn.conf.py"),
        "The configuration file: a path, file:PATH or python:MODULE.",
    )
    .metavar("CONFIG")
    .honoured(|_, _| Ok(())),
    under(
        "Config File",
        "wsgi_app",
        &[],
        Kind::Text,
        Default::None,
        "The application, when no argument names it: MODULE:CALLABLE.",
    )
    .honoured(|_, _| Ok(())),
    under(
        "Server Socket",
        "bind",
        &["-b", "--bind"],
        Kind::TextList,
        Default::Computed(default_bind),
        "Address to listen on: HOST, HOST:PORT, unix:PATH or fd://N; may be repeated.",
    )
    .metavar("ADDRESS")
    .note("The variable PORT changes the default to 0.0.0.0:$PORT.")
    .honoured(|draft, value| {
        draft.settings.binds = value
            .texts()
            .iter()
            .map(|text| bind(text, Wire::Http1))
            .collect::<Result<_, _>>()?;
        Ok(())
    }),
    under(
        "Server Socket",
        "backlog",
        &["--backlog"],
        Kind::Number,
        Default::Int(2048),
        "Length of the accept queue.",
    )
    .honoured(|draft, value| {
        draft.settings.backlog = count(value.number());
        Ok(())
    }),
    under(
        WORKERS,
        "workers",
        &["-w", "--workers"],
        Kind::Number,
        Default::Int(1),
        "Number of worker processes.",
    )
    .note("The variable WEB_CONCURRENCY changes the default. 0 is refused.")
    .honoured(|draft, value| match value.number() {
        0 => Err("without workers nobody answers: at least 1".to_owned()),
        number => {
            draft.settings.workers = count(number);
            Ok(())
        }
    }),
    under(
        WORKERS,
        "worker_class",
        &["-k", "--worker-class"],
        Kind::Class,
        Default::Text("sync"),
        "How a worker serves: sync, gthread, gevent or asgi.",
    )
    .note(
        "`sync`, `gthread`, `gevent`, `asgi` and uvicorn's worker classes, also by their dotted names. `gevent` is real \
         gevent, which has to be installed: the standard library is patched before the application is imported (behind it, \
         with `preload_app`, as in gunicorn), and each request is a greenlet; `gevent_wsgi` and `gevent_pywsgi` mean the \
         same. Other classes are refused with the nearest alternative. An ASGI application is recognised under any class \
         but `gevent`, which refuses it, and a WSGI application under `asgi` gets application threads.",
    )
    .honoured(|draft, value| {
        let class = match value {
            RawValue::Callable { name, .. } => name.clone(),
            other => other.text().unwrap_or_default(),
        };
        check_worker_class(&class)?;
        if is_gevent_class(&class) {
            draft.settings.greenlets = true;
            draft.settings.connections = Some(GEVENT_CONNECTIONS);
        }
        if is_asgi_class(&class) {
            draft.settings.asgi.expected = true;
            // uvicorn takes the client from its proxy, gunicorn only the scheme.
            if class.starts_with("uvicorn") {
                draft.settings.believed.client = true;
            }
        }
        Ok(())
    }),
    under(
        WORKERS,
        "threads",
        &["--threads"],
        Kind::Number,
        Default::Int(1),
        "Application threads in each worker.",
    )
    .honoured(|draft, value| {
        draft.settings.threads = count(value.number()).max(1);
        Ok(())
    }),
    under(
        WORKERS,
        "worker_connections",
        &["--worker-connections"],
        Kind::Number,
        Default::Int(1000),
        "Most connections a worker has at once.",
    )
    .note(
        "Only if it is set, or with `gevent`, where it bounds the greenlets: an idle connection costs a few hundred bytes \
         here.",
    )
    .honoured(|draft, value| {
        draft.settings.connections = Some(count(value.number()).max(1));
        Ok(())
    }),
    under(
        WORKERS,
        "max_requests",
        &["--max-requests"],
        Kind::Number,
        Default::Int(0),
        "Replace a worker after this many requests; 0 is never.",
    )
    .honoured(|draft, value| {
        draft.settings.max_requests = unless_zero(value.number());
        Ok(())
    }),
    under(
        WORKERS,
        "max_requests_jitter",
        &["--max-requests-jitter"],
        Kind::Number,
        Default::Int(0),
        "Add up to this many to max_requests, at random.",
    )
    .honoured(|draft, value| {
        draft.settings.max_requests_jitter = value.number();
        Ok(())
    }),
    under(
        WORKERS,
        "timeout",
        &["-t", "--timeout"],
        Kind::Number,
        Default::Int(30),
        "Seconds a request may take before its worker is killed; 0 is for ever.",
    )
    .note("A limit for each request, with threads too. Under an event loop or gevent: how long that may be stuck.")
    .honoured(|draft, value| {
        draft.settings.timeouts.request_deadline = unless_zero(value.number()).map(Duration::from_secs);
        Ok(())
    }),
    under(
        WORKERS,
        "graceful_timeout",
        &["--graceful-timeout"],
        Kind::Number,
        Default::Int(30),
        "Seconds that requests in progress get on a stop or reload.",
    )
    .honoured(|draft, value| {
        draft.settings.timeouts.graceful = seconds(value);
        Ok(())
    }),
    under(
        WORKERS,
        "keepalive",
        &["--keep-alive"],
        Kind::Number,
        Default::Int(2),
        "Seconds an idle connection stays open; 0 closes after each answer.",
    )
    .note("Works under sync too.")
    .honoured(|draft, value| {
        draft.settings.timeouts.keep_alive = seconds(value);
        Ok(())
    }),
    under(
        "Debugging",
        "reload",
        &["--reload"],
        Kind::Bool,
        Default::Bool(false),
        "Reload when an imported Python file changes (for development).",
    )
    .note("While a file has a syntax error, its traceback is in the log and the answer (500) to each request.")
    .honoured(|draft, value| {
        draft.settings.reload_on_change = value.is_on();
        Ok(())
    }),
    under(
        "Debugging",
        "reload_engine",
        &["--reload-engine"],
        Kind::Choice(&["auto", "poll", "inotify"]),
        Default::Text("auto"),
        "How changes are seen: auto, poll or inotify.",
    )
    .note("Files are looked at once a second under each of them; inotify needs no package here, and `auto` uses it.")
    .honoured(|draft, value| {
        draft.settings.reload_watch.engine = match value.text().as_deref() {
            Some("poll") => ReloadEngine::Poll,
            Some("inotify") => ReloadEngine::Inotify,
            _ => ReloadEngine::Auto,
        };
        Ok(())
    }),
    under(
        "Debugging",
        "reload_extra_files",
        &["--reload-extra-file"],
        Kind::TextList,
        Default::List(&[]),
        "More files that are watched; may be repeated.",
    )
    .metavar("FILES")
    .honoured(|draft, value| {
        for name in value.texts() {
            let is_pattern = name.contains(['*', '?', '[']);
            if !is_pattern && !draft.environment.directory.join(&name).exists() {
                return Err(format!("File {name} does not exists."));
            }
            draft.settings.reload_watch.files.push(name);
        }
        Ok(())
    }),
    under("Debugging", "spew", &["--spew"], Kind::Bool, Default::Bool(false), "Trace every executed line.")
        .no_effect("tracing every executed line is a debugger's work"),
    under(
        "Debugging",
        "check_config",
        &["--check-config"],
        Kind::Bool,
        Default::Bool(false),
        "Load the configuration and the application, then exit 0 or 1.",
    )
    .honoured(|_, _| Ok(())),
    under(
        "Debugging",
        "print_config",
        &["--print-config"],
        Kind::Bool,
        Default::Bool(false),
        "Print all settings, then do as --check-config.",
    )
    .honoured(|_, _| Ok(())),
    under("Process Naming", "proc_name", &["-n", "--name"], Kind::Text, Default::None, "Name in the process list.")
        .honoured(|draft, value| {
            draft.settings.process_name = value.text();
            Ok(())
        }),
    under(
        "Process Naming",
        "default_proc_name",
        &[],
        Kind::Text,
        Default::Text("gunicorn"),
        "The application as given; the name when there is no other.",
    )
    .honoured(|_, _| Ok(())),
];
