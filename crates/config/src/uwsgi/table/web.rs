//! What uWSGI's options mean here that are about answers, how long clients may take, WebSockets, and its HTTP router.

use std::time::Duration;

use super::sockets::socket_address;
use super::{Draft, Entry, at_start, does, does_with_text, natural, seconds};
use crate::defaults::size;
use crate::uwsgi::known::leading_number;
use crate::{RouteAction, RouteProtocol, RouteServer};

/// How long the router waits if nothing is said.
const USUAL: Duration = Duration::from_secs(60);

/// What depends on several options.
#[derive(Debug, Default)]
pub(in crate::uwsgi) struct Web {
    /// `http-timeout`
    http_timeout: Option<Duration>,
    /// `socket-timeout`
    socket_timeout: Option<Duration>,
    /// `http-keepalive`; `None` in it is alone or 1: as long as the router waits.
    keep_alive: Option<Option<Duration>>,
    /// `http-to`
    servers: Vec<String>,
    /// `http-modifier1` and `http-modifier2`
    modifiers: (u8, u8),
    /// `http-var`
    variables: Vec<RouteAction>,
    /// `del-header`, `collect-header` and `pull-header`
    fields: Vec<RouteAction>,
}

/// Zero is the default, as in uWSGI's router.
fn patience(value: &str) -> Result<Option<Duration>, String> {
    Ok(Some(seconds(value)?).filter(|time| !time.is_zero()))
}

fn modifier(value: &str) -> Result<u8, String> {
    u8::try_from(leading_number(value)).map_err(|_| format!("the modifier '{value}' has to be from 0 to 255"))
}

/// `HEADER VARIABLE`
fn collect(draft: &mut Draft<'_>, value: &str, pull: bool) -> Result<(), String> {
    let (field, variable) = value
        .split_once(' ')
        .ok_or_else(|| format!("'{value}' has to be HEADER VARIABLE"))?;
    draft.web.fields.push(RouteAction::Collect {
        field: field.to_owned(),
        variable: variable.trim().to_owned(),
        pull,
    });
    Ok(())
}

fn error_page(draft: &mut Draft<'_>, status: u16, value: &str) -> Result<(), String> {
    let path = at_start(draft, value);
    draft.settings.error_pages.entry(status).or_default().push(path);
    Ok(())
}

/// What depends on several options, before the listeners are taken.
pub(in crate::uwsgi) fn finish(draft: &mut Draft<'_>) -> Result<(), String> {
    let web = std::mem::take(&mut draft.web);
    let timeouts = &mut draft.settings.timeouts;
    if let Some(patience) = web.http_timeout.or(web.socket_timeout) {
        (timeouts.body, timeouts.write) = (patience, patience);
    }
    if let Some(keep_alive) = web.keep_alive {
        timeouts.keep_alive = keep_alive.unwrap_or(web.http_timeout.unwrap_or(USUAL));
    }
    let mut first = web.variables;
    first.extend(server(draft, &web.servers, web.modifiers)?.map(RouteAction::Relay));
    draft.settings.routes.request.put_first(first);
    draft.settings.routes.response.put_first(web.fields);
    Ok(())
}

/// The other server that answers in the place of this one: `http-to` may also name a socket of its own.
fn server(draft: &Draft<'_>, servers: &[String], modifiers: (u8, u8)) -> Result<Option<RouteServer>, String> {
    let is_own = |address: &String| {
        let address = socket_address(draft, address, None);
        address.is_ok_and(|address| draft.listeners.iter().any(|listener| listener.address == address))
    };
    let others: Vec<_> = servers.iter().filter(|address| !is_own(address)).collect();
    let address = match others.as_slice() {
        [] if matches!(modifiers, (0 | 30, _)) => return Ok(None),
        [] => {
            return Err(format!(
                "http-modifier1: only Python (0) answers here, not {}: for scripts there is cgi = PREFIX=DIRECTORY",
                modifiers.0
            ));
        }
        [one] => one,
        _ => {
            return Err(
                "http-to: requests are passed on to one server: several belong into the front server (nginx upstream)"
                    .to_owned(),
            );
        }
    };
    if !draft.listeners.iter().all(|listener| listener.is_router) {
        return Err(format!(
            "http-to: {address} is none of this server's sockets, and what is asked on the others is not passed on: give \
             http a server of its own, or write route = PATTERN uwsgi:{address},0,0"
        ));
    }
    Ok(Some(RouteServer {
        address: (*address).clone(),
        speaks: RouteProtocol::Uwsgi {
            modifier1: modifiers.0,
            modifier2: modifiers.1,
            application: None,
        },
    }))
}

