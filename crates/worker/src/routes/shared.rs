//! What rules do with what processes share: caches, metrics, signals.

use config::{RouteAction, RouteCache};

use super::actions::impossible;
use super::texts::{expand, leading_number};
use super::{Outcome, Routed, Step, Subject};

/// Does what a rule says that is about these; nothing where processes share nothing, or the rule is about something else.
pub(super) fn act(
    action: &RouteAction,
    groups: &[String],
    subject: &mut dyn Subject,
    routed: &mut Routed,
) -> Step {
    try_to_act(action, groups, subject, routed).unwrap_or(Step::Next)
}

/// `None`: there is nothing to do it with.
fn try_to_act(
    action: &RouteAction,
    groups: &[String],
    subject: &mut dyn Subject,
    routed: &mut Routed,
) -> Option<Step> {
    let commons = subject.commons()?;
    let text = |template: &str| expand(template, groups, subject);
    let place = |cache: &RouteCache| (cache.name.as_deref().map(text), text(&cache.key));
    match action {
        RouteAction::Cached {
            cache,
            media_type,
            encoding,
        } => {
            let (name, key) = place(cache);
            let bytes = commons.cached(name.as_deref(), key.as_bytes())?;
            return Some(Step::Answer(Outcome::Value {
                bytes,
                media_type: media_type.clone().unwrap_or_else(|| subject.media_type(&key)),
                encoding: encoding.clone(),
            }));
        }
        RouteAction::CacheVariable {
            cache,
            variable,
            as_number,
        } => {
            let (name, key) = place(cache);
            let value = commons.cached(name.as_deref(), key.as_bytes())?;
            let value = match (as_number, <[u8; 8]>::try_from(value.as_slice())) {
                (false, _) => String::from_utf8_lossy(&value).into_owned(),
                (true, Ok(number)) => i64::from_le_bytes(number).to_string(),
                (true, Err(_)) => "0".to_owned(),
            };
            if !subject.set(variable, &value) {
                return Some(impossible(routed, variable, &value));
            }
        }
        RouteAction::CacheStore {
            cache,
            value,
            expires,
        } => {
            let (name, key) = place(cache);
            commons.cache(name.as_deref(), key.as_bytes(), text(value).as_bytes(), *expires);
        }
        RouteAction::CacheCount {
            cache,
            operation,
            by,
            expires,
        } => {
            let (name, key) = place(cache);
            let by = leading_number(&text(by));
            commons.count(name.as_deref(), key.as_bytes(), *operation, by, *expires);
        }
        RouteAction::Metric { name, operation, by } => {
            commons.change_metric(&text(name), *operation, leading_number(&text(by)));
        }
        RouteAction::Signal(number) => commons.raise(*number),
        _ => return None,
    }
    Some(Step::Next)
}
