//! The actions of internal routing: `NAME:ARGUMENT`.
//!
//! What needs nothing done here is accepted and leaves no rule. What is not there is refused, naming the nearest thing that
//! is.

use std::path::{Path, PathBuf};

use super::{check_text, commons};
use crate::option::suggestion;
use crate::uwsgi::known::leading_number;
use crate::{Operation, RouteAction, RouteFile, RouteProtocol, RouteServer};

/// The actions that there are, as messages and the compatibility page list them.
pub(in crate::uwsgi) const NAMES: &str = "continue, last, break, return, redirect, redirect-permanent, goto, donotlog, log, logvar, addheader, delheader, expires, \
     send, send-crnl, clearheaders, basicauth, basicauth-next, static, file, sendfile, rewrite, rewrite-last, addvar, setuser, \
     setapp, setscriptname, setpathinfo, fixpathinfo, setmethod, seturi, setremoteaddr, setscheme, setdocroot, chdir, \
     harakiri, http, proxyhttp, uwsgi, proxyuwsgi";

/// Actions that are not there, and what is in their place.
const ABSENT: [(&str, &str); 14] = [
    (
        "cachestore",
        "uwsgi.cache_set in the application: what a rule can store beforehand is cacheset:key=KEY,value=TEXT",
    ),
    ("cache-store", "uwsgi.cache_set in the application"),
    (
        "cache-continue",
        "cache:key=KEY, which answers, or cachevar:var=NAME,key=KEY",
    ),
    ("rpc", "a call in the application"),
    ("call", "a call in the application"),
    ("memcached", "a client of it in the application"),
    ("redis", "a client of it in the application"),
    ("cgi", "the option cgi = PREFIX=DIRECTORY"),
    (
        "gzip",
        "static-gzip-all for files, and the front server's compression for the rest",
    ),
    (
        "access",
        "route-if = ipv4in:${REMOTE_ADDR};NETWORK with return:403",
    ),
    ("hash", "an upstream of the front server"),
    ("alarm", "log:TEXT, and whatever watches the log"),
    ("setfile", "mount: what a request says never loads code"),
    (
        "disableheaders",
        "addheader and delheader: an answer always has a head",
    ),
];

/// Reads an action; `None`: there is nothing to be done for it.
pub(super) fn read_action(text: &str) -> Result<Option<RouteAction>, String> {
    let (name, argument) = text.split_once(':').unwrap_or((text, ""));
    check_text(argument)?;
    let some = |what: &str| match argument {
        "" => Err(format!("{name} needs {what}: write {name}:{what}")),
        argument => Ok(argument.to_owned()),
    };
    let variable = |variable: &str| RouteAction::Set(variable.to_owned(), argument.to_owned());
    let action = match name {
        "continue" | "last" => RouteAction::Continue,
        "break" => answer(argument, false)?,
        "return" | "break-with-status" => answer(argument, true)?,
        "redirect" | "redirect-302" => RouteAction::Redirect(302, some("ADDRESS")?),
        "redirect-permanent" | "redirect-301" => RouteAction::Redirect(301, some("ADDRESS")?),
        "goto" => RouteAction::GoTo(some("LABEL")?),
        "donotlog" => RouteAction::DoNotLog,
        "log" => RouteAction::Log(argument.to_owned()),
        "logvar" => {
            let (name, value) = named(name, argument)?;
            RouteAction::Note(name, value)
        }
        "addheader" => {
            let (name, value) = argument
                .split_once(':')
                .ok_or_else(|| format!("addheader:{argument} has to be addheader:NAME: VALUE"))?;
            RouteAction::AddHeader(name.trim().to_owned(), value.trim().to_owned())
        }
        "delheader" | "remheader" => RouteAction::RemoveHeader(some("NAME")?),
        "expires" => expires(argument)?,
        "send" => RouteAction::Send(argument.to_owned()),
        "send-crnl" => RouteAction::Send(format!("{argument}\r\n")),
        "clearheaders" | "resetheaders" => RouteAction::SendStatus(some("STATUS")?),
        "basicauth" | "basicauth-next" => basic_authentication(argument, name.ends_with("-next"))?,
        "static" => file(argument, false, true)?,
        "static-next" => file(argument, true, true)?,
        "file" | "sendfile" | "fastfile" => file(argument, false, false)?,
        "file-next" | "sendfile-next" | "fastfile-next" => file(argument, true, false)?,
        "rewrite" | "rewrite-last" => RouteAction::Rewrite {
            target: some("PATH")?,
            last: name == "rewrite-last",
        },
        "addvar" => {
            let (name, value) = named(name, argument)?;
            RouteAction::Set(name, value)
        }
        "setuser" => variable("REMOTE_USER"),
        "setapp" => variable("UWSGI_APPID"),
        "setscriptname" => variable("SCRIPT_NAME"),
        "setpathinfo" => variable("PATH_INFO"),
        "setmethod" => variable("REQUEST_METHOD"),
        "seturi" => variable("REQUEST_URI"),
        "setremoteaddr" => variable("REMOTE_ADDR"),
        "setscheme" => variable("UWSGI_SCHEME"),
        "setdocroot" => variable("DOCUMENT_ROOT"),
        "fixpathinfo" => RouteAction::FixPath,
        "chdir" => RouteAction::Directory(some("DIRECTORY")?),
        "+" => count(argument, Operation::Add)?,
        "-" => count(argument, Operation::Subtract)?,
        "*" => count(argument, Operation::Multiply)?,
        "/" => count(argument, Operation::Divide)?,
        "harakiri" => match u32::try_from(leading_number(argument)) {
            Ok(seconds) if seconds > 0 => RouteAction::Harakiri(seconds),
            _ => return Ok(None),
        },
        "setmodifier1" | "setmodifier2" => return own_modifier(name, argument).map(|()| None),
        "http" | "proxyhttp" | "httpdumb" => RouteAction::Relay(http_server(argument)?),
        "uwsgi" | "proxyuwsgi" => uwsgi_server(argument)?,
        // Answers are sent in chunks and at once wherever that is possible, and sending files keeps nobody waiting.
        "chunked" | "flush" | "fixcl" | "forcecl" | "offload" | "donotoffload" => return Ok(None),
        _ => {
            return commons::read(name, argument)?
                .map(Some)
                .ok_or_else(|| absent(name));
        }
    };
    Ok(Some(action))
}

