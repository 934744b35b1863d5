//! What uWSGI's options about the number of workers mean here: `cheaper` and its algorithms, `cheap`, `idle`.

use super::{Draft, Entry, does, natural, seconds};
use crate::CheaperAlgorithm;
use crate::defaults::{count, unless_zero};
use crate::uwsgi::known::is_on;

/// What `cheaper` and its relatives come to, once all of them are known.
///
/// # Errors
/// A sentence, uWSGI's where it has one.
pub(in crate::uwsgi) fn finish(draft: &mut Draft<'_>) -> Result<(), String> {
    let workers = draft.settings.workers;
    let mut cheaper = draft.cheaper.clone();
    if cheaper.least == 0 {
        if cheaper.initial > 0 || cheaper.soft_memory.is_some() {
            let notice = "cheaper is not given: the number of workers stays what processes says";
            draft.notices.push(notice.to_owned());
        }
        return Ok(());
    }
    if cheaper.least >= workers {
        // uWSGI does not start, which depends on the machine where processes is counted in processors.
        draft.notices.push(format!(
            "invalid cheaper value: must be lower than processes ({} is not below {workers}): there always are {workers} workers",
            cheaper.least
        ));
        return Ok(());
    }
    let (given, least) = (cheaper.initial, cheaper.least);
    cheaper.initial = match given {
        0 => least,
        _ => given.clamp(least, workers),
    };
    if given != 0 && given != cheaper.initial {
        let (bound, limit) = match given < least {
            true => ("must be equal or higher than cheaper", least),
            false => ("must be lower or equal than worker count", workers),
        };
        draft.notices.push(format!(
            "warning: invalid cheaper-initial value ({given}), {bound} ({limit}), using {limit} as initial number of workers"
        ));
    }
    match (cheaper.soft_memory, cheaper.hard_memory) {
        (None, Some(_)) => {
            return Err(
                "enabling cheaper-rss-limit-hard requires setting also cheaper-rss-limit-soft".to_owned(),
            );
        }
        (Some(soft), Some(hard)) if hard <= soft => {
            return Err(
                "cheaper-rss-limit-hard value must be higher than cheaper-rss-limit-soft value".to_owned(),
            );
        }
        _ => {}
    }
    draft.settings.scaling.cheaper = Some(Box::new(cheaper));
    Ok(())
}

fn algorithm(draft: &mut Draft<'_>, value: &str) -> Result<(), String> {
    draft.cheaper.algorithm = match value {
        "spare" => CheaperAlgorithm::Spare,
        "spare2" => CheaperAlgorithm::Spare2,
        "backlog" => CheaperAlgorithm::Backlog,
        "busyness" => CheaperAlgorithm::Busyness,
        "manual" => CheaperAlgorithm::Manual,
        _ => {
            draft.notices.push(format!(
                "unable to find requested cheaper algorithm, falling back to spare ('{value}': spare, spare2, backlog, \
                 busyness and manual are there)"
            ));
            CheaperAlgorithm::Spare
        }
    };
    Ok(())
}

/// A number that uWSGI takes its default for when it is 0.
fn set(place: &mut u64, value: &str) -> Result<(), String> {
    *place = unless_zero(natural(value)?).unwrap_or(*place);
    Ok(())
}

fn set_count(place: &mut u32, value: &str) -> Result<(), String> {
    *place = unless_zero(natural(value)?).map_or(*place, count);
    Ok(())
}

/// The entries, in the order of the compatibility page.
pub(super) const ENTRIES: &[Entry] = &[
    does(
        &["cheaper"],
        "The fewest workers: between them and processes their number follows the load.",
        |d, v| {
            d.cheaper.least = count(natural(v)?);
            Ok(())
        },
    ),
    does(
        &["cheaper-initial"],
        "How many workers there are at first; default: the fewest.",
        |d, v| {
            d.cheaper.initial = count(natural(v)?);
            Ok(())
        },
    ),
    does(
        &["cheaper-step"],
        "How many workers are added at once; default 1.",
        |d, v| set_count(&mut d.cheaper.step, v),
    ),
    does(
        &["cheaper-algo"],
        "What the number of workers goes by: spare (the default), spare2 (of uWSGI 2.1), backlog, busyness, or manual: only by the \
         FIFO's + and -.",
        algorithm,
    ),
    does(
        &["cheaper-overload"],
        "Seconds of overload before workers are added, and of idleness before one leaves; for backlog, the length of the accept \
         queue; default 3.",
        |d, v| set(&mut d.cheaper.overload, v),
    ),
    does(
        &["cheaper-idle"],
        "Seconds that too many workers are idle before one leaves (spare2); default 10.",
        |d, v| set(&mut d.cheaper.idle, v),
    ),
    does(
        &["cheaper-rss-limit-soft"],
        "Resident bytes of all workers from which on none is added.",
        |d, v| {
            d.cheaper.soft_memory = unless_zero(natural(v)?);
            Ok(())
        },
    ),
    does(
        &["cheaper-rss-limit-hard"],
        "Resident bytes of all workers at which one leaves.",
        |d, v| {
            d.cheaper.hard_memory = unless_zero(natural(v)?);
            Ok(())
        },
    ),
    does(
        &["cheaper-busyness-min"],
        "Percent of their time in requests below which there are too many workers; default 25.",
        |d, v| set(&mut d.cheaper.busyness.least, v),
    ),
    does(
        &["cheaper-busyness-max"],
        "Percent of their time in requests above which there are too few workers; default 50.",
        |d, v| set(&mut d.cheaper.busyness.most, v),
    ),
    does(
        &["cheaper-busyness-multiplier"],
        "A worker leaves after so many times cheaper-overload seconds of too little work; default 10.",
        |d, v| set(&mut d.cheaper.busyness.multiplier, v),
    ),
    does(
        &["cheaper-busyness-penalty"],
        "Added to the multiplier when a worker was missed at once; default 2.",
        |d, v| set(&mut d.cheaper.busyness.penalty, v),
    ),
    does(
        &["cheaper-busyness-backlog-alert"],
        "Length of the accept queue beyond which workers are added at once; default 33.",
        |d, v| set_count(&mut d.cheaper.busyness.alert, v),
    ),
    does(
        &["cheaper-busyness-backlog-step"],
        "How many workers are added then; default 1.",
        |d, v| set_count(&mut d.cheaper.busyness.alert_step, v),
    ),
    does(
        &["cheaper-busyness-backlog-multiplier"],
        "The multiplier while there are such workers; default 3.",
        |d, v| set(&mut d.cheaper.busyness.alert_multiplier, v),
    ),
    does(
        &["cheaper-busyness-backlog-nonzero"],
        "Seconds of an accept queue that never is empty after which workers are added; default 60.",
        |d, v| set(&mut d.cheaper.busyness.nonzero, v),
    ),
    does(
        &["cheaper-busyness-verbose"],
        "Tell the log of each measurement.",
        |d, v| {
            d.cheaper.busyness.verbose = is_on(v);
            Ok(())
        },
    ),
    does(
        &["cheap"],
        "Start without workers: the first connection brings them.",
        |d, v| {
            d.settings.scaling.cheap = is_on(v);
            Ok(())
        },
    ),
    does(
        &["idle"],
        "Seconds without a request after which all workers leave until the next connection.",
        |d, v| {
            let idle = seconds(v)?;
            d.settings.scaling.idle = (!idle.is_zero()).then_some(idle);
            Ok(())
        },
    ),
    does(
        &["die-on-idle"],
        "After idle seconds without a request the server stops.",
        |d, v| {
            d.settings.scaling.die_on_idle = is_on(v);
            Ok(())
        },
    ),
];
