//! What uWSGI's options mean here that open sockets and bound what comes by them.

use std::path::{Path, PathBuf};

use super::rights::below;
use super::{Draft, Entry, Listener, always, does, natural, refused};
use crate::address::host_and_port;
use crate::defaults::{count, size, unless_zero};
use crate::uwsgi::known::is_on;
use crate::{Address, Wire};

pub(super) const NO_TLS: &str = "TLS is not there yet: use http-socket behind a proxy that speaks TLS";

fn listener(draft: &mut Draft<'_>, text: &str, wire: Option<Wire>) -> Result<(), String> {
    let (text, allow_from) = crate::address::allowed(text)?;
    let address = socket_address(draft, text, draft.roots.sockets.as_ref())?;
    if allow_from.is_some() && matches!(address, Address::Unix(_) | Address::Abstract(_)) {
        return Err("who may connect to a unix socket is said by chmod-socket, not by allow=".to_owned());
    }
    draft.listeners.push(Listener {
        address,
        wire,
        allow_from,
        status_line: false,
        is_router: false,
    });
    Ok(())
}

/// `root`: from where the absolute path of a unix socket is meant.
pub(super) fn socket_address(
    draft: &Draft<'_>,
    text: &str,
    root: Option<&PathBuf>,
) -> Result<Address, String> {
    Ok(if let Some(number) = text.strip_prefix("fd://") {
        crate::address::descriptor(number)
            .ok_or_else(|| format!("'{number}' is not a file descriptor: write fd://N"))?
    } else if let Some(name) = abstract_name(draft, text) {
        Address::Abstract(name)
    } else if let Some(number) = text.strip_prefix('=') {
        shared_socket(draft, number, root)?
    } else if !text.contains(':') || text.starts_with('/') {
        if text.is_empty() {
            return Err("give HOST:PORT, :PORT or the path of a unix socket".to_owned());
        }
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(format!("'{text}' is a port without its colon: write :{text}"));
        }
        Address::Unix(draft.environment.directory.join(below(root, Path::new(text))))
    } else {
        host_and_port(text, None)?
    })
}

/// The address of a shared socket. All sockets are bound before rights are given up and are every worker's, so another name for
/// an address is all that there is to it.
fn shared_socket(draft: &Draft<'_>, number: &str, root: Option<&PathBuf>) -> Result<Address, String> {
    let known = &draft.shared_sockets;
    let text = number.parse().ok().and_then(|number: usize| known.get(number));
    match text {
        Some(text) if !text.starts_with('=') => socket_address(draft, text, root),
        Some(text) => Err(format!(
            "the shared socket {number} is '{text}': give shared-socket = HOST:PORT or a path"
        )),
        None => Err(format!(
            "there is no shared socket {number}: each shared-socket = ADDRESS is one, counted from 0, and there are {}",
            known.len()
        )),
    }
}

/// An abstract name; under `abstract-socket` any path, as it is written.
fn abstract_name(draft: &Draft<'_>, text: &str) -> Option<Vec<u8>> {
    let is_path = !text.is_empty() && (!text.contains(':') || text.starts_with('/'));
    let forced = draft.abstract_sockets && is_path;
    Address::abstract_name(text).or_else(|| forced.then(|| text.as_bytes().to_owned()))
}

/// A socket whose answers begin with a status line.
fn nph_listener(draft: &mut Draft<'_>, text: &str, wire: Wire) -> Result<(), String> {
    listener(draft, text, Some(wire))?;
    if let Some(listener) = draft.listeners.last_mut() {
        listener.status_line = true;
    }
    Ok(())
}

fn chmod(draft: &mut Draft<'_>, value: &str) -> Result<(), String> {
    let digits = match value {
        "" | "1" | "true" => "666",
        digits => digits,
    };
    let mode = u32::from_str_radix(digits, 8).ok().filter(|_| digits.len() == 3);
    draft.settings.unix_sockets.mode =
        Some(mode.ok_or_else(|| format!("invalid chmod value: {value}: give exactly three octal digits"))?);
    Ok(())
}

