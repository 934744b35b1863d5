//! Sends numbers to others at their pace: to StatsD (one datagram each), to Carbon (a line each over TCP), to a file or a
//! datagram socket (the JSON document).
//!
//! Nobody waits for the other side: what it does not take at once is gone, and the next numbers come soon.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs, UdpSocket};
use std::path::PathBuf;
use std::time::Duration;

use config::{StatisticsPush, StatisticsTarget};

use super::{Kind, Statistics, WorkerStatistics, document, metrics};

/// How long the master waits for a Carbon server to accept: it must be near.
const CARBON_PATIENCE: Duration = Duration::from_millis(200);

/// Who is told, and when next.
#[derive(Debug)]
pub struct Pusher {
    settings: StatisticsPush,
    /// Looked up once: asking for a name could take long.
    address: Option<SocketAddr>,
    /// On the clock of whoever calls.
    next_ms: u64,
    /// It failed the last time, and that was said.
    failing: bool,
}

impl Pusher {
    /// Tells for the first time one interval after `now_ms`.
    pub fn new(settings: &StatisticsPush, now_ms: u64) -> Pusher {
        let next_ms = now_ms + settings.interval.as_millis() as u64;
        let address = match &settings.target {
            StatisticsTarget::Statsd { address, .. }
            | StatisticsTarget::Carbon { address, .. }
            | StatisticsTarget::Datagrams { address } => resolve(address),
            StatisticsTarget::File { .. } => None,
        };
        Pusher {
            settings: settings.clone(),
            address,
            next_ms,
            failing: false,
        }
    }

    /// When it is due.
    pub fn next_ms(&self) -> u64 {
        self.next_ms
    }

    /// Tells, and is due again one interval later. The first failure of a row is returned as a sentence.
    pub fn push(&mut self, statistics: &Statistics, host: &str, epoch: u64, now_ms: u64) -> Option<String> {
        self.next_ms = now_ms + self.settings.interval.as_millis() as u64;
        let outcome = self.tell(statistics, host, epoch);
        let was_failing = std::mem::replace(&mut self.failing, outcome.is_err());
        let error = outcome.err().filter(|_| !was_failing)?;
        Some(format!(
            "statistics cannot be sent to {}: {error} (said once, tried again)",
            self.settings.target
        ))
    }

    fn tell(&self, statistics: &Statistics, host: &str, epoch: u64) -> io::Result<()> {
        let address = || self.address.ok_or_else(|| io::Error::other("it has no address"));
        match &self.settings.target {
            StatisticsTarget::Statsd {
                prefix, gauges_only, ..
            } => {
                let socket = datagram_socket(address()?)?;
                for metric in metrics(statistics, self.settings.with_cores) {
                    let kind = if *gauges_only || metric.kind != Kind::Counter {
                        "g"
                    } else {
                        "c"
                    };
                    let dot = if prefix.is_empty() { "" } else { "." };
                    socket
                        .send(format!("{prefix}{dot}{}:{}|{kind}", metric.name, metric.value).as_bytes())?;
                }
                Ok(())
            }
            StatisticsTarget::Carbon { root, name, .. } => {
                let text = carbon_lines(statistics, root, host, name, epoch);
                let mut stream = TcpStream::connect_timeout(&address()?, CARBON_PATIENCE)?;
                stream.set_write_timeout(Some(CARBON_PATIENCE))?;
                stream.write_all(text.as_bytes())
            }
            StatisticsTarget::Datagrams { .. } => {
                let text = document(statistics, true, self.settings.with_cores);
                datagram_socket(address()?)?.send(text.as_bytes()).map(drop)
            }
            StatisticsTarget::File { path, separator } => append(
                path,
                &(document(statistics, true, self.settings.with_cores) + separator),
            ),
        }
    }
}

fn append(path: &PathBuf, text: &str) -> io::Result<()> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)?
        .write_all(text.as_bytes())
}

fn datagram_socket(address: SocketAddr) -> io::Result<UdpSocket> {
    let own = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(own)?;
    socket.set_nonblocking(true)?;
    socket.connect(address)?;
    Ok(socket)
}

fn resolve(address: &str) -> Option<SocketAddr> {
    address.to_socket_addrs().ok()?.next()
}

/// A number of a worker, by its name.
type Value = (&'static str, fn(&WorkerStatistics) -> u64);

/// What Carbon is told of each worker, and of all together.
const CARBON_VALUES: [Value; 6] = [
    ("requests", |worker| worker.requests),
    ("rss_size", |worker| worker.resident),
    ("vsz_size", |worker| worker.address_space),
    ("avg_rt", |worker| worker.average_us),
    ("tx", |worker| worker.sent),
    ("harakiri", |worker| worker.harakiri),
];

/// Carbon's lines, in the names of uWSGI's carbon plugin: `ROOT.HOST.NAME.requests VALUE EPOCH`.
fn carbon_lines(statistics: &Statistics, root: &str, host: &str, name: &str, epoch: u64) -> String {
    let workers = &statistics.workers;
    let total = |of: fn(&WorkerStatistics) -> u64| workers.iter().map(of).sum::<u64>();
    let mut values: Vec<_> = CARBON_VALUES
        .iter()
        .map(|(what, of)| ((*what).to_owned(), total(*of)))
        .collect();
    values.push((
        "active_workers".to_owned(),
        total(|worker| u64::from(worker.pid > 0)),
    ));
    values.push((
        "cheaped_workers".to_owned(),
        total(|worker| u64::from(worker.pid == 0)),
    ));
    for worker in workers {
        let of_worker = |(what, of): &Value| (format!("worker{}.{what}", worker.number), of(worker));
        values.extend(CARBON_VALUES.iter().map(of_worker));
    }
    let lines = values
        .iter()
        .map(|(what, value)| format!("{root}.{host}.{name}.{what} {value} {epoch}\n"));
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carbon_is_told_of_the_whole_and_of_each_worker() {
        let statistics = Statistics {
            workers: vec![WorkerStatistics {
                number: 1,
                requests: 7,
                ..WorkerStatistics::default()
            }],
            ..Statistics::default()
        };
        let text = carbon_lines(&statistics, "uwsgi", "host", "8000", 99);
        assert!(text.starts_with("uwsgi.host.8000.requests 7 99\n"), "{text}");
        assert!(text.contains("uwsgi.host.8000.worker1.requests 7 99\n"), "{text}");
    }

    #[test]
    fn statsd_gets_a_datagram_for_each_number() {
        let server = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        server
            .set_read_timeout(Some(Duration::from_secs(30)))
            .expect("a timeout");
        let settings = StatisticsPush {
            target: StatisticsTarget::Statsd {
                address: server.local_addr().expect("an address").to_string(),
                prefix: "mine".to_owned(),
                gauges_only: false,
            },
            interval: Duration::from_secs(3),
            with_cores: false,
        };
        let mut pusher = Pusher::new(&settings, 0);
        assert_eq!(pusher.next_ms(), 3000);
        assert_eq!(pusher.push(&Statistics::default(), "host", 1, 3000), None);
        assert_eq!(pusher.next_ms(), 6000);
        let mut buffer = [0; 128];
        let length = server.recv(&mut buffer).expect("a datagram");
        assert_eq!(&buffer[..length], b"mine.core.routed_signals:0|c");
    }
}
