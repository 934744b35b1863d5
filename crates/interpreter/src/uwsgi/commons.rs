//! What the processes of a server share, from its start: opened once, handed on by the forks.

use std::io::Write;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use config::{CacheSettings, CachedItem, CachedValue, MetricKind, RawValue, Settings, WhenFull};
use flate2::Compression;
use flate2::write::GzEncoder;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use shared::{Cache, Existing, Minute, Shape, StoreError};
use telemetry::ErrorLog;
use telemetry::statistics::{CacheInfo, Kind, Metric, Statistics};

use super::backing::{Backing, RemoteCache};
use super::redis_link::Link;
use super::remote_tasks::RemoteTasks;
use super::rules::ForRules;
use super::stores::Stored;
use super::{Bells, Caches, CurrentRequest, Lines, Locks, Place, Role, Server, Stores};
use crate::python_config;
use crate::python_config::Functions;

/// A cache and what it was made by.
#[derive(Debug)]
pub(crate) struct NamedCache {
    pub(super) settings: CacheSettings,
    pub(super) cache: Backing,
}

impl NamedCache {
    /// `None` where it is on another server.
    fn describe(&self) -> Option<CacheInfo> {
        let Backing::Memory(cache) = &self.cache else {
            return None;
        };
        let (settings, counted) = (&self.settings, cache.statistics());
        Some(CacheInfo {
            name: settings.name.clone(),
            buckets: settings.buckets as u64,
            key_size: settings.key_size as u64,
            items_limit: settings.items as u64,
            blocks: settings.blocks as u64,
            block_size: settings.block_size as u64,
            items: counted.items,
            hits: counted.hits,
            misses: counted.misses,
            full: counted.full,
        })
    }
}

/// What processes share.
#[derive(Debug)]
pub(crate) struct Commons {
    caches: Vec<Arc<NamedCache>>,
    stored: Stored,
    locks: Locks,
    /// What was given: `uwsgi.opt`.
    options: Vec<(String, RawValue)>,
    lines: Lines,
    started: u64,
}

impl Commons {
    /// Makes and opens what `settings` ask for.
    ///
    /// # Errors
    /// What cannot be had, and why.
    pub(crate) fn open(settings: &Settings, options: &[(String, RawValue)]) -> Result<Commons, String> {
        let mut commons = Commons {
            caches: Vec::new(),
            stored: Stored::default(),
            locks: Locks::create(0).map_err(|error| format!("locks: {error}"))?,
            options: Vec::new(),
            lines: Lines::open(settings.commons.message_room).map_err(|error| format!("signals: {error}"))?,
            started: now(),
        };
        commons.adapt(settings, options)?;
        Ok(commons)
    }

    /// Makes what another configuration asks for in addition; what is as before stays with all that is in it.
    ///
    /// # Errors
    /// As [`Commons::open`]; everything is as before then.
    pub(crate) fn adapt(
        &mut self,
        settings: &Settings,
        options: &[(String, RawValue)],
    ) -> Result<(), String> {
        let wanted = settings.commons.caches.iter();
        let caches = wanted.map(|wanted| {
            let same = self.caches.iter().find(|cache| cache.settings == *wanted);
            same.map_or_else(|| open_cache(wanted).map(Arc::new), |cache| Ok(Arc::clone(cache)))
        });
        let caches = caches.collect::<Result<Vec<Arc<NamedCache>>, String>>()?;
        let stored = Stored::open(settings, &self.stored)?;
        let locks = settings.commons.locks as usize + 1;
        if self.locks.count() < locks {
            self.locks = Locks::create(locks).map_err(|error| format!("locks: {error}"))?;
        }
        let spoolers = settings.commons.spoolers.iter();
        for spooler in spoolers.filter(|spooler| spooler.server.is_none()) {
            let directory = &spooler.directory;
            std::fs::create_dir_all(directory).map_err(|error| {
                format!(
                    "the spooler's directory {} cannot be made: {error}",
                    directory.display()
                )
            })?;
        }
        self.lines
            .adapt(settings)
            .map_err(|error| format!("signals: {error}"))?;
        for item in &settings.commons.cached {
            fill(&caches, item)?;
        }
        self.caches = caches;
        self.stored = stored;
        self.options = options.to_vec();
        Ok(())
    }

