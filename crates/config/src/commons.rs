//! What the processes of a server have in common beyond requests: locks, caches. uWSGI's options set it, and its
//! applications reach it through `import uwsgi`.

use std::path::PathBuf;

/// What is held in common. By default there is the lock that always is, and nothing else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Commons {
    /// Locks beside the first.
    pub locks: u32,
    /// Caches; the first is meant where none is named.
    pub caches: Vec<CacheSettings>,
}

/// A cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheSettings {
    /// What it is called.
    pub name: String,
    /// Items it holds at most; at least 1.
    pub items: usize,
    /// Blocks for values; at least 1.
    pub blocks: usize,
    /// Bytes of a block.
    pub block_size: usize,
    /// Longest key, in bytes.
    pub key_size: usize,
    /// Lists that keys are spread over.
    pub buckets: usize,
    /// A value may take several blocks.
    pub chained: bool,
    /// What happens when there is no room.
    pub when_full: WhenFull,
    /// That there is no room is not worth a line in the log.
    pub ignore_full: bool,
    /// Values stay until they are removed, whatever their time.
    pub no_expiry: bool,
    /// File that it lies in.
    pub store: Option<PathBuf>,
    /// Begin with an empty file where the one that is there has other sizes.
    pub replace_store: bool,
    /// What a number that is not there is taken for.
    pub first_number: i64,
}

/// What happens when a cache has no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenFull {
    /// Nothing more is stored.
    #[default]
    Refuse,
    /// What has not been used for longest goes.
    ForgetOldest,
    /// Everything goes.
    Clear,
}
