//! What the processes of a server have in common beyond requests: locks, caches, processes beside the workers. uWSGI's options set it, and its
//! applications reach it through `import uwsgi`.

use std::path::PathBuf;
use std::time::Duration;

/// What is held in common. By default there is the lock that always is, and nothing else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Commons {
    /// Locks beside the first.
    pub locks: u32,
    /// Caches; the first is meant where none is named.
    pub caches: Vec<CacheSettings>,
    /// What they hold from the start.
    pub cached: Vec<CachedItem>,
    /// The ring of slots that all put values into and take them out of.
    pub queue: Option<QueueSettings>,
    /// Bytes that all read and write, by their numbers.
    pub areas: Vec<AreaSettings>,
    /// Numbers of the application's own.
    pub metrics: Vec<MetricSettings>,
    /// Processes that wait for messages and signals: what each runs first, a file or `MODULE:CALLABLE`.
    pub mules: Vec<Option<String>>,
    /// Groups of mules with a queue of their own.
    pub farms: Vec<Farm>,
    /// Bytes that messages for mules may take together until they are got; `None`: as many as the system gives a socket.
    pub message_room: Option<usize>,
    /// Directories of tasks.
    pub spoolers: Vec<Spooler>,
    /// How tasks are done.
    pub spooling: Spooling,
}

/// What a cache holds from the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CachedItem {
    /// The cache; `None`: each.
    pub cache: Option<String>,
    /// The key.
    pub key: String,
    /// The value.
    pub value: CachedValue,
}

/// The value of such an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CachedValue {
    /// This text.
    Text(String),
    /// The content of a file.
    File {
        /// Its path.
        path: PathBuf,
        /// As gzip packs it.
        packed: bool,
    },
}

/// A group of mules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Farm {
    /// What it is called.
    pub name: String,
    /// The numbers of its mules, from 1.
    pub mules: Vec<u32>,
}

/// A directory of tasks, or a server that has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spooler {
    /// The directory; or the server as it is shown.
    pub directory: PathBuf,
    /// The server.
    pub server: Option<RedisServer>,
    /// Another server does its tasks.
    pub external: bool,
}

/// How tasks are done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spooling {
    /// Processes for each directory; at least 1.
    pub processes: u32,
    /// How often a directory is looked through for tasks whose time has come, or that are to be tried again.
    pub frequency: Duration,
    /// Directory that tasks are done in.
    pub chdir: Option<PathBuf>,
    /// A process is replaced after this many tasks.
    pub max_tasks: Option<u64>,
    /// No line for each task.
    pub quiet: bool,
    /// Modules and files that are imported after the application.
    pub imports: Vec<String>,
}

impl Default for Spooling {
    fn default() -> Spooling {
        Spooling {
            processes: 1,
            frequency: Duration::from_secs(30),
            chdir: None,
            max_tasks: None,
            quiet: false,
            imports: Vec::new(),
        }
    }
}

/// A process beside the workers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Aide {
    /// One that waits for messages and signals.
    Mule {
        /// From 1.
        number: u32,
        /// What it runs first.
        program: Option<String>,
    },
    /// One that does the tasks of a directory.
    Spooler {
        /// The directory's place among all of them, from 0.
        index: usize,
        /// From 1, among those of one directory.
        number: u32,
        /// The directory.
        directory: PathBuf,
    },
}

impl Aide {
    /// What it is called in the log and in the list of processes.
    pub fn title(&self) -> String {
        match self {
            Aide::Mule { number, .. } => format!("uWSGI mule {number}"),
            Aide::Spooler {
                number, directory, ..
            } => {
                format!("uWSGI spooler {number} on dir {}", directory.display())
            }
        }
    }
}

impl Commons {
    /// Every process beside the workers.
    pub fn aides(&self) -> Vec<Aide> {
        let mules = (1..).zip(&self.mules).map(|(number, program)| Aide::Mule {
            number,
            program: program.clone(),
        });
        let own = self
            .spoolers
            .iter()
            .enumerate()
            .filter(|(_, spooler)| !spooler.external);
        let spoolers = own.flat_map(|(index, spooler)| {
            (1..=self.spooling.processes).map(move |number| Aide::Spooler {
                index,
                number,
                directory: spooler.directory.clone(),
            })
        });
        mules.chain(spoolers).collect()
    }
}

/// The queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueSettings {
    /// Slots; at least 1.
    pub slots: usize,
    /// Bytes of the largest value.
    pub block_size: usize,
    /// File that it lies in.
    pub store: Option<PathBuf>,
}

/// A shared area.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AreaSettings {
    /// Bytes.
    pub size: usize,
    /// File that it lies in.
    pub store: Option<PathBuf>,
}

/// A number of the application's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricSettings {
    /// What it is called.
    pub name: String,
    /// What kind of number it is.
    pub kind: MetricKind,
    /// Its place in uWSGI's tree of numbers; only shown.
    pub oid: String,
    /// What it begins with.
    pub first: i64,
}

/// What kind of number a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
    /// It is whatever it is set to.
    Absolute,
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
    /// The server that it is on, in place of this one's memory. Its limits hold then.
    pub server: Option<RedisServer>,
}

/// A Redis server, or Valkey.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisServer {
    /// `redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE]`, or `redis+unix:///PATH?db=DATABASE`.
    pub url: String,
}

impl RedisServer {
    /// The server that a text means; `None` when it is something else, as a directory.
    pub fn read(text: &str) -> Option<RedisServer> {
        let (scheme, _) = text.split_once("://")?;
        let known = [
            "redis",
            "valkey",
            "redis+unix",
            "valkey+unix",
            "rediss",
            "valkeys",
        ];
        known
            .contains(&scheme)
            .then(|| RedisServer { url: text.to_owned() })
    }

    /// Without user and password.
    pub fn shown(&self) -> String {
        match (self.url.split_once("://"), self.url.rsplit_once('@')) {
            (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://{rest}"),
            _ => self.url.clone(),
        }
    }

    /// Whether the connection would have to be encrypted, which is not offered.
    pub fn wants_tls(&self) -> bool {
        self.url.starts_with("rediss:") || self.url.starts_with("valkeys:")
    }
}

/// No password in any log.
impl std::fmt::Debug for RedisServer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.shown())
    }
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
