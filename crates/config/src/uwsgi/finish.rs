//! What depends on several options: sockets and what they speak, the application, and what the tables settle at their end.

use std::path::PathBuf;

use super::reader::{Given, fault};
use super::table::Draft;
use super::{routes, table};
use crate::option::Origin;
use crate::{Application, Bind, ConfigError, RawValue, Wire, address};

/// What depends on several options.
pub(super) fn finish(draft: &mut Draft<'_>, given: &[Given]) -> Result<(), ConfigError> {
    let wire = match draft.protocol.as_str() {
        "uwsgi" => Wire::Uwsgi,
        "http" | "http11" => Wire::Http1,
        "fastcgi" => Wire::Fastcgi,
        "scgi" => Wire::Scgi,
        other => {
            let one = given.iter().rev().find(|given| given.name.ends_with("protocol"));
            let origin = one.map_or(Origin::Default, |one| one.origin.clone());
            let text = format!("the protocol {other} is not there: uwsgi, http, fastcgi and scgi are");
            return Err(fault(&origin, one.map_or("protocol", |one| &one.name), &text));
        }
    };
    let is_emperor =
        table::emperor::finish(draft).map_err(|reason| ConfigError::new(format!("emperor: {reason}")))?;
    if draft.listeners.is_empty() && !is_emperor {
        return Err(ConfigError::new(
            "nothing to listen on: give socket, http-socket or http, for example --http-socket 127.0.0.1:8000",
        ));
    }
    table::web::finish(draft).map_err(|reason| ConfigError::new(format!("Error: {reason}")))?;
    draft.settings.binds = draft
        .listeners
        .drain(..)
        .map(|listener| Bind {
            address: listener.address,
            wire: listener.wire.unwrap_or(wire),
            allow_from: listener.allow_from,
            status_line: listener.status_line,
        })
        .collect();
    draft.settings.application = application(draft);
    table::limits::finish(draft).map_err(ConfigError::new)?;
    table::loading::finish(draft);
    table::hooks::finish(draft);
    table::commons::finish(draft).map_err(|reason| ConfigError::new(format!("Error: {reason}")))?;
    table::statistics::finish(draft);
    table::alarms::finish(draft).map_err(ConfigError::new)?;
    table::scaling::finish(draft).map_err(|reason| ConfigError::new(format!("cheaper: {reason}")))?;
    if let Err(reason) = routes::check(&draft.settings.routes, &draft.settings.commons) {
        return Err(ConfigError::new(format!("route: {reason}")));
    }
    if let (1, Some(threads)) = (draft.settings.threads, draft.greenlets) {
        draft.settings.threads = threads;
    }
    if draft.settings.greenlets {
        draft.settings.threads = 1;
    }
    table::logs::finish(draft);
    Ok(())
}

/// The module comes before the file, as in uWSGI, and PasteDeploy before both.
fn application(draft: &Draft<'_>) -> Option<Application> {
    if let Some(spec) = &draft.paste {
        return Some(crate::gunicorn::pasted(spec, RawValue::List(Vec::new())));
    }
    let callable = draft.callable.as_deref();
    if let Some(module) = &draft.module {
        let mut application = address::application(module, callable.unwrap_or("application"));
        if let Application::Module { callable_given, .. } = &mut application {
            *callable_given |= callable.is_some();
        }
        return Some(application);
    }
    draft.file.as_ref().map(|path| Application::File {
        path: PathBuf::from(path),
        callable: callable.unwrap_or("application").to_owned(),
    })
}
