//! uWSGI's options about what processes have in common, and about those beside the workers.

use std::path::PathBuf;
use std::time::Duration;

use super::rights::seen_from_here;
use super::{Draft, Entry, always, at_start, does, does_with_text, natural, seconds};
use crate::defaults::{count, size, unless_zero};
use crate::uwsgi::known::is_on;
use crate::{
    AreaSettings, CacheSettings, CachedItem, CachedValue, Farm, MetricKind, MetricSettings, QueueSettings,
    RedisServer, Spooler, WhenFull,
};

/// uWSGI's sizes where none are given.
const BLOCK_SIZE: usize = 64 << 10;
const KEY_SIZE: usize = 2048;
const BUCKETS: usize = 64 << 10;
const QUEUE_BLOCK_SIZE: usize = 8192;
/// What a page is, on whatever machine: shared areas in files are to be the same everywhere.
const PAGE: usize = 4096;

fn new_cache(name: &str, items: usize) -> CacheSettings {
    CacheSettings {
        name: name.to_owned(),
        items,
        blocks: 0,
        block_size: BLOCK_SIZE,
        key_size: KEY_SIZE,
        buckets: BUCKETS,
        chained: false,
        when_full: WhenFull::Refuse,
        ignore_full: false,
        no_expiry: false,
        store: None,
        replace_store: false,
        first_number: 0,
        server: None,
    }
}

/// `KEY=VALUE,KEY=VALUE` as `cache2` has it.
fn cache(draft: &mut Draft<'_>, text: &str) -> Result<(), String> {
    let mut cache = new_cache("", 0);
    for part in text.split(',').filter(|part| !part.trim().is_empty()) {
        let (key, value) = part.split_once('=').unwrap_or((part, "1"));
        cache_key(draft, &mut cache, key.trim(), value.trim())?;
    }
    if cache.name.is_empty() {
        return Err("a cache has to have a name: write name=NAME,items=NUMBER".to_owned());
    }
    add_cache(draft, cache)
}

fn cache_key(draft: &mut Draft<'_>, cache: &mut CacheSettings, key: &str, value: &str) -> Result<(), String> {
    let number = || natural(value).map(size);
    match key {
        "name" => value.clone_into(&mut cache.name),
        "items" | "max_items" | "maxitems" => cache.items = number()?,
        "blocks" => cache.blocks = number()?,
        "blocksize" | "block_size" => cache.block_size = number()?,
        "keysize" | "key_size" => cache.key_size = number()?,
        "hashsize" | "hash_size" => cache.buckets = number()?,
        "bitmap" => cache.chained = is_on(value),
        "purge_lru" | "lru" if is_on(value) => cache.when_full = WhenFull::ForgetOldest,
        "clear_on_full" if is_on(value) => cache.when_full = WhenFull::Clear,
        "ignore_full" => cache.ignore_full = is_on(value),
        "no_expire" => cache.no_expiry = is_on(value),
        "store" => cache.store = Some(at_start(draft, value)),
        "store_delete" => cache.replace_store = is_on(value),
        "math_initial" => {
            cache.first_number = value
                .parse()
                .map_err(|_| format!("math_initial: '{value}' is no whole number"))?;
        }
        // One hash for all; what is stored is in the file at once; what has expired always makes room.
        "hash" | "store_sync" | "storesync" | "sweep_on_full" | "lazy_expire" | "use_last_modified"
        | "lastmod" | "purge_lru" | "lru" | "clear_on_full" => {}
        "node" | "nodes" | "sync" | "udp" | "udp_servers" | "udp_node_target" => {
            return Err(format!(
                "{key}: caches of several servers are not kept alike: use Redis or memcached for what they share"
            ));
        }
        "backend" => cache.server = Some(redis_server(value)?),
        _ => return Err(format!("a cache has no '{key}'")),
    }
    Ok(())
}

