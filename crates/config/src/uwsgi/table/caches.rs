//! What uWSGI's options mean here that are about caches, those in memory and those on a Redis server.

use super::aides::redis_server;
use super::{Draft, Entry, at_start, does, does_with_text, natural};
use crate::defaults::size;
use crate::uwsgi::known::is_on;
use crate::{CacheSettings, CachedItem, CachedValue, Commons, WhenFull};

/// uWSGI's sizes where none are given.
const BLOCK_SIZE: usize = 64 << 10;
const KEY_SIZE: usize = 2048;
const BUCKETS: usize = 64 << 10;

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
fn check_cached(commons: &Commons) -> Result<(), String> {
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

/// The cache that the options of old describe.
fn default_cache<'a>(draft: &'a mut Draft<'_>) -> &'a mut CacheSettings {
    draft.default_cache.get_or_insert_with(|| new_cache("default", 0))
}

/// The old options' cache comes first: it is the one meant where none is named.
pub(super) fn finish(draft: &mut Draft<'_>) -> Result<(), String> {
    if let Some(cache) = draft.default_cache.take().filter(|cache| cache.items > 0) {
        add_cache(draft, cache)?;
        draft.settings.commons.caches.rotate_right(1);
    }
    check_cached(&draft.settings.commons)
}

/// The entries, in the order of the compatibility page.
pub(super) const ENTRIES: &[Entry] = &[
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
    does(
        &["cache-no-expire"],
        "Values of the default cache stay until they are removed.",
        |d, v| {
            default_cache(d).no_expiry = is_on(v);
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
];
