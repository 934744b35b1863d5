//! What uWSGI's options mean here that are about who works beside the workers: mules, farms of them, and spoolers.

use std::path::PathBuf;
use std::time::Duration;

use super::rights::seen_from_here;
use super::{Draft, Entry, always, at_start, does, natural, seconds};
use crate::defaults::{count, size, unless_zero};
use crate::uwsgi::known::is_on;
use crate::{Commons, Farm, RedisServer, Spooler};

/// `NAME:NUMBER,NUMBER`
fn farm(draft: &mut Draft<'_>, value: &str) -> Result<(), String> {
    let wrong = || format!("'{value}' has to be NAME:MULE,MULE, with the numbers of mules");
    let (name, numbers) = value.split_once(':').ok_or_else(wrong)?;
    let numbers = numbers.split(',').map(|number| number.trim().parse());
    draft.settings.commons.farms.push(Farm {
        name: name.to_owned(),
        mules: numbers.collect::<Result<_, _>>().map_err(|_| wrong())?,
    });
    Ok(())
}

fn spooler(draft: &mut Draft<'_>, value: &str, external: bool) -> Result<(), String> {
    let server = match value.contains("://") {
        true => Some(redis_server(value)?),
        false => None,
    };
    let directory = match &server {
        Some(server) => PathBuf::from(server.shown()),
        None => at_start(draft, value),
    };
    let seen = seen_from_here(draft, &directory);
    if server.is_none() && !seen.is_dir() {
        std::fs::create_dir_all(&seen)
            .map_err(|error| format!("the directory {} cannot be made: {error}", seen.display()))?;
    }
    draft.settings.commons.spoolers.push(Spooler {
        directory,
        server,
        external,
    });
    Ok(())
}

/// A server that is not this one, for caches as well.
pub(super) fn redis_server(value: &str) -> Result<RedisServer, String> {
    let server = RedisServer::read(value)
        .ok_or_else(|| format!("'{value}' has to be redis://HOST:PORT/DATABASE, or redis+unix:///PATH"))?;
    if server.wants_tls() {
        return Err(format!(
            "{}: connections to Redis are not encrypted: use redis:// in a network of your own, or through a tunnel",
            server.shown()
        ));
    }
    Ok(server)
}

/// Farms have mules that there are.
pub(super) fn check(commons: &Commons) -> Result<(), String> {
    let last = count(commons.mules.len() as u64);
    for farm in &commons.farms {
        if let Some(number) = farm.mules.iter().find(|number| !(1..=last).contains(number)) {
            let name = &farm.name;
            return Err(format!(
                "the farm {name} has a mule {number}, but mules go from 1 to {last}"
            ));
        }
    }
    Ok(())
}

/// The entries, in the order of the compatibility page.
pub(super) const ENTRIES: &[Entry] = &[
    does(
        &["mule-msg-size"],
        "Bytes that messages for mules may take together until they are got; one message has 65536 at the most.",
        |d, v| {
            d.settings.commons.message_room = unless_zero(natural(v)?).map(size);
            Ok(())
        },
    ),
    does(
        &["mule"],
        "A process beside the workers, with the application loaded, for messages and signals; a value names a Python file \
         or MODULE:CALLABLE that it runs first; may be repeated.",
        |d, v| {
            let program = (!matches!(v, "" | "1" | "true")).then(|| v.to_owned());
            d.settings.commons.mules.push(program);
            Ok(())
        },
    ),
    does(&["mules"], "As many mules without a program.", |d, v| {
        let mules = &mut d.settings.commons.mules;
        mules.resize(mules.len() + size(natural(v)?.min(1024)), None);
        Ok(())
    }),
    does(
        &["farm"],
        "NAME:NUMBER,NUMBER: mules that share a queue of messages.",
        farm,
    ),
    does(
        &["spooler"],
        "Directory of tasks, and a process that does them; made if it is not there; may be repeated. With \
         redis://HOST:PORT/DATABASE?name=NAME the tasks are on that server, and whichever machine is first does them.",
        |d, v| spooler(d, v, false),
    ),
    does(
        &["spooler-external"],
        "Directory of tasks that another server does.",
        |d, v| spooler(d, v, true),
    ),
    does(
        &["spooler-processes"],
        "Processes for each directory of tasks.",
        |d, v| {
            d.settings.commons.spooling.processes = count(natural(v)?.clamp(1, 1024));
            Ok(())
        },
    ),
    does(
        &["spooler-frequency", "spooler-freq"],
        "Seconds between looks for tasks whose time has come; default 30. New tasks are seen at once.",
        |d, v| {
            d.settings.commons.spooling.frequency = seconds(v)?.max(Duration::from_secs(1));
            Ok(())
        },
    ),
    does(&["spooler-chdir"], "Directory that tasks are done in.", |d, v| {
        d.settings.commons.spooling.chdir = Some(at_start(d, v));
        Ok(())
    }),
    does(
        &["spooler-max-tasks"],
        "Replace a spooler's process after this many tasks; 0 is never.",
        |d, v| {
            d.settings.commons.spooling.max_tasks = unless_zero(natural(v)?);
            Ok(())
        },
    ),
    does(&["spooler-quiet"], "No line for each task.", |d, v| {
        d.settings.commons.spooling.quiet = is_on(v);
        Ok(())
    }),
    always(
        &["spooler-ordered"],
        "Tasks of one priority are always done in the order they came.",
    ),
];
