//! When a worker is replaced for its age or its memory: plain data; `master` decides and acts.

use std::time::Duration;

/// Limits of a worker's life. By default there are none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkerLimits {
    /// A worker that has lived so long is replaced.
    pub lifetime: Option<Duration>,
    /// Each worker lives so much longer than the one before it, so that they are not replaced all at once.
    pub lifetime_step: Duration,
    /// A worker is not replaced for its memory before it has lived so long: one that is born too large would be replaced for ever.
    pub least_lifetime: Duration,
    /// Memory at which it is replaced, as soon as its requests are done.
    pub graceful: Memory<Option<u64>>,
    /// Memory at which it is killed at once, requests and all.
    pub brutal: Memory<Option<u64>>,
}

/// Exceptions after which a worker is replaced, as soon as its requests are done. By default there are none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FatalExceptions {
    /// Each of them.
    pub all: bool,
    /// Those of these types: `Class` or `module.Class`.
    pub types: Vec<String>,
    /// Those with these texts.
    pub values: Vec<String>,
    /// Those whose type and text are so: `TYPE: TEXT`.
    pub reprs: Vec<String>,
}

impl FatalExceptions {
    /// Whether there is one at all.
    pub fn are_any(&self) -> bool {
        *self != FatalExceptions::default()
    }

    /// Whether the exception is one, of the class of this name in this module, and with this text.
    pub fn has(&self, module: &str, class: &str, text: &str) -> bool {
        let is_named = |name: &str| name == class || name.strip_suffix(class) == Some(&format!("{module}."));
        let is_shown = |shown: &str| {
            let parts = shown.split_once(": ");
            parts.is_some_and(|(name, value)| is_named(name) && value == text)
        };
        self.all
            || self.types.iter().any(|name| is_named(name))
            || self.values.iter().any(|value| value == text)
            || self.reprs.iter().any(|shown| is_shown(shown))
    }
}

/// What the system holds a worker to. By default nothing that was not inherited.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkerBounds {
    /// How many processors each worker is tied to: the first to the first so many, the second to the next.
    pub processors: Option<u32>,
    /// Bytes it may map.
    pub address_space: Option<u64>,
    /// Processes that its user may have.
    pub processes: Option<u64>,
}

/// The two ways to measure a process, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory<Bytes> {
    /// What it has in memory (resident set size).
    pub resident: Bytes,
    /// What it has mapped (address space).
    pub address_space: Bytes,
}

impl Memory<Option<u64>> {
    /// Whether there is a limit.
    pub fn is_limited(&self) -> bool {
        self.resident.is_some() || self.address_space.is_some()
    }

    /// What is beyond its limit, by its name, and how large it is.
    pub fn exceeded_by(&self, used: Memory<u64>) -> Option<(&'static str, u64)> {
        let over = |limit: Option<u64>, used: u64| limit.is_some_and(|limit| used >= limit);
        if over(self.resident, used.resident) {
            Some(("RSS", used.resident))
        } else if over(self.address_space, used.address_space) {
            Some(("ADDRESS SPACE", used.address_space))
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exception_is_fatal_by_its_type_its_text_or_both() {
        let one = |value: &str| vec![value.to_owned()];
        let types = |name: &str| FatalExceptions {
            types: one(name),
            ..FatalExceptions::default()
        };
        let values = |text: &str| FatalExceptions {
            values: one(text),
            ..FatalExceptions::default()
        };
        let reprs = |text: &str| FatalExceptions {
            reprs: one(text),
            ..FatalExceptions::default()
        };
        for (fatal, expected) in [
            (FatalExceptions::default(), false),
            (
                FatalExceptions {
                    all: true,
                    ..FatalExceptions::default()
                },
                true,
            ),
            (types("Gone"), true),
            (types("shop.Gone"), true),
            (types("other.Gone"), false),
            (types("one"), false),
            (values("no: way"), true),
            (values("no"), false),
            (reprs("shop.Gone: no: way"), true),
            (reprs("Gone: no: way"), true),
            (reprs("Gone: way"), false),
            (reprs("Gone"), false),
        ] {
            assert_eq!(fatal.has("shop", "Gone", "no: way"), expected, "{fatal:?}");
        }
    }
}
