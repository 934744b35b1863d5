//! The texts that name a listening socket: HOST, HOST:PORT, [IPv6]:PORT, unix:PATH, fd://N.
//!
//! Names are not resolved here; what cannot be resolved or bound is reported when the socket is opened.

use std::net::IpAddr;
use std::path::PathBuf;

use crate::{Address, Application, Bind, Wire};

/// Reads an address in the manner of gunicorn (and of the native command line).
///
/// A missing port means 8000, an empty host every IPv4 address; host names are lower-cased. The error says what is
/// wrong with the text, in gunicorn's words where it has some.
pub(crate) fn url_like(text: &str) -> Result<Address, String> {
    let text = text.trim();
    let lower = text.to_ascii_lowercase();
    if lower.starts_with("unix:") {
        let path = &text["unix:".len()..];
        let path = path.strip_prefix("//").unwrap_or(path);
        if path.is_empty() {
            return Err(format!("'{text}' names no path: write unix:PATH"));
        }
        return Ok(Address::Unix(PathBuf::from(path)));
    }
    if lower.starts_with("fd://") {
        let number = &text["fd://".len()..];
        return descriptor(number)
            .ok_or_else(|| format!("'{number}' is not a valid file descriptor: write fd://N"));
    }
    let rest = if lower.starts_with("tcp://") {
        &text["tcp://".len()..]
    } else {
        text
    };
    host_and_port(rest, Some(8000))
}

/// Reads an address that may name what is spoken: `uwsgi://HOST:PORT`, `uwsgi://unix:PATH`, `uwsgi:unix:PATH`, and the
/// same with http, fastcgi and scgi; without one, `wire`. `?allow=PEER,PEER` behind a TCP address says who may connect.
pub(crate) fn bind(text: &str, wire: Wire) -> Result<Bind, String> {
    let (text, allow_from) = allowed(text.trim())?;
    let named = [Wire::Http1, Wire::Uwsgi, Wire::Fastcgi, Wire::Scgi]
        .into_iter()
        .find_map(|wire| {
            let rest = text.strip_prefix(wire.name())?.strip_prefix(':')?;
            let address = rest.strip_prefix("//");
            // "uwsgi:9000" is a host of that name.
            address
                .or_else(|| rest.starts_with("unix:").then_some(rest))
                .map(|rest| (wire, rest))
        });
    let (wire, rest) = named.unwrap_or((wire, text));
    let address = url_like(rest.strip_suffix('/').unwrap_or(rest))?;
    if allow_from.is_some() && matches!(address, Address::Unix(_)) {
        return Err(format!(
            "'{text}' is a unix socket, whose rights say who may connect: give them with --socket-mode or umask, not allow="
        ));
    }
    Ok(Bind {
        allow_from,
        ..Bind::new(address, wire)
    })
}

/// Takes `?allow=PEER,PEER` off the end of an address.
pub(crate) fn allowed(text: &str) -> Result<(&str, Option<Vec<String>>), String> {
    let Some((address, list)) = text.split_once("?allow=") else {
        return Ok((text, None));
    };
    let peers: Vec<String> = list.split(',').map(|peer| peer.trim().to_owned()).collect();
    match peers.iter().find(|peer| !is_peer(peer)) {
        None => Ok((address, Some(peers))),
        Some(wrong) => Err(format!(
            "'{wrong}' (in '{text}') is no peer: write addresses, networks such as 10.0.0.0/8, or *"
        )),
    }
}

/// An address, a network, or anybody.
fn is_peer(text: &str) -> bool {
    let (address, bits) = text
        .split_once('/')
        .map_or((text, None), |(address, bits)| (address, Some(bits)));
    let most = match address.parse() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => return text == "*",
    };
    bits.is_none_or(|bits| bits.parse::<u8>().is_ok_and(|bits| bits <= most))
}

/// Reads `HOST[:PORT]`. Without a default for the port it has to be there.
pub(crate) fn host_and_port(text: &str, default_port: Option<u16>) -> Result<Address, String> {
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let Some((host, rest)) = rest.split_once(']') else {
            return Err(format!(
                "'{text}' has no closing bracket: write [IPv6 ADDRESS]:PORT"
            ));
        };
        if host.parse::<std::net::Ipv6Addr>().is_err() {
            return Err(format!("'{host}' is not an IPv6 address"));
        }
        match rest.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if rest.is_empty() => (host, None),
            None => {
                return Err(format!(
                    "'{text}' goes on after its bracket: write [IPv6 ADDRESS]:PORT"
                ));
            }
        }
    } else {
        match text.rsplit_once(':') {
            Some((host, _)) if host.contains(':') => {
                return Err(format!(
                    "'{text}' looks like an IPv6 address: put it in brackets, [::1]:8000"
                ));
            }
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        }
    };
    if host
        .chars()
        .any(|c| c.is_whitespace() || c.is_control() || c == '/')
    {
        return Err(format!("'{host}' is not a host name or address"));
    }
    let port = match (port, default_port) {
        (Some(port), _) => port
            .parse()
            .map_err(|_| format!("'{port}' is not a valid port number (in '{text}')"))?,
        (None, Some(port)) => port,
        (None, None) => return Err(format!("'{text}' has no port: write HOST:PORT")),
    };
    Ok(Address::Tcp(host.to_ascii_lowercase(), port))
}

