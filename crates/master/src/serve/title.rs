//! The titles of processes, as `ps` shows them.

use config::{Dialect, Settings};

/// uWSGI's title of the master or of a worker, with what its users put around it or in its place.
fn uwsgi_title(settings: &Settings, worker: Option<u32>) -> String {
    let affixes = &settings.process_affixes;
    let own = affixes.master.as_ref().filter(|_| worker.is_none());
    let name = match (own.or(settings.process_name.as_ref()), worker) {
        (Some(name), _) => name.clone(),
        (None, Some(number)) => format!("uWSGI worker {number}"),
        (None, None) => "uWSGI master".to_owned(),
    };
    format!("{}{name}{}", affixes.prefix, affixes.suffix)
}

/// The title of the master, or of the worker with this number, as the dialect writes it.
pub(super) fn set_title(settings: &Settings, worker: Option<u32>, suffix: &str) {
    if !settings.process_titles {
        return;
    }
    let role = if worker.is_some() { "worker" } else { "master" };
    let server = match settings.dialect {
        Dialect::Gunicorn => "gunicorn",
        Dialect::Native => "penstock",
        Dialect::Uvicorn => "uvicorn",
        Dialect::Uwsgi => return sys::set_process_title(&uwsgi_title(settings, worker)),
    };
    let name = settings
        .process_name
        .as_deref()
        .map(|name| format!(" [{name}{suffix}]"))
        .unwrap_or_default();
    sys::set_process_title(&format!("{server}: {role}{name}"));
}