/// A server that is not this one.
fn redis_server(value: &str) -> Result<RedisServer, String> {
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

fn add_cache(draft: &mut Draft<'_>, mut cache: CacheSettings) -> Result<(), String> {
    if cache.server.is_some() {
        if cache.store.is_some() {
            return Err("a cache is on a server or in a file: give backend or store".to_owned());
        }
        // Its size is the server's matter.
        cache.items = cache.items.max(1);
    }
    if cache.items == 0 {
        return Err("a cache has to have items: write name=NAME,items=NUMBER".to_owned());
    }
    if cache.blocks == 0 {
        cache.blocks = cache.items;
    }
    if cache.blocks < cache.items && !cache.chained {
        cache.items = cache.blocks;
    }
    if cache.block_size < 8 || cache.key_size == 0 || cache.buckets == 0 {
        return Err("blocksize has to be at least 8, keysize and hashsize at least 1".to_owned());
    }
    let caches = &mut draft.settings.commons.caches;
    if caches.iter().any(|other| other.name == cache.name) {
        return Err(format!(
            "there is a cache called '{}' already: give each a name of its own",
            cache.name
        ));
    }
    caches.push(cache);
    Ok(())
}

/// `[CACHE ]ITEM`
fn for_cache(value: &str) -> (Option<String>, &str) {
    match value.split_once(' ') {
        Some((cache, item)) => (Some(cache.to_owned()), item),
        None => (None, value),
    }
}

/// `[CACHE ]KEY=VALUE`
fn cached_text(draft: &mut Draft<'_>, value: &str) -> Result<(), String> {
    let (cache, item) = for_cache(value);
    let (key, text) = item
        .split_once('=')
        .ok_or_else(|| format!("'{value}' has to be [CACHE ]KEY=VALUE"))?;
    draft.settings.commons.cached.push(CachedItem {
        cache,
        key: key.to_owned(),
        value: CachedValue::Text(text.to_owned()),
    });
    Ok(())
}

/// `[CACHE ]PATH`
fn cached_file(draft: &mut Draft<'_>, value: &str, packed: bool) -> Result<(), String> {
    let (cache, path) = for_cache(value);
    let item = CachedItem {
        cache,
        key: path.to_owned(),
        value: CachedValue::File {
            path: at_start(draft, path),
            packed,
        },
    };
    draft.settings.commons.cached.push(item);
    Ok(())
}

/// What caches hold from the start has a cache to be in, here.
fn check_cached(commons: &crate::Commons) -> Result<(), String> {
    for item in &commons.cached {
        let wanted = item.cache.as_deref();
        let mut caches = commons.caches.iter();
        if !caches.any(|cache| cache.server.is_none() && wanted.is_none_or(|name| cache.name == name)) {
            return Err(format!(
                "'{}' has no cache in memory to be in: write cache2 = name={},items=NUMBER",
                item.key,
                wanted.unwrap_or("NAME")
            ));
        }
    }
    Ok(())
}

fn queue<'a>(draft: &'a mut Draft<'_>) -> &'a mut QueueSettings {
    draft.settings.commons.queue.get_or_insert(QueueSettings {
        slots: 0,
        block_size: QUEUE_BLOCK_SIZE,
        store: None,
    })
}

/// A number of pages, or `size=BYTES,pages=NUMBER,file=PATH`.
fn area(draft: &mut Draft<'_>, text: &str) -> Result<(), String> {
    let mut area = AreaSettings { size: 0, store: None };
    for part in text.split(',').filter(|part| !part.trim().is_empty()) {
        let (key, value) = part.split_once('=').unwrap_or(("pages", part));
        match key.trim() {
            "pages" => area.size = size(natural(value)?).saturating_mul(PAGE),
            "size" => area.size = size(bytes(value)?),
            "file" => area.store = Some(at_start(draft, value.trim())),
            other => {
                return Err(format!(
                    "'{other}': a shared area lies in memory or in a file: give pages=NUMBER or size=BYTES, and file=PATH"
                ));
            }
        }
    }
    if area.size == 0 {
        return Err(format!(
            "'{text}': a shared area has to have at least a page, or size=BYTES"
        ));
    }
    draft.settings.commons.areas.push(area);
    Ok(())
}

/// Bytes, a hexadecimal number, or with K, M or G behind it.
fn bytes(value: &str) -> Result<u64, String> {
    let value = value.trim();
    if let Some(digits) = value.strip_prefix("0x") {
        return u64::from_str_radix(digits, 16).map_err(|_| format!("'{value}' is no number of bytes"));
    }
    let factor = match value.chars().last() {
        Some('k' | 'K') => 1 << 10,
        Some('m' | 'M') => 1 << 20,
        Some('g' | 'G') => 1 << 30,
        _ => 1,
    };
    Ok(natural(value)?.saturating_mul(factor))
}

/// A name, or `name=NAME,type=KIND,initial_value=NUMBER,oid=NUMBERS`.
fn metric(draft: &mut Draft<'_>, text: &str) -> Result<(), String> {
    let mut metric = MetricSettings {
        name: String::new(),
        kind: MetricKind::Counter,
        oid: String::new(),
        first: 0,
    };
    for part in text.split(',').filter(|part| !part.trim().is_empty()) {
        let (key, value) = part.split_once('=').unwrap_or(("name", part));
        let value = value.trim();
        match key.trim() {
            "name" => value.clone_into(&mut metric.name),
            "oid" => value.clone_into(&mut metric.oid),
            "type" => {
                metric.kind = match value {
                    "counter" => MetricKind::Counter,
                    "gauge" => MetricKind::Gauge,
                    "absolute" => MetricKind::Absolute,
                    _ => {
                        return Err(format!(
                            "a metric is a counter, a gauge or absolute, not '{value}'"
                        ));
                    }
                };
            }
            "initial_value" | "initial" => {
                metric.first = value
                    .parse()
                    .map_err(|_| format!("'{value}' is no whole number"))?;
            }
            // How often it is collected.
            "freq" | "reset_after_push" => {}
            other => {
                return Err(format!(
                    "'{other}': metrics are not collected from elsewhere: have the application count, with                      uwsgi.metric_inc() and its kin"
                ));
            }
        }
    }
    if metric.name.is_empty() {
        return Err("a metric has to have a name: write name=NAME".to_owned());
    }
    let metrics = &mut draft.settings.commons.metrics;
    if metrics.iter().any(|other| other.name == metric.name) {
        return Err(format!("there is a metric called '{}' already", metric.name));
    }
    metrics.push(metric);
    Ok(())
}

/// The cache that the options of old describe.
fn default_cache<'a>(draft: &'a mut Draft<'_>) -> &'a mut CacheSettings {
    draft.default_cache.get_or_insert_with(|| new_cache("default", 0))
}

/// The old options' cache comes first: it is the one meant where none is named.
pub(in crate::uwsgi) fn finish(draft: &mut Draft<'_>) -> Result<(), String> {
    let commons = &draft.settings.commons;
    let last = count(commons.mules.len() as u64);
    for farm in &commons.farms {
        if let Some(number) = farm.mules.iter().find(|number| !(1..=last).contains(number)) {
            let name = &farm.name;
            return Err(format!(
                "the farm {name} has a mule {number}, but mules go from 1 to {last}"
            ));
        }
    }
    if commons
        .queue
        .as_ref()
        .is_some_and(|queue| queue.slots == 0 || queue.block_size == 0)
    {
        return Err(
            "the queue has to have slots, and room in each: give queue, and queue-blocksize above 0"
                .to_owned(),
        );
    }
    if let Some(cache) = draft.default_cache.take().filter(|cache| cache.items > 0) {
        add_cache(draft, cache)?;
        draft.settings.commons.caches.rotate_right(1);
    }
    check_cached(&draft.settings.commons)
}

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

/// The entries, in the order of the compatibility page.
pub(super) const ENTRIES: &[Entry] = &[
    does(
        &["locks"],
        "Locks for uwsgi.lock(), beside the first; the death of a holder releases them.",
        |d, v| {
            d.settings.commons.locks = count(natural(v)?.min(65_535));
            Ok(())
        },
    ),
    does_with_text(
        &["cache2"],
        "A cache that all processes share: name=NAME,items=NUMBER and blocksize, blocks, keysize, hashsize, bitmap, \
         store=FILE, store_delete, purge_lru, clear_on_full, ignore_full, no_expire, math_initial; with \
         backend=redis://HOST:PORT/DATABASE it is on that server, whose limits hold; may be repeated.",
        cache,
    ),
    does(
        &["cache"],
        "A cache called default with this many items.",
        |d, v| {
            default_cache(d).items = size(natural(v)?);
            Ok(())
        },
    ),
    does(
        &["cache-blocksize"],
        "Bytes of a block of the default cache.",
        |d, v| {
            default_cache(d).block_size = size(natural(v)?);
            Ok(())
        },
    ),
    does(
        &["cache-store"],
        "File that the default cache lies in.",
        |d, v| {
            let path = at_start(d, v);
            default_cache(d).store = Some(path);
            Ok(())
        },
    ),
    does_with_text(
        &["add-cache-item"],
        "[CACHE ]KEY=VALUE that the cache holds from the start, or each cache; may be repeated.",
        cached_text,
    ),
    does_with_text(
        &["load-file-in-cache"],
        "[CACHE ]PATH of a file that the cache holds from the start, under this path; may be repeated.",
        |d, v| cached_file(d, v, false),
    ),
    does_with_text(
        &["load-file-in-cache-gzip"],
        "The same, packed by gzip.",
        |d, v| cached_file(d, v, true),
    ),
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
    does(
        &["cache-no-expire"],
        "Values of the default cache stay until they are removed.",
        |d, v| {
            default_cache(d).no_expiry = is_on(v);
            Ok(())
        },
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
    does(
        &["queue"],
        "Slots of the queue that all processes share; a value that nobody has taken makes room for the newest.",
        |d, v| {
            queue(d).slots = size(natural(v)?);
            Ok(())
        },
    ),
    does(
        &["queue-blocksize"],
        "Bytes of the largest value in the queue; default 8192.",
        |d, v| {
            queue(d).block_size = size(natural(v)?);
            Ok(())
        },
    ),
    does(&["queue-store"], "File that the queue lies in.", |d, v| {
        let path = at_start(d, v);
        queue(d).store = Some(path);
        Ok(())
    }),
    always(
        &["queue-store-sync"],
        "What is put into the queue is in its file at once.",
    ),
    does_with_text(
        &["sharedarea"],
        "Bytes that all processes read and write: a number of pages of 4096, or size=BYTES,file=PATH; may be repeated.",
        area,
    ),
    does_with_text(&["py-sharedarea"], "The same, of so many bytes.", |d, v| {
        area(d, &format!("size={v}"))
    }),
    does_with_text(
        &["metric"],
        "A number of the application's own, for uwsgi.metric_inc() and its kin: NAME, or \
         name=NAME,type=counter|gauge|absolute,initial_value=NUMBER,oid=NUMBERS; may be repeated.",
        metric,
    ),
];