/// Reads the number of an inherited descriptor.
pub(crate) fn descriptor(text: &str) -> Option<Address> {
    text.parse::<i32>()
        .ok()
        .filter(|number| *number >= 0)
        .map(Address::Descriptor)
}

/// Reads `MODULE[:CALLABLE]`; the callable may be a call. Whether they exist is found out at import.
pub(crate) fn application(specification: &str, default_callable: &str) -> Application {
    let (module, callable) = match specification.split_once(':') {
        Some((module, callable)) if !callable.is_empty() => (module, Some(callable)),
        Some((module, _)) => (module, None),
        None => (specification, None),
    };
    Application::Module {
        module: module.trim().to_owned(),
        callable: callable.unwrap_or(default_callable).trim().to_owned(),
        callable_given: callable.is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_an_address_is_read() {
        let tcp = |host: &str, port| Ok(Address::Tcp(host.to_owned(), port));
        let unix = |path: &str| Ok(Address::Unix(PathBuf::from(path)));
        for (text, expected) in [
            ("127.0.0.1", tcp("127.0.0.1", 8000)),
            ("127.0.0.1:80", tcp("127.0.0.1", 80)),
            (":9000", tcp("", 9000)),
            ("[::1]:9000", tcp("::1", 9000)),
            ("[::]", tcp("::", 8000)),
            ("tcp://LocalHost:1", tcp("localhost", 1)),
            ("unix:/run/a.sock", unix("/run/a.sock")),
            ("unix:///run/a.sock", unix("/run/a.sock")),
            ("unix:@name", unix("@name")),
            ("fd://3", Ok(Address::Descriptor(3))),
        ] {
            assert_eq!(url_like(text), expected, "{text}");
        }
    }

    #[test]
    fn a_wrong_address_is_refused_with_its_remedy() {
        for (text, part) in [
            ("a:b", "'b' is not a valid port number"),
            ("a:70000", "'70000' is not a valid port number"),
            ("::1", "in brackets"),
            ("[::1", "closing bracket"),
            ("[x]:80", "not an IPv6 address"),
            ("unix:", "unix:PATH"),
            ("fd://x", "fd://N"),
            ("a b:80", "not a host name"),
        ] {
            let error = url_like(text).expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn a_tcp_address_may_say_who_may_connect() {
        let peers = |text: &str| bind(text, Wire::Http1).map(|bind| bind.allow_from);
        for (text, expected) in [
            ("uwsgi://127.0.0.1:1", None),
            (
                "uwsgi://127.0.0.1:1?allow=10.0.0.0/8, 127.0.0.1",
                Some(vec!["10.0.0.0/8", "127.0.0.1"]),
            ),
            (
                "[::1]:1?allow=2001:db8::/32,::1",
                Some(vec!["2001:db8::/32", "::1"]),
            ),
            ("fd://3?allow=*", Some(vec!["*"])),
        ] {
            let expected = expected.map(|peers| peers.into_iter().map(str::to_owned).collect());
            assert_eq!(peers(text), Ok(expected), "{text}");
        }
        for (text, part) in [
            ("127.0.0.1:1?allow=", "'' (in"),
            ("127.0.0.1:1?allow=localhost", "'localhost'"),
            ("127.0.0.1:1?allow=10.0.0.0/33", "'10.0.0.0/33'"),
            ("127.0.0.1:1?allow=10.0.0.1,", "is no peer"),
            ("unix:/run/x?allow=127.0.0.1", "is a unix socket"),
        ] {
            let error = peers(text).expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn an_application_is_a_module_and_perhaps_a_callable() {
        for (text, module, callable, given) in [
            ("demo", "demo", "application", false),
            ("demo:app", "demo", "app", true),
            (
                "demo:make(\"a:b\", debug=True)",
                "demo",
                "make(\"a:b\", debug=True)",
                true,
            ),
        ] {
            let expected = Application::Module {
                module: module.to_owned(),
                callable: callable.to_owned(),
                callable_given: given,
            };
            assert_eq!(application(text, "application"), expected, "{text}");
        }
    }
}
