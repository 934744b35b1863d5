//! What uWSGI's options about the age and the memory of workers mean here.

use super::{Draft, Entry, does, does_with_text, natural, seconds};
use crate::defaults::{count, unless_zero};
use crate::uwsgi::known::is_on;

/// A number of megabytes in bytes; 0 is no limit.
fn megabytes(value: &str) -> Result<Option<u64>, String> {
    Ok(unless_zero(natural(value)?).map(|number| number.saturating_mul(1 << 20)))
}

/// The entries, in the order of the compatibility page.
pub(super) const ENTRIES: &[Entry] = &[
    does(
        &["max-worker-lifetime"],
        "Seconds after which a worker is replaced, once its requests are done.",
        |d, v| {
            let lifetime = seconds(v)?;
            d.settings.worker_limits.lifetime = (!lifetime.is_zero()).then_some(lifetime);
            Ok(())
        },
    ),
    does(
        &["max-worker-lifetime-delta"],
        "Seconds that each worker may live longer than the one before it.",
        |d, v| {
            d.settings.worker_limits.lifetime_step = seconds(v)?;
            Ok(())
        },
    ),
    does(
        &["min-worker-lifetime"],
        "Seconds before which no worker is replaced for its memory; default 10.",
        |d, v| {
            d.settings.worker_limits.least_lifetime = seconds(v)?;
            Ok(())
        },
    ),
    does(
        &["reload-on-rss"],
        "Resident megabytes at which a worker is replaced, once its requests are done.",
        |d, v| {
            d.settings.worker_limits.graceful.resident = megabytes(v)?;
            Ok(())
        },
    ),
    does(
        &["reload-on-as"],
        "Mapped megabytes at which a worker is replaced, once its requests are done.",
        |d, v| {
            d.settings.worker_limits.graceful.address_space = megabytes(v)?;
            Ok(())
        },
    ),
    does(
        &["evil-reload-on-rss"],
        "Resident megabytes at which a worker is killed, requests and all.",
        |d, v| {
            d.settings.worker_limits.brutal.resident = megabytes(v)?;
            Ok(())
        },
    ),
    does(
        &["evil-reload-on-as"],
        "Mapped megabytes at which a worker is killed, requests and all.",
        |d, v| {
            d.settings.worker_limits.brutal.address_space = megabytes(v)?;
            Ok(())
        },
    ),
    does(
        &["reload-on-exception"],
        "Replace a worker whose application has raised, once its requests are done.",
        |d, v| {
            d.settings.fatal_exceptions.all = is_on(v);
            Ok(())
        },
    ),
    does_with_text(
        &["reload-on-exception-type"],
        "The same for exceptions of this type: CLASS or MODULE.CLASS; may be repeated.",
        |d, v| {
            d.settings.fatal_exceptions.types.push(v.to_owned());
            Ok(())
        },
    ),
    does_with_text(
        &["reload-on-exception-value"],
        "The same for exceptions with this text; may be repeated.",
        |d, v| {
            d.settings.fatal_exceptions.values.push(v.to_owned());
            Ok(())
        },
    ),
    does_with_text(
        &["reload-on-exception-repr"],
        "The same for exceptions of this type and with this text, TYPE: TEXT; may be repeated.",
        |d, v| {
            d.settings.fatal_exceptions.reprs.push(v.to_owned());
            Ok(())
        },
    ),
    does(
        &["limit-as"],
        "Megabytes that each worker may map (RLIMIT_AS).",
        |d, v| {
            d.settings.worker_bounds.address_space = megabytes(v)?;
            Ok(())
        },
    ),
    does(
        &["limit-nproc"],
        "Processes that the user of the workers may have (RLIMIT_NPROC).",
        |d, v| {
            d.settings.worker_bounds.processes = unless_zero(natural(v)?);
            Ok(())
        },
    ),
    does(
        &["cpu-affinity"],
        "Processors that each worker is tied to: the first to the first so many, the second to the next.",
        |d, v| {
            d.settings.worker_bounds.processors = unless_zero(natural(v)?).map(count);
            Ok(())
        },
    ),
];

/// What depends on several limits; the error is a sentence.
pub(in crate::uwsgi) fn finish(draft: &Draft<'_>) -> Result<(), String> {
    let limits = &draft.settings.worker_limits;
    match limits.lifetime {
        Some(most) if most <= limits.least_lifetime => Err(format!(
            "max-worker-lifetime: invalid min-worker-lifetime value ({}), must be lower than max-worker-lifetime ({})",
            limits.least_lifetime.as_secs(),
            most.as_secs()
        )),
        _ => Ok(()),
    }
}
