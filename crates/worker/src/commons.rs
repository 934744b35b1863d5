//! What rules may ask of what all processes of the server share. The room above has it.
//!
//! Rule: nothing here waits, as rules are followed by whoever has the reactor.

use config::Operation;

/// Caches, metrics and signals of the application's own, by name.
pub trait Commons: std::fmt::Debug + Send + Sync {
    /// The value of a key in a cache, or in the first one.
    fn cached(&self, cache: Option<&str>, key: &[u8]) -> Option<Vec<u8>>;
    /// Stores a value for so many seconds (0: for ever), unless there is one.
    fn cache(&self, cache: Option<&str>, key: &[u8], value: &[u8], seconds: u64);
    /// Changes a number; one that is not there stays for so many seconds.
    fn count(&self, cache: Option<&str>, key: &[u8], operation: Operation, by: i64, seconds: u64);
    /// The value of a metric; 0 where there is none.
    fn metric(&self, name: &str) -> i64;
    /// Changes a metric; without an operation it becomes `by`.
    fn change_metric(&self, name: &str, operation: Option<Operation>, by: i64);
    /// Raises a signal.
    fn raise(&self, signal: u8);
}
