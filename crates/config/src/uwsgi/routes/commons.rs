//! The actions and the test of internal routing that are about what all processes share: caches, metrics, signals.
//!
//! A rule waits for nobody, so caches have to be in this server's memory; that there are such is looked at once everything has
//! been read ([`check`]).

use super::check_text;
use crate::{Commons, Operation, RouteAction, RouteCache, RouteChain, RouteCondition, RouteTest};

/// The names of the actions read here, as messages and the compatibility page list them.
pub(super) const NAMES: &str = "cache, cachevar, cacheset, cacheinc, cachedec, cachemul, cachediv, metricset, metricinc, metricdec, \
     metricmul, metricdiv, signal";

/// `KEY=VALUE,...` as `cache` and its kin have it.
#[derive(Default)]
struct Given {
    key: String,
    cache: Option<String>,
    value: Option<String>,
    variable: String,
    as_number: bool,
    expires: u64,
    media_type: Option<String>,
    by_name: bool,
    encoding: Option<String>,
}

impl Given {
    fn read(action: &str, argument: &str) -> Result<Given, String> {
        let mut given = Given::default();
        for part in argument.split(',').filter(|part| !part.is_empty()) {
            let (key, value) = part.split_once('=').unwrap_or((part, "1"));
            let text = || Some(value.to_owned());
            match key {
                "key" => value.clone_into(&mut given.key),
                "name" => given.cache = text(),
                "value" => given.value = text(),
                "var" => value.clone_into(&mut given.variable),
                "num" | "as_num" => given.as_number = true,
                "expires" => {
                    given.expires = value
                        .parse()
                        .map_err(|_| format!("{action}: expires={value} has to be a number of seconds"))?;
                }
                "content_type" => given.media_type = text(),
                "content_encoding" => given.encoding = text(),
                "mime" => given.by_name = true,
                // How an answer is framed, and who sends it, is the server's matter.
                "no_offload" | "no_content_length" | "no_cl" | "nocl" => {}
                _ => return Err(format!("{action} has no '{key}'")),
            }
        }
        if given.key.is_empty() {
            return Err(format!("{action} needs a key: write {action}:key=KEY"));
        }
        Ok(given)
    }

    fn place(self) -> RouteCache {
        RouteCache {
            name: self.cache,
            key: self.key,
        }
    }
}

/// Reads one of these actions; `None`: it is another.
pub(super) fn read(name: &str, argument: &str) -> Result<Option<RouteAction>, String> {
    let action = match name {
        "cache" => cached(Given::read(name, argument)?),
        "cachevar" => {
            let given = Given::read(name, argument)?;
            if given.variable.is_empty() {
                return Err("cachevar needs a variable: write cachevar:var=NAME,key=KEY".to_owned());
            }
            RouteAction::CacheVariable {
                variable: given.variable.clone(),
                as_number: given.as_number,
                cache: given.place(),
            }
        }
        "cacheset" => {
            let given = Given::read(name, argument)?;
            RouteAction::CacheStore {
                value: given.value.clone().unwrap_or_default(),
                expires: given.expires,
                cache: given.place(),
            }
        }
        "signal" => RouteAction::Signal(
            argument
                .trim()
                .parse()
                .map_err(|_| format!("signal:{argument} has to be signal:NUMBER, from 0 to 255"))?,
        ),
        _ => match (name.strip_prefix("cache"), name.strip_prefix("metric")) {
            (Some(rest), _) if operation(rest).flatten().is_some() => {
                let given = Given::read(name, argument)?;
                let usual = if matches!(rest, "inc" | "dec") { "1" } else { "2" };
                RouteAction::CacheCount {
                    operation: operation(rest).flatten().unwrap_or(Operation::Add),
                    by: given.value.clone().unwrap_or_else(|| usual.to_owned()),
                    expires: given.expires,
                    cache: given.place(),
                }
            }
            (_, Some(rest)) if operation(rest).is_some() => {
                let (metric, by) = argument.split_once(',').unwrap_or((argument, "1"));
                RouteAction::Metric {
                    name: metric.to_owned(),
                    operation: operation(rest).flatten(),
                    by: by.to_owned(),
                }
            }
            _ => return Ok(None),
        },
    };
    Ok(Some(action))
}

/// `Some(None)` is to be given the value itself.
fn operation(name: &str) -> Option<Option<Operation>> {
    Some(match name {
        "set" => None,
        "inc" => Some(Operation::Add),
        "dec" => Some(Operation::Subtract),
        "mul" => Some(Operation::Multiply),
        "div" => Some(Operation::Divide),
        _ => return None,
    })
}

fn cached(given: Given) -> RouteAction {
    let usual = || Some("text/html".to_owned());
    RouteAction::Cached {
        media_type: if given.by_name {
            None
        } else {
            given.media_type.clone().or_else(usual)
        },
        encoding: given.encoding.clone(),
        cache: given.place(),
    }
}

/// `incache:key=KEY,name=CACHE`
pub(super) fn in_cache(argument: &str, wanted: bool) -> Result<RouteCondition, String> {
    check_text(argument)?;
    let place = Given::read("incache", argument)?.place();
    Ok(RouteCondition::Test {
        test: RouteTest::InCache(place.name),
        left: place.key,
        right: String::new(),
        wanted,
    })
}

/// Every cache and metric that rules name is there.
pub(super) fn check(chain: &RouteChain, commons: &Commons) -> Result<(), String> {
    for rule in &chain.rules {
        if let RouteCondition::Test {
            test: RouteTest::InCache(name),
            ..
        } = &rule.condition
        {
            check_cache(name.as_deref(), commons)?;
        }
        match &rule.action {
            RouteAction::Cached { cache, .. }
            | RouteAction::CacheVariable { cache, .. }
            | RouteAction::CacheStore { cache, .. }
            | RouteAction::CacheCount { cache, .. } => check_cache(cache.name.as_deref(), commons)?,
            RouteAction::Metric { name, .. }
                if !name.contains('$') && !commons.metrics.iter().any(|known| known.name == *name) =>
            {
                return Err(format!(
                    "a rule changes the metric '{name}', which is not there: write metric = {name}"
                ));
            }
            _ => {}
        }
    }
    Ok(())
}

fn check_cache(name: Option<&str>, commons: &Commons) -> Result<(), String> {
    let found = match name {
        None => commons.caches.first(),
        Some(name) if name.contains('$') => return Ok(()),
        Some(name) => commons.caches.iter().find(|cache| cache.name == name),
    };
    let shown = name.unwrap_or("default");
    match found {
        None => Err(format!(
            "a rule names the cache '{shown}', which is not there: write cache2 = name={shown},items=NUMBER"
        )),
        Some(cache) if cache.server.is_some() => Err(format!(
            "a rule waits for nobody, and the cache '{shown}' is on another server: have the application ask it, or give the rule \
             a cache in memory"
        )),
        Some(_) => Ok(()),
    }
}
