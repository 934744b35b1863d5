//! What uWSGI's options mean here that tell others about the server.

use std::time::Duration;

use super::sockets::socket_address;
use super::{Draft, Entry, always, at_start, does, does_with_text, seconds};
use crate::uwsgi::known::is_on;
use crate::{Address, StatisticsPush, StatisticsTarget};

/// How often Carbon is told, unless `carbon-freq` says otherwise.
const CARBON_INTERVAL: Duration = Duration::from_secs(60);

/// `KIND:ARGUMENTS`, as `stats-push` has it.
fn push(draft: &mut Draft<'_>, value: &str) -> Result<(), String> {
    let (kind, arguments) = value.split_once(':').unwrap_or((value, ""));
    let mut words = arguments.split(',').map(str::trim);
    let named = |name: &str| {
        let mut values = arguments
            .split(',')
            .filter_map(|word| word.trim().split_once('='));
        values
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value.to_owned())
    };
    let mut plain = words
        .by_ref()
        .filter(|word| !word.is_empty() && !word.contains('='));
    let (first, second) = (plain.next().map(str::to_owned), plain.next().map(str::to_owned));
    let address = |example: &str| {
        let given = named("address").or_else(|| named("addr")).or(first.clone());
        given
            .filter(|given| given.contains(':'))
            .ok_or_else(|| format!("'{value}' names no HOST:PORT: write {example}"))
    };
    let target = match kind {
        "statsd" => StatisticsTarget::Statsd {
            address: address("statsd:127.0.0.1:8125,PREFIX")?,
            prefix: named("prefix").or(second).unwrap_or_else(|| "uwsgi".to_owned()),
            gauges_only: named("all_gauges").is_some_and(|value| is_on(&value)),
        },
        "carbon" => carbon_target(address("carbon:127.0.0.1:2003")?),
        "socket" => StatisticsTarget::Datagrams {
            address: address("socket:127.0.0.1:5000")?,
        },
        "file" => StatisticsTarget::File {
            path: at_start(
                draft,
                &named("path")
                    .or(first)
                    .unwrap_or_else(|| "uwsgi.stats".to_owned()),
            ),
            separator: named("separator").unwrap_or_else(|| "\n\n".to_owned()),
        },
        _ => {
            return Err(format!(
                "nobody can be told as '{kind}': take statsd, carbon, socket or file"
            ));
        }
    };
    let interval = named("freq").map(|text| seconds(&text)).transpose()?;
    draft.statistics_pushes.push((target, interval));
    Ok(())
}

fn carbon_target(address: String) -> StatisticsTarget {
    StatisticsTarget::Carbon {
        address,
        root: String::new(),
        name: String::new(),
    }
}

/// Once everything is known: who is told, how often and under which name.
pub(in crate::uwsgi) fn finish(draft: &mut Draft<'_>) {
    let statistics = &mut draft.settings.statistics;
    statistics.with_metrics |= !draft.settings.commons.metrics.is_empty();
    statistics.with_metrics &= !draft.without_metrics;
    let carbon = &draft.carbon;
    let first_socket = draft.settings.binds.first().map(|bind| name_of(&bind.address));
    let name = carbon.name.clone().or(first_socket).unwrap_or_default();
    for (mut target, interval) in std::mem::take(&mut draft.statistics_pushes) {
        let mut usual = draft.push_interval.unwrap_or(Duration::from_secs(3));
        if let StatisticsTarget::Carbon { root, name: own, .. } = &mut target {
            usual = carbon.interval.unwrap_or(CARBON_INTERVAL);
            *root = carbon.root.clone().unwrap_or_else(|| "uwsgi".to_owned());
            *own = name.replace(['.', ' '], "_");
        }
        draft.settings.statistics.pushes.push(StatisticsPush {
            target,
            interval: interval.unwrap_or(usual).max(Duration::from_secs(1)),
            with_cores: !draft.metrics_without_cores,
        });
    }
}