    /// Once a second, in the master: what has expired goes, and signals that are due are raised.
    pub(crate) fn attend(&self, generation: u32) {
        self.lines.raise_what_is_due(generation, this_minute());
        for cache in self.caches.iter().filter(|cache| !cache.settings.no_expiry) {
            if let Backing::Memory(cache) = &cache.cache {
                // A worker that is busy with it has it swept the next time.
                let _ = cache.sweep_if_free(now());
            }
        }
    }

    /// Adds caches, metrics, signals and tasks to the statistics.
    pub(crate) fn describe(&self, statistics: &mut Statistics) {
        let caches = self.caches.iter().filter_map(|cache| cache.describe());
        statistics.extras.caches = caches.collect();
        statistics.extras.locks = self.locks.holders().collect();
        let metrics = self.stored.metrics().map(|(settings, value)| Metric {
            name: settings.name.clone(),
            oid: settings.oid.clone(),
            kind: match settings.kind {
                MetricKind::Counter => Kind::Counter,
                MetricKind::Gauge => Kind::Gauge,
                MetricKind::Absolute => Kind::Absolute,
            },
            value,
        });
        statistics.extras.metrics = metrics.collect();
        self.lines.describe(statistics);
    }

    /// Raises a signal; whether somebody hears it.
    pub(crate) fn raise(&self, signal: u8) -> bool {
        self.lines.send(signal)
    }

    /// Sends a message to a mule, from 1, or to whichever is first; whether there was room for it.
    pub(crate) fn tell_mule(&self, number: u32, text: &[u8]) -> bool {
        self.lines.tell_mule(number as usize, text)
    }

    /// What the rules of a worker may ask of it.
    pub(crate) fn for_rules(&self, log: &ErrorLog) -> Arc<dyn worker::Commons> {
        Arc::new(ForRules {
            caches: self.caches.clone(),
            stored: self.stored.clone(),
            lines: self.lines.clone(),
            log: log.clone(),
        })
    }

    /// What a worker hears signals by.
    pub(crate) fn ears(&self, number: u32) -> Vec<Arc<OwnedFd>> {
        self.lines.signal_ears(&Role::Worker(number))
    }

    /// Lets the application of this process import `uwsgi` and `uwsgidecorators`.
    ///
    /// # Errors
    /// What Python says.
    pub(crate) fn offer(&self, py: Python<'_>, place: Place, role: Role) -> PyResult<()> {
        let caches = Caches::new(self.caches.clone(), place.log.clone());
        let spoolers = place.settings.commons.spoolers.iter();
        let remote = spoolers.map(|spooler| {
            let server = spooler.server.as_ref();
            server
                .map(|server| RemoteTasks::new(server, place.log.clone()))
                .transpose()
        });
        let remote = remote
            .collect::<Result<Vec<_>, String>>()
            .map_err(pyo3::exceptions::PyValueError::new_err)?;
        let bells = Bells::new(self.lines.clone(), role, place.generation);
        let options: Bound<'_, PyDict> = python_config::dictionary(py, &self.options, &Functions::new())?;
        let request = CurrentRequest::new(Arc::clone(&place.settings), place.row());
        let arguments = (
            Server::new(place, self.started),
            request,
            caches,
            Stores::new(self.stored.clone()),
            self.locks,
            bells,
            remote,
            options,
        );
        py.import("penstock._uwsgi.names")?
            .call_method1("offer", arguments)?;
        Ok(())
    }
}