/// The entries, in the order of the compatibility page.
pub(super) const ENTRIES: &[Entry] = &[
    does(
        &["http"],
        "Listen here and speak HTTP: HOST:PORT, :PORT (all IPv4 addresses), a path, @NAME (abstract), fd://N.",
        |d, v| {
            listener(d, v, Some(Wire::Http1))?;
            if let Some(listener) = d.listeners.last_mut() {
                listener.is_router = true;
            }
            Ok(())
        },
    ),
    does(
        &["http-socket"],
        "As http: there is no separate router process.",
        |d, v| listener(d, v, Some(Wire::Http1)),
    ),
    does(&["http11-socket"], "As http.", |d, v| {
        listener(d, v, Some(Wire::Http1))
    }),
    does(
        &["socket"],
        "Listen here and speak what protocol says.",
        |d, v| listener(d, v, None),
    ),
    does(&["uwsgi-socket"], "Listen here and speak uwsgi.", |d, v| {
        listener(d, v, Some(Wire::Uwsgi))
    }),
    does(&["fastcgi-socket"], "Listen here and speak FastCGI.", |d, v| {
        listener(d, v, Some(Wire::Fastcgi))
    }),
    does(&["scgi-socket"], "Listen here and speak SCGI.", |d, v| {
        listener(d, v, Some(Wire::Scgi))
    }),
    does(
        &["fastcgi-nph-socket"],
        "Listen here and speak FastCGI, with HTTP's status line in answers.",
        |d, v| nph_listener(d, v, Wire::Fastcgi),
    ),
    does(
        &["scgi-nph-socket"],
        "Listen here and speak SCGI, with HTTP's status line in answers.",
        |d, v| nph_listener(d, v, Wire::Scgi),
    ),
    always(
        &["abstract-socket"],
        "Unix sockets are names in Linux's abstract namespace instead of files; a single one is written @NAME.",
    ),
    always(
        &["shared-socket", "undeferred-shared-socket"],
        "An address that the other options name as =N, counted from 0; bound before rights are given up, as all are.",
    ),
    does(
        &["http-enable-proxy-protocol", "enable-proxy-protocol"],
        "Connections to HTTP sockets may begin with a PROXY header, version 1 or 2.",
        |d, v| {
            let on = is_on(v);
            (d.settings.proxy_protocol.v1, d.settings.proxy_protocol.v2) = (on, on);
            Ok(())
        },
    ),
    does(
        &["protocol", "socket-protocol"],
        "What socket speaks: uwsgi (the default), http, fastcgi or scgi.",
        |d, v| {
            v.clone_into(&mut d.protocol);
            Ok(())
        },
    ),
    refused(
        &["https", "https2", "https-socket", "http-to-https"],
        "Listen here and speak TLS.",
        NO_TLS,
    ),
    does(
        &["chmod-socket", "chmod"],
        "Mode of unix sockets: three octal digits; alone, 666.",
        chmod,
    ),
    does(
        &["chown-socket"],
        "Owner of unix sockets: USER or USER:GROUP.",
        |d, v| {
            let (user, group) = v
                .split_once(':')
                .map_or((v, None), |(user, group)| (user, Some(group)));
            d.settings.unix_sockets.user = Some(user.to_owned());
            d.settings.unix_sockets.group = group.map(str::to_owned);
            Ok(())
        },
    ),
    does(&["umask"], "File mode creation mask, octal.", |d, v| {
        let mask = u32::from_str_radix(v, 8).map_err(|_| format!("'{v}' is not an octal number"))?;
        d.settings.umask = Some(mask & 0o777);
        d.settings.unix_sockets.umask = Some(mask & 0o777);
        Ok(())
    }),
    does(
        &["listen"],
        "Length of the accept queue; the kernel's limit clamps it, with a warning.",
        |d, v| {
            d.settings.backlog = count(natural(v)?);
            Ok(())
        },
    ),
    does(
        &["buffer-size"],
        "Room for a gateway request's variables, 4096 bytes if not set; over HTTP it raises the limits of a head (8190 \
         bytes a line, 64 KiB in all) and never lowers them.",
        |d, v| {
            let bytes = size(natural(v)?.min(65_535));
            let limits = &mut d.settings.limits;
            limits.block = bytes;
            limits.request_line = limits.request_line.max(bytes);
            limits.field_size = limits.field_size.max(bytes);
            limits.head = limits.head.max(bytes.saturating_mul(2));
            Ok(())
        },
    ),
    does(
        &["limit-post"],
        "Largest request body in bytes; over it the answer is 413.",
        |d, v| {
            d.settings.limits.body = unless_zero(natural(v)?);
            Ok(())
        },
    ),
];
