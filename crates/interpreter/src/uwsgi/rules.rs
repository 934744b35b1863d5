//! What rules of routing ask of caches, metrics and signals. Caches on other servers are refused to them by `config`: nobody waits
//! here.

use std::sync::Arc;

use config::Operation;
use shared::Existing;
use telemetry::ErrorLog;

use super::Lines;
use super::backing::{Backing, Calculation};
use super::commons::NamedCache;
use super::stores::Stored;

/// The commons of this server, for the rules of a worker.
#[derive(Debug)]
pub(super) struct ForRules {
    pub(super) caches: Vec<Arc<NamedCache>>,
    pub(super) stored: Stored,
    pub(super) lines: Lines,
    pub(super) log: ErrorLog,
}

impl ForRules {
    fn find(&self, name: Option<&str>) -> Option<&NamedCache> {
        let mut caches = self.caches.iter().map(Arc::as_ref);
        let found = match name {
            None => caches.next(),
            Some(name) => caches.find(|cache| cache.settings.name == name),
        };
        found.filter(|cache| matches!(cache.cache, Backing::Memory(_)))
    }
}

fn sign(operation: Operation) -> char {
    match operation {
        Operation::Add => '+',
        Operation::Subtract => '-',
        Operation::Multiply => '*',
        Operation::Divide => '/',
    }
}

impl worker::Commons for ForRules {
    fn cached(&self, cache: Option<&str>, key: &[u8]) -> Option<Vec<u8>> {
        self.find(cache)?.cache.value(&self.log, key).ok()?
    }

    fn cache(&self, cache: Option<&str>, key: &[u8], value: &[u8], seconds: u64) {
        if let Some(cache) = self.find(cache) {
            // What does not fit is not there, as for an application.
            let _ = cache.cache.store(&self.log, key, value, seconds, Existing::Keep);
        }
    }

    fn count(&self, cache: Option<&str>, key: &[u8], operation: Operation, by: i64, seconds: u64) {
        if let Some(cache) = self.find(cache) {
            let calculation = Calculation {
                operation: sign(operation),
                amount: by,
                first: cache.settings.first_number,
            };
            let _ = cache.cache.calculate(&self.log, key, calculation, seconds);
        }
    }

    fn metric(&self, name: &str) -> i64 {
        let mut metrics = self.stored.metrics();
        let found = metrics.find(|(settings, _)| settings.name == name);
        found.map_or(0, |(_, value)| value)
    }

    fn change_metric(&self, name: &str, operation: Option<Operation>, by: i64) {
        // One that is not there stays so.
        let _ = self.stored.change_metric(name, operation.map_or('=', sign), by);
    }

    fn raise(&self, signal: u8) {
        // One that nobody has registered goes nowhere, and who does not keep up misses some.
        self.lines.send(signal);
    }
}