/// The entries, in the order of the compatibility page.
pub(super) const ENTRIES: &[Entry] = &[
    does(
        &["http-timeout"],
        "Seconds that a client may take without a body going on; 0 and not said are 60.",
        |d, v| {
            d.web.http_timeout = patience(v)?;
            Ok(())
        },
    ),
    does(
        &["socket-timeout"],
        "As http-timeout, where that is not given.",
        |d, v| {
            d.web.socket_timeout = patience(v)?;
            Ok(())
        },
    ),
    does(
        &["http-headers-timeout"],
        "Seconds that the head of a request may take; 30 if not said.",
        |d, v| {
            d.settings.timeouts.head = patience(v)?.unwrap_or(d.settings.timeouts.head);
            Ok(())
        },
    ),
    does(
        &["http-keepalive"],
        "Seconds an idle connection stays open; alone or 1, those of http-timeout; 0 closes.",
        |d, v| {
            d.web.keep_alive = Some(match v {
                "" | "true" | "1" => None,
                _ => Some(seconds(v)?),
            });
            Ok(())
        },
    ),
    does(
        &["http-manage-expect"],
        "100-continue is always answered; a number is the largest body in bytes, as limit-post.",
        |d, v| {
            let most = natural(v)?;
            let limit = &mut d.settings.limits.body;
            if most > 1 {
                *limit = Some(limit.unwrap_or(u64::MAX).min(most));
            }
            Ok(())
        },
    ),
    does(
        &["http-to"],
        "A socket of this server, whose workers answer anyway; or another server, which all requests are passed on to by \
         uwsgi.",
        |d, v| {
            d.web.servers.push(v.to_owned());
            Ok(())
        },
    ),
    does(
        &["http-modifier1"],
        "The kind of requests: 0, Python, unless http-to names another server.",
        |d, v| {
            d.web.modifiers.0 = modifier(v)?;
            Ok(())
        },
    ),
    does(&["http-modifier2"], "Their further kind.", |d, v| {
        d.web.modifiers.1 = modifier(v)?;
        Ok(())
    }),
    does_with_text(
        &["http-var"],
        "NAME=VALUE: a variable of every request; may be repeated.",
        |d, v| {
            let (name, value) = v
                .split_once('=')
                .ok_or_else(|| format!("'{v}' has to be NAME=VALUE"))?;
            let action = RouteAction::Set(name.trim().to_owned(), value.trim().to_owned());
            d.web.variables.push(action);
            Ok(())
        },
    ),
    does(
        &["del-header", "rem-header"],
        "Take the fields of this name out of every answer; may be repeated.",
        |d, v| {
            d.web.fields.push(RouteAction::RemoveHeader(v.to_owned()));
            Ok(())
        },
    ),
    does_with_text(
        &["collect-header", "response-header-collect"],
        "HEADER VARIABLE: give the variable the value of the answer's field, for %(var.VARIABLE) in log-format.",
        |d, v| collect(d, v, false),
    ),
    does_with_text(
        &["pull-header"],
        "As collect-header, and the field is not sent.",
        |d, v| collect(d, v, true),
    ),
    does(
        &["error-page-403"],
        "HTML file for the server's own page with this status; of several the first that can be read.",
        |d, v| error_page(d, 403, v),
    ),
    does(&["error-page-404"], "The same for 404.", |d, v| {
        error_page(d, 404, v)
    }),
    does(
        &["error-page-500"],
        "The same for 500, which also answers for an application that fails before its answer.",
        |d, v| error_page(d, 500, v),
    ),
    does(
        &["websockets-max-size", "websocket-max-size"],
        "Kilobytes of a WebSocket's message; default 16 MiB, uWSGI's 1 MiB. A larger one ends the WebSocket with code 1009.",
        |d, v| {
            d.settings.asgi.websocket.message_size = size(natural(v)?.saturating_mul(1024));
            Ok(())
        },
    ),
    does(
        &["websockets-ping-freq", "websocket-ping-freq"],
        "Seconds of a WebSocket's silence after which its client is pinged; default 20, uWSGI's 30; 0 is never.",
        |d, v| {
            d.settings.asgi.websocket.ping_interval = Some(seconds(v)?).filter(|time| !time.is_zero());
            Ok(())
        },
    ),
    does(
        &["websockets-pong-tolerance", "websocket-pong-tolerance"],
        "Seconds that a client may take to answer a ping; default 20, uWSGI's 3; 0 is any.",
        |d, v| {
            d.settings.asgi.websocket.ping_timeout = Some(seconds(v)?).filter(|time| !time.is_zero());
            Ok(())
        },
    ),
];