impl Commons {
    /// The application is loaded in this process: calls what it wants called then.
    ///
    /// # Errors
    /// What Python says; what the application's own function raises is only logged.
    pub(crate) fn after_fork(py: Python<'_>) -> PyResult<()> {
        py.import("penstock._uwsgi.names")?
            .call_method0("after_fork")
            .map(drop)
    }

    /// This process ends: calls what the application wants called then.
    pub(crate) fn at_exit(py: Python<'_>, log: &ErrorLog) {
        let called = py
            .import("penstock._uwsgi.names")
            .and_then(|names| names.call_method0("at_exit"));
        if let Err(error) = called {
            log.error_with_details("uwsgi.atexit failed", &crate::traceback::text(py, &error));
        }
    }
}

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}

/// The minute on the clock on the wall.
fn this_minute() -> Minute {
    let now = jiff::Timestamp::now().to_zoned_datetime(jiff::tz::TimeZone::system());
    let weekday = now.weekday().to_sunday_zero_offset();
    Minute {
        number: self::now() / 60,
        parts: [
            now.minute().into(),
            now.hour().into(),
            now.day().into(),
            now.month().into(),
            weekday.into(),
        ],
    }
}

/// Puts an item into the cache it is for, or into all that are in memory.
fn fill(caches: &[Arc<NamedCache>], item: &CachedItem) -> Result<(), String> {
    let value = match &item.value {
        CachedValue::Text(text) => text.clone().into_bytes(),
        CachedValue::File { path, packed } => {
            let cannot = |error| format!("the file {} cannot be put into a cache: {error}", path.display());
            let content = std::fs::read(path).map_err(cannot)?;
            if *packed {
                pack(&content).map_err(cannot)?
            } else {
                content
            }
        }
    };
    for cache in caches {
        let name = &cache.settings.name;
        if let Backing::Memory(memory) = &cache.cache
            && item.cache.as_ref().is_none_or(|wanted| wanted == name)
        {
            let stored = memory.store(item.key.as_bytes(), &value, 0, Existing::Replace, now());
            stored.map_err(|refusal| {
                format!(
                    "the cache {name} has no room for {} ({} bytes): {refusal:?}: give it a larger blocksize, keysize or items",
                    item.key,
                    value.len()
                )
            })?;
        }
    }
    Ok(())
}

/// As gzip does (RFC 1952).
fn pack(content: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::default());
    packer.write_all(content)?;
    packer.finish()
}

fn open_cache(settings: &CacheSettings) -> Result<NamedCache, String> {
    let shape = Shape {
        items: settings.items,
        blocks: settings.blocks,
        block_size: settings.block_size,
        key_size: settings.key_size,
        buckets: settings.buckets,
        chained: settings.chained,
        when_full: match settings.when_full {
            WhenFull::Refuse => shared::WhenFull::Refuse,
            WhenFull::ForgetOldest => shared::WhenFull::ForgetOldest,
            WhenFull::Clear => shared::WhenFull::Clear,
        },
    };
    let name = &settings.name;
    if let Some(server) = &settings.server {
        let link = Link::new(server, &format!("the cache {name}"))?;
        return Ok(NamedCache {
            settings: settings.clone(),
            cache: Backing::Redis(Box::new(RemoteCache::new(link, name))),
        });
    }
    let cache = match &settings.store {
        None => Cache::create(shape).map_err(|error| format!("the cache {name} cannot be made: {error}"))?,
        Some(path) => {
            let opened = match Cache::open(shape, path) {
                Err(StoreError::Shape) if settings.replace_store => std::fs::remove_file(path)
                    .map_err(StoreError::Io)
                    .and_then(|()| Cache::open(shape, path)),
                opened => opened,
            };
            let shown = path.display();
            opened.map_err(|error| format!("the cache {name} cannot lie in the file {shown}: {error}"))?
        }
    };
    Ok(NamedCache {
        settings: settings.clone(),
        cache: Backing::Memory(cache),
    })
}