/// There is no such action.
fn absent(name: &str) -> String {
    let instead = ABSENT.iter().find(|(beginning, _)| name.starts_with(beginning));
    match instead {
        Some((_, instead)) => format!("there is no action '{name}' here: in its place there is {instead}"),
        None => {
            let names = || NAMES.split(", ").chain(commons::NAMES.split(", "));
            let near = suggestion(name, names());
            format!(
                "there is no action '{name}' here{near}: take one of {NAMES}, {}",
                commons::NAMES
            )
        }
    }
}

/// `NAME=VALUE`
fn named(action: &str, argument: &str) -> Result<(String, String), String> {
    let pair = argument.split_once('=').filter(|(name, _)| !name.is_empty());
    let (name, value) = pair.ok_or_else(|| format!("{action}:{argument} has to be {action}:NAME=VALUE"))?;
    Ok((name.to_owned(), value.to_owned()))
}

/// A status, with or without its reason; without a status there is no answer.
fn answer(argument: &str, told: bool) -> Result<RouteAction, String> {
    if argument.len() < 3 {
        return Ok(RouteAction::Close);
    }
    let status = argument.get(..3).and_then(|digits| digits.parse::<u16>().ok());
    let separated = matches!(argument.as_bytes().get(3), None | Some(b' '));
    if !status.is_some_and(|status| (200..=999).contains(&status)) || !separated {
        return Err(format!(
            "'{argument}' has to be a status from 200 to 999, and its reason where that is not the usual one: 404 Not Found"
        ));
    }
    Ok(RouteAction::Answer {
        status: argument.trim_end().to_owned(),
        told,
    })
}

/// `value=SECONDS`
fn expires(argument: &str) -> Result<RouteAction, String> {
    let seconds = argument
        .strip_prefix("value=")
        .and_then(|text| text.trim().parse().ok());
    seconds.map(RouteAction::Expires).ok_or_else(|| {
        format!("expires:{argument} has to be expires:value=SECONDS: for dates of files there is static-expires-mtime")
    })
}

/// `REALM,USER:PASSWORD,...`
fn basic_authentication(argument: &str, or_next: bool) -> Result<RouteAction, String> {
    let mut parts = argument.split(',').map(str::to_owned);
    let realm = parts.next().unwrap_or_default();
    let (users, others): (Vec<_>, Vec<_>) = parts.partition(|part| part.contains(':'));
    if let Some(file) = others.iter().find(|part| !part.is_empty()) {
        return Err(format!(
            "'{file}' is not USER:PASSWORD: files of passwords are not read here; name the users, or have the front server \
             ask (auth_basic_user_file in nginx)"
        ));
    }
    if users.is_empty() {
        return Err("basicauth needs users here: write basicauth:REALM,USER:PASSWORD".to_owned());
    }
    Ok(RouteAction::BasicAuthentication {
        realm,
        users,
        or_next,
    })
}

