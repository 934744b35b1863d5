//! What uWSGI's options mean here that are about the rest of what processes share: locks, the queue, shared areas, metrics.

use super::{Draft, Entry, aides, always, at_start, caches, does, does_with_text, natural};
use crate::defaults::{count, size};
use crate::{AreaSettings, MetricKind, MetricSettings, QueueSettings};

/// uWSGI's size of a slot where none is given.
const QUEUE_BLOCK_SIZE: usize = 8192;
/// What a page is, on whatever machine: shared areas in files are to be the same everywhere.
const PAGE: usize = 4096;

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
                    "'{other}': metrics are not collected from elsewhere: have the application count, with uwsgi.metric_inc() and its kin"
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

/// What depends on several options: what is shared fits together.
pub(in crate::uwsgi) fn finish(draft: &mut Draft<'_>) -> Result<(), String> {
    aides::check(&draft.settings.commons)?;
    let queue = draft.settings.commons.queue.as_ref();
    if queue.is_some_and(|queue| queue.slots == 0 || queue.block_size == 0) {
        return Err(
            "the queue has to have slots, and room in each: give queue, and queue-blocksize above 0"
                .to_owned(),
        );
    }
    caches::finish(draft)
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
