//! What a server tells about itself, to whom and how: plain data; `master` tells it.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::Address;

/// By default nothing is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatisticsSettings {
    /// Whoever connects to one of these is sent a JSON document.
    pub servers: Vec<Address>,
    /// With an HTTP head in front.
    pub http: bool,
    /// Without white space.
    pub minified: bool,
    /// Without the threads of workers.
    pub without_cores: bool,
    /// With the metrics.
    pub with_metrics: bool,
    /// Who is told without asking.
    pub pushes: Vec<StatisticsPush>,
}

/// Somebody who is told again and again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatisticsPush {
    /// Who.
    pub target: StatisticsTarget,
    /// How often.
    pub interval: Duration,
    /// With the numbers of each thread.
    pub with_cores: bool,
}

/// Where numbers are sent. Addresses are `HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatisticsTarget {
    /// A StatsD server, by UDP.
    Statsd {
        /// Where it is.
        address: String,
        /// In front of every name.
        prefix: String,
        /// Every number is a gauge.
        gauges_only: bool,
    },
    /// A Carbon server, by TCP.
    Carbon {
        /// Where it is.
        address: String,
        /// The first part of every name.
        root: String,
        /// The part of every name that stands for this server.
        name: String,
    },
    /// The document in a datagram.
    Datagrams {
        /// Where to.
        address: String,
    },
    /// The document, appended to a file.
    File {
        /// Which.
        path: PathBuf,
        /// What stands between two documents.
        separator: String,
    },
}

impl fmt::Display for StatisticsTarget {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StatisticsTarget::Statsd { address, .. } => write!(formatter, "statsd:{address}"),
            StatisticsTarget::Carbon { address, .. } => write!(formatter, "carbon {address}"),
            StatisticsTarget::Datagrams { address } => write!(formatter, "socket:{address}"),
            StatisticsTarget::File { path, .. } => write!(formatter, "file:{}", path.display()),
        }
    }
}