fn name_of(address: &Address) -> String {
    match address {
        Address::Tcp(host, port) => format!("{host}:{port}"),
        Address::Unix(path) => path.display().to_string(),
        Address::Abstract(name) => Address::abstract_text(name),
        Address::Descriptor(number) => format!("fd:{number}"),
    }
}

/// What the `carbon-` options say.
#[derive(Debug, Default)]
pub(in crate::uwsgi) struct Carbon {
    root: Option<String>,
    name: Option<String>,
    interval: Option<Duration>,
}

/// The entries, in the order of the compatibility page.
pub(super) const ENTRIES: &[Entry] = &[
    does(
        &["stats", "stats-server"],
        "Send a JSON document about the server to whoever connects here: HOST:PORT, :PORT, a path, fd://N.",
        |d, v| {
            let address = socket_address(d, v, d.roots.master.as_ref())?;
            d.settings.statistics.servers.push(address);
            Ok(())
        },
    ),
    does(&["stats-http"], "With an HTTP head in front.", |d, v| {
        d.settings.statistics.http = is_on(v);
        Ok(())
    }),
    does(
        &["stats-minified", "stats-min"],
        "Without white space.",
        |d, v| {
            d.settings.statistics.minified = is_on(v);
            Ok(())
        },
    ),
    does(&["stats-no-cores"], "Without the threads of workers.", |d, v| {
        d.settings.statistics.without_cores = is_on(v);
        Ok(())
    }),
    does_with_text(
        &["stats-push"],
        "Tell the numbers to statsd:HOST:PORT[,PREFIX], carbon:HOST:PORT, or the document to socket:HOST:PORT or \
         file:PATH; freq=SECONDS says how often; may be repeated.",
        push,
    ),
    does(
        &["stats-pusher-default-freq", "stats-pushers-default-freq"],
        "How often stats-push tells, in seconds; default 3.",
        |d, v| {
            d.push_interval = Some(seconds(v)?);
            Ok(())
        },
    ),
    does(
        &["carbon"],
        "Tell the numbers to the Carbon server at HOST:PORT; may be repeated.",
        |d, v| {
            if !v.contains(':') {
                return Err(format!("'{v}' has to be HOST:PORT"));
            }
            d.statistics_pushes.push((carbon_target(v.to_owned()), None));
            Ok(())
        },
    ),
    does(
        &["carbon-freq"],
        "How often Carbon is told, in seconds; default 60.",
        |d, v| {
            d.carbon.interval = Some(seconds(v)?);
            Ok(())
        },
    ),
    does(
        &["carbon-root"],
        "The first part of the names Carbon is told; default uwsgi.",
        |d, v| {
            d.carbon.root = Some(v.trim_end_matches('.').to_owned());
            Ok(())
        },
    ),
    does(
        &["carbon-id"],
        "This server's part of the names Carbon is told; default its first address.",
        |d, v| {
            d.carbon.name = Some(v.to_owned());
            Ok(())
        },
    ),
    does(
        &["metrics-no-cores"],
        "Do not tell the numbers of each thread.",
        |d, v| {
            d.metrics_without_cores = is_on(v);
            Ok(())
        },
    ),
    does(
        &["memory-report"],
        "Put the memory of the worker in front of each request's line.",
        |d, v| {
            d.memory_report = is_on(v);
            Ok(())
        },
    ),
    does(
        &["enable-metrics"],
        "The document has the metrics too, as with the option metric; stats-push and carbon send them in any case.",
        |d, v| {
            d.settings.statistics.with_metrics = is_on(v);
            Ok(())
        },
    ),
    does(&["stats-no-metrics"], "Without the metrics.", |d, v| {
        d.without_metrics = is_on(v);
        Ok(())
    }),
    always(
        &["carbon-hostname-dots"],
        "Dots in the host's name are always underscores, as the value usually asks.",
    ),
    always(
        &["carbon-resolve-names", "carbon-name-resolve"],
        "Names of hosts are always looked up, once.",
    ),
];