/// A path for `static`; `filename=PATH,status=...,content_type=...,mime=1` for the others, or a path alone.
fn file(argument: &str, or_next: bool, is_static: bool) -> Result<RouteAction, String> {
    let mut file = RouteFile {
        path: String::new(),
        below: None,
        status: None,
        media_type: (!is_static).then(|| "text/html".to_owned()),
        or_next,
    };
    if is_static || !argument.contains('=') {
        argument.clone_into(&mut file.path);
    } else {
        for part in argument.split(',') {
            match part.split_once('=').unwrap_or((part, "1")) {
                ("filename", path) => path.clone_into(&mut file.path),
                ("status", status) => file.status = Some(status.to_owned()),
                ("content_type", media_type) => file.media_type = Some(media_type.to_owned()),
                ("mime", _) => file.media_type = None,
                ("no_cl", _) => {}
                (key, _) => {
                    return Err(format!(
                        "a file has no '{key}' here: take filename, status, content_type and mime"
                    ));
                }
            }
        }
    }
    if let Some(status) = &file.status {
        answer(status, false)?;
    }
    file.below = root_of(&file.path)?;
    Ok(RouteAction::File(file))
}

/// The directory that a file has to stay in when a request has a say in its path: what is written before that.
fn root_of(path: &str) -> Result<Option<PathBuf>, String> {
    if path.is_empty() {
        return Err("the file has no path: write static:PATH".to_owned());
    }
    let Some(dollar) = path.find('$') else {
        return Ok(None);
    };
    match path[..dollar].rsplit_once('/') {
        Some((root, _)) if !root.is_empty() => Ok(Some(Path::new(root).to_owned())),
        _ => Err(format!(
            "'{path}' lets a request choose any file: write the directory it has to stay in in front, as in \
             static:/srv/files/$1"
        )),
    }
}

/// `NAME[,NUMBER]`
fn count(argument: &str, operation: Operation) -> Result<RouteAction, String> {
    let (name, by) = argument.split_once(',').unwrap_or((argument, "1"));
    if name.is_empty() {
        return Err("a number needs the variable it is in: write +:NAME,1".to_owned());
    }
    Ok(RouteAction::Count {
        name: name.to_owned(),
        operation,
        by: by.to_owned(),
    })
}

/// Requests of other kinds than Python's are for other languages.
fn own_modifier(name: &str, argument: &str) -> Result<(), String> {
    match (name, leading_number(argument)) {
        ("setmodifier1", 0 | 30) | ("setmodifier2", _) => Ok(()),
        (_, number) => Err(format!(
            "{name}:{number}: only Python (0) answers here; for scripts there is the option cgi = PREFIX=DIRECTORY, for other \
             languages http:ADDRESS or uwsgi:ADDRESS,MODIFIER1,MODIFIER2"
        )),
    }
}

/// `ADDRESS[,HOST[,TARGET]]`
fn http_server(argument: &str) -> Result<RouteServer, String> {
    let mut parts = argument.splitn(3, ',').map(str::to_owned);
    let address = address(&parts.next().unwrap_or_default())?;
    let mut further = || parts.next().filter(|part| !part.is_empty());
    Ok(RouteServer {
        address,
        speaks: RouteProtocol::Http {
            host: further(),
            target: further(),
        },
    })
}

/// `ADDRESS,MODIFIER1,MODIFIER2[,APPLICATION]`; without an address it is this server's own application.
fn uwsgi_server(argument: &str) -> Result<RouteAction, String> {
    let parts: Vec<_> = argument.splitn(4, ',').collect();
    let [server, first, second, ..] = parts.as_slice() else {
        return Err(format!(
            "uwsgi:{argument} has to be uwsgi:ADDRESS,MODIFIER1,MODIFIER2[,APPLICATION]"
        ));
    };
    let application = parts.get(3).map(|name| (*name).to_owned());
    if server.is_empty() {
        own_modifier("setmodifier1", first)?;
        return Ok(RouteAction::Own(application));
    }
    let modifier = |text: &str| {
        u8::try_from(leading_number(text))
            .map_err(|_| format!("the modifier '{text}' has to be from 0 to 255"))
    };
    Ok(RouteAction::Relay(RouteServer {
        address: address(server)?,
        speaks: RouteProtocol::Uwsgi {
            modifier1: modifier(first)?,
            modifier2: modifier(second)?,
            application,
        },
    }))
}

fn address(text: &str) -> Result<String, String> {
    let is_path = text.contains('/');
    let port = text.rsplit_once(':').map(|(_, port)| port);
    if !is_path && !port.is_some_and(|port| port.contains('$') || port.parse::<u16>().is_ok()) {
        return Err(format!(
            "'{text}' is no address: write HOST:PORT or the path of a unix socket"
        ));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::NAMES;

    #[test]
    fn the_compatibility_page_names_every_action() {
        let page = include_str!("../preface.md");
        for name in NAMES.split(", ").chain(super::commons::NAMES.split(", ")) {
            assert!(page.contains(&format!("`{name}`")), "{name}");
        }
    }
}
