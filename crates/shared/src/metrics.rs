//! Numbers of the application's own that all processes count with: one word each, so that no lock is needed.

use std::io;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{AcqRel, Acquire};

/// A number. Copies are the same number.
#[derive(Clone, Copy, Debug)]
pub struct Metric(&'static AtomicU64);

impl Metric {
    /// One that begins with `value`, in memory that this process and its later forks share.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub fn create(value: i64) -> io::Result<Metric> {
        let words = sys::shared_words(1)?;
        words[0].store(value.cast_unsigned(), std::sync::atomic::Ordering::Release);
        Ok(Metric(&words[0]))
    }

    /// What it is now.
    pub fn value(&self) -> i64 {
        self.0.load(Acquire).cast_signed()
    }

    /// Replaces it by what `change` makes of it, whatever others do meanwhile.
    pub fn update(&self, change: impl Fn(i64) -> i64) {
        // It always changes.
        let _ = self.0.fetch_update(AcqRel, Acquire, |word| {
            Some(change(word.cast_signed()).cast_unsigned())
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_counted_at_the_same_time_is_lost() {
        let metric = Metric::create(-5).expect("memory");
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1000).for_each(|_| metric.update(|number| number + 1)));
            }
        });
        assert_eq!(metric.value(), 3995);
    }
}
