//! The JSON document of uWSGI's `stats`: every key that it has, in its order; what there is only where it is
//! asked for comes from [`blocks`].
//!
//! What it shows of a request in progress is method, target and client, where uWSGI shows every variable, cookies and
//! passwords among them, to whoever can connect.

use config::UWSGI_VERSION;

use super::blocks;
use super::json::{Json, object};
use super::{CoreStatistics, CurrentRequest, SocketStatistics, Statistics, WorkerStatistics, WorkerStatus};

/// The document; `minified` without white space, and without the threads of workers unless `with_cores`.
pub fn document(statistics: &Statistics, minified: bool, with_cores: bool) -> String {
    let list = |items: Vec<Json>| Json::List(items);
    let workers = statistics
        .workers
        .iter()
        .map(|worker| of_worker(worker, &statistics.directory, with_cores));
    let queue = statistics.longest_queue();
    let extras = &statistics.extras;
    let members = [
        ("version", Some(UWSGI_VERSION.into())),
        ("listen_queue", Some(queue.into())),
        ("listen_queue_errors", Some(Json::Number(0))),
        ("signal_queue", Some(Json::Number(0))),
        ("load", Some(queue.into())),
        ("pid", Some(statistics.pid.into())),
        ("uid", Some(statistics.uid.into())),
        ("gid", Some(statistics.gid.into())),
        ("cwd", Some(statistics.directory.as_str().into())),
        ("daemons", blocks::daemons(extras)),
        ("locks", Some(blocks::locks(extras))),
        ("caches", blocks::caches(extras)),
        ("metrics", blocks::all_metrics(statistics, with_cores)),
        (
            "sockets",
            Some(list(statistics.sockets.iter().map(of_socket).collect())),
        ),
        ("workers", Some(list(workers.collect()))),
        ("spoolers", blocks::spoolers(extras)),
        ("crons", blocks::crons(extras)),
    ];
    let there = members
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)));
    object(there).render(minified) + "\n"
}

fn of_socket(socket: &SocketStatistics) -> Json {
    object([
        ("name", socket.name.as_str().into()),
        ("proto", socket.protocol.into()),
        ("queue", socket.queue.into()),
        ("max_queue", socket.queue_limit.into()),
        ("shared", Json::Number(0)),
        ("can_offload", Json::Number(0)),
    ])
}

fn of_worker(worker: &WorkerStatistics, directory: &str, with_cores: bool) -> Json {
    let status = match worker.status {
        WorkerStatus::Idle => "idle",
        WorkerStatus::Busy => "busy",
        WorkerStatus::Cheap => "cheap",
    };
    let application = worker.application.iter().map(|application| {
        object([
            ("id", Json::Number(0)),
            ("modifier1", Json::Number(0)),
            ("mountpoint", application.mount.as_str().into()),
            ("startup_time", application.startup_seconds.into()),
            ("requests", application.requests.into()),
            ("exceptions", application.exceptions.into()),
            ("chdir", directory.into()),
        ])
    });
    let cores = worker.cores.iter().zip(0_u64..).map(of_core);
    let mut members = vec![
        ("id", worker.number.into()),
        ("pid", worker.pid.into()),
        ("accepting", worker.accepting.into()),
        ("requests", worker.requests.into()),
        ("delta_requests", worker.requests_since_spawn.into()),
        ("exceptions", worker.exceptions.into()),
        ("harakiri_count", worker.harakiri.into()),
        ("signals", worker.signals.into()),
        ("signal_queue", Json::Number(0)),
        ("status", status.into()),
        ("rss", worker.resident.into()),
        ("vsz", worker.address_space.into()),
        ("running_time", worker.running_us.into()),
        ("last_spawn", worker.last_spawn.into()),
        ("respawn_count", worker.spawns.into()),
        ("tx", worker.sent.into()),
        ("avg_rt", worker.average_us.into()),
        ("apps", Json::List(application.collect())),
    ];
    if with_cores {
        members.push(("cores", Json::List(cores.collect())));
    }
    object(members)
}

fn of_core((core, id): (&CoreStatistics, u64)) -> Json {
    let started = core.request.as_ref().map(|request| request.started);
    object([
        ("id", id.into()),
        ("requests", core.requests.into()),
        ("static_requests", core.static_requests.into()),
        ("routed_requests", core.routed_requests.into()),
        ("offloaded_requests", Json::Number(0)),
        ("write_errors", core.write_errors.into()),
        ("read_errors", core.read_errors.into()),
        ("in_request", core.request.is_some().into()),
        (
            "vars",
            Json::List(core.request.as_ref().map(variables).unwrap_or_default()),
        ),
        (
            "req_info",
            object(started.map(|started| ("request_start", Json::Number(started)))),
        ),
    ])
}

/// `NAME=VALUE`, and the empty text that uWSGI ends the list with.
fn variables(request: &CurrentRequest) -> Vec<Json> {
    let (method, target) = request.line.split_once(' ').unwrap_or((&request.line, ""));
    [
        format!("REQUEST_METHOD={method}"),
        format!("REQUEST_URI={target}"),
        format!("REMOTE_ADDR={}", request.client),
        String::new(),
    ]
    .map(Json::Text)
    .into()
}

#[cfg(test)]
mod tests {
    use super::super::{ApplicationStatistics, Extras};
    use super::*;

    #[test]
    fn the_document_reads_as_uwsgis_with_a_request_in_progress_and_without() {
        let statistics = Statistics {
            pid: 5,
            directory: "/srv".to_owned(),
            sockets: vec![SocketStatistics {
                name: "127.0.0.1:80".to_owned(),
                protocol: "http",
                queue: 3,
                queue_limit: 100,
            }],
            workers: vec![WorkerStatistics {
                number: 1,
                pid: 6,
                accepting: true,
                requests: 12,
                requests_since_spawn: 2,
                status: WorkerStatus::Busy,
                application: Some(ApplicationStatistics::default()),
                cores: vec![
                    CoreStatistics::default(),
                    CoreStatistics {
                        request: Some(CurrentRequest {
                            line: "GET /a?b".to_owned(),
                            client: "::1".to_owned(),
                            started: 9,
                        }),
                        ..CoreStatistics::default()
                    },
                ],
                ..WorkerStatistics::default()
            }],
            extras: Extras {
                locks: vec![0, 6],
                ..Extras::default()
            },
            ..Statistics::default()
        };
        let text = document(&statistics, true, true);
        for part in [
            r#"{"version":"2.0.31","listen_queue":3,"#,
            r#""load":3,"pid":5,"uid":0,"gid":0,"cwd":"/srv","locks":[{"user 0":0},{"user 1":6},{"signal":0},"#,
            r#""sockets":[{"name":"127.0.0.1:80","proto":"http","queue":3,"max_queue":100,"shared":0,"can_offload":0}]"#,
            r#""workers":[{"id":1,"pid":6,"accepting":1,"requests":12,"delta_requests":2,"exceptions":0,"#,
            r#""apps":[{"id":0,"modifier1":0,"mountpoint":"","startup_time":0,"requests":0,"exceptions":0,"chdir":"/srv"}]"#,
            r#""in_request":0,"vars":[],"req_info":{}}"#,
            r#""vars":["REQUEST_METHOD=GET","REQUEST_URI=/a?b","REMOTE_ADDR=::1",""],"req_info":{"request_start":9}}"#,
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        assert!(!document(&statistics, true, false).contains("cores"));
    }
}
