//! The parts of uWSGI's document that are there only where the configuration asks for them: locks, caches, metrics, attached
//! programs, spoolers, the timetable.

use super::json::{Json, object};
use super::{
    CacheInfo, CronStatistics, DaemonStatistics, Extras, Kind, Metric, SpoolerStatistics, Statistics, metrics,
};

/// The locks that uWSGI always has beside the application's; here nobody ever holds one of them.
const LOCKS: [&str; 7] = ["signal", "filemon", "timer", "rbtimer", "cron", "rpc", "snmp"];

/// Everything that has a lock in uWSGI, and who holds it. Those that are not the application's are held for a moment, or never:
/// 0.
pub(super) fn locks(extras: &Extras) -> Json {
    let holders = extras.locks.iter().zip(0_u32..);
    let own = holders.map(|(holder, number)| (format!("user {number}"), u64::from(*holder)));
    let caches = extras.caches.iter().map(|cache| format!("cache_{}", cache.name));
    let metrics = extras.shows_metrics.then(|| "metrics".to_owned());
    let mut directories: Vec<_> = extras.spoolers.iter().map(|spooler| &spooler.directory).collect();
    directories.dedup();
    let spoolers = directories
        .into_iter()
        .map(|directory| format!("spooler on {directory}"));
    let others = LOCKS
        .map(str::to_owned)
        .into_iter()
        .chain(caches)
        .chain(metrics)
        .chain(spoolers);
    let all = own.chain(others.map(|name| (name, 0)));
    Json::List(
        all.map(|(name, holder)| Json::Object(vec![(name, Json::Number(holder))]))
            .collect(),
    )
}

/// A list, unless it is empty.
fn some(items: impl Iterator<Item = Json>) -> Option<Json> {
    let items: Vec<_> = items.collect();
    (!items.is_empty()).then_some(Json::List(items))
}

pub(super) fn daemons(extras: &Extras) -> Option<Json> {
    some(extras.daemons.iter().map(|daemon: &DaemonStatistics| {
        object([
            ("cmd", daemon.command.as_str().into()),
            ("pid", daemon.pid.into()),
            ("respawns", daemon.respawns.into()),
        ])
    }))
}

pub(super) fn caches(extras: &Extras) -> Option<Json> {
    some(extras.caches.iter().map(|cache: &CacheInfo| {
        object([
            ("name", cache.name.as_str().into()),
            ("hash", "fnv1a".into()),
            ("hashsize", cache.buckets.into()),
            ("keysize", cache.key_size.into()),
            ("max_items", cache.items_limit.into()),
            ("blocks", cache.blocks.into()),
            ("blocksize", cache.block_size.into()),
            ("items", cache.items.into()),
            ("hits", cache.hits.into()),
            ("miss", cache.misses.into()),
            ("full", cache.full.into()),
            ("last_modified_at", Json::Number(0)),
        ])
    }))
}

pub(super) fn all_metrics(statistics: &Statistics, with_cores: bool) -> Option<Json> {
    let of = |metric: Metric| {
        let kind = match metric.kind {
            Kind::Counter => 0,
            Kind::Gauge => 1,
            Kind::Absolute => 2,
            Kind::Alias => 3,
        };
        let members = object([
            ("type", Json::Number(kind)),
            ("oid", Json::Text(metric.oid)),
            ("value", Json::Signed(metric.value)),
        ]);
        (metric.name, members)
    };
    let all = || metrics(statistics, with_cores).into_iter().map(of).collect();
    statistics.extras.shows_metrics.then(|| Json::Object(all()))
}

pub(super) fn spoolers(extras: &Extras) -> Option<Json> {
    some(extras.spoolers.iter().map(|spooler: &SpoolerStatistics| {
        object([
            ("dir", spooler.directory.as_str().into()),
            ("pid", spooler.pid.into()),
            ("tasks", spooler.tasks.into()),
            ("respawns", spooler.respawns.into()),
            ("running", spooler.is_running.into()),
        ])
    }))
}

pub(super) fn crons(extras: &Extras) -> Option<Json> {
    some(extras.crons.iter().map(|cron: &CronStatistics| {
        let [minute, hour, day, month, week] = cron.when.map(Json::Signed);
        object([
            ("minute", minute),
            ("hour", hour),
            ("day", day),
            ("month", month),
            ("week", week),
            ("command", cron.command.as_str().into()),
            ("unique", cron.is_unique.into()),
            ("legion", "".into()),
            ("pid", Json::Signed(cron.pid.map_or(-1, i64::from))),
            ("started_at", cron.started.into()),
        ])
    }))
}
