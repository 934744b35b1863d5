//! Which requests can go to another worker, and that they mean the same there.

use std::collections::BTreeMap;
use std::os::unix::net::UnixStream;
use std::sync::atomic::AtomicBool;

use config::{Dialect, RouteChain, Routes, Settings, Wire};
use protocol::gateway::FirstLine;
use protocol::{Limits, Stamp};

use super::*;
use crate::connection::{Bounds, Front, Workspace};
use crate::exchange::Step;
use crate::gather::Gatherer;
use crate::origin::Origins;
use crate::peers::Peers;
use crate::routes::Router;

fn exchange(wire: Wire, routes: Option<&Routes>) -> Exchange {
    let settings = Settings::new(Dialect::Native);
    let bounds = Bounds {
        body_buffer: 1 << 20,
        await_body: true,
        response_buffer: 1 << 20,
        body_patience: Duration::ZERO,
        write_patience: Duration::ZERO,
        gatherer: Gatherer::new(1),
        header_rules: settings.header_rules.clone(),
        origins: Origins::new(&settings),
        router: routes.and_then(|routes| Router::new(routes, 1)),
        error_pages: BTreeMap::new(),
        leaving: AtomicBool::new(false),
        told_to_leave: Default::default(),
        hurry: AtomicBool::new(false),
    };
    let front = Front {
        server_name: "/socket".to_owned(),
        server_port: String::new(),
        is_unix: true,
        index: 0,
        shown: "unix:/socket".to_owned(),
        wire,
        first_line: FirstLine::StatusField,
        allowed: Peers::default(),
        proxy_protocol: None,
        commons: None,
    };
    let (stream, _) = UnixStream::pair().expect("a socket pair");
    let arrival = Arrival {
        stream: stream_of(stream.into(), true),
        front: Arc::new(front),
        address: None,
    };
    let now = Instant::now();
    let stamp = Stamp {
        date: *telemetry::DateClock::new().at(0),
        dated: false,
        server: "",
        added: "",
    };
    Exchange {
        connection: Box::new(Connection::new(arrival, 0, Limits::default())),
        work: Box::new(Workspace::new(stamp, now, Arc::new(bounds))),
    }
}

/// As the reactor reads it: what is not understood yet waits in the inbox.
fn read(mut exchange: Exchange, sent: &[u8]) -> Exchange {
    let (used, step) = exchange.parse(sent);
    if matches!(step, Step::Ready) {
        exchange.work.inbox.extend_from_slice(&sent[used..]);
    }
    exchange
}

fn over_http(sent: &[u8]) -> Exchange {
    read(exchange(Wire::Http1, None), sent)
}

#[test]
fn a_request_that_goes_means_the_same_where_it_arrives() {
    let large = "x".repeat(50_000);
    for sent in [
        "GET / HTTP/1.0\r\n\r\n".to_owned(),
        "GET /a%20b?c=d HTTP/1.1\r\nhost:  x\r\nCookie: a=b\r\ncookie: c\r\n\r\n".to_owned(),
        "GET http://other HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".to_owned(),
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\na body".to_owned(),
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".to_owned(),
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\na b\r\n3\r\nody\r\n0\r\n\r\n"
            .to_owned(),
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Sum: t\r\n\r\n".to_owned(),
        format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 50000\r\n\r\n{large}"),
        "GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\nGET".to_owned(),
        "GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-Host: site.example\r\nX-Forwarded-Proto: https\r\n\r\n"
            .to_owned(),
        "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n".to_owned(),
    ] {
        let here = over_http(sent.as_bytes());
        assert!(can_go(&here), "{sent:?}");
        let mut packet = Vec::new();
        write_again(&here, &mut packet);
        let there = over_http(&packet);
        let meaning = |exchange: &Exchange| {
            let work = &exchange.work;
            let fields: Vec<_> = (work.head.fields())
                .map(|(name, value)| (name.to_vec(), value.to_vec()))
                .collect();
            (
                (work.head.method().to_vec(), work.head.target().to_vec()),
                (work.head.host().map(<[u8]>::to_vec), fields),
                (work.head.version(), work.head.keep_alive(), exchange.is_secure()),
                (work.head.body_length(), work.body.clone(), work.inbox.clone()),
            )
        };
        assert_eq!(meaning(&there), meaning(&here), "{sent:?}");
        assert!(can_go(&there), "{sent:?}: and it can go on from there");
    }
}

#[test]
fn what_is_not_whole_or_means_something_only_here_stays() {
    let too_large = "x".repeat(LARGEST_REQUEST);
    for sent in [
        "GET / HTTP/1.1\r\nHost: x\r\n".to_owned(),
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\na bo".to_owned(),
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na b\r\n".to_owned(),
        "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx".to_owned(),
        format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {LARGEST_REQUEST}\r\n\r\n{too_large}"),
        format!("GET / HTTP/1.1\r\nHost: x\r\n\r\n{too_large}"),
    ] {
        assert!(!can_go(&over_http(sent.as_bytes())), "{:?}", &sent[..60]);
    }
}

#[test]
fn a_web_servers_request_goes_once_its_body_is_there() {
    let variables =
        "CONTENT_LENGTH\x003\x00SCGI\x001\x00REQUEST_METHOD\x00POST\x00REQUEST_URI\x00/a%20b?c\x00";
    let sent = format!("{}:{variables},abc", variables.len());
    let by_scgi = |sent: &str| read(exchange(Wire::Scgi, None), sent.as_bytes());
    assert!(!can_go(&by_scgi(&sent[..sent.len() - 1])));
    let here = by_scgi(&sent);
    assert_eq!(here.work.stage, Stage::Serving, "{here:?}");
    assert!(can_go(&here));
    let mut packet = Vec::new();
    write_again(&here, &mut packet);
    assert_eq!(
        packet.escape_ascii().to_string(),
        sent.as_bytes().escape_ascii().to_string()
    );
}

#[test]
fn what_is_answered_in_part_or_under_rules_stays() {
    let whole = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut begun = over_http(whole);
    begun.work.outbox.tail().extend_from_slice(b"an earlier answer");
    assert!(!can_go(&begun));
    let mut ending = over_http(whole);
    ending.connection.ending = Ending::Flush;
    assert!(!can_go(&ending));
    let mut read_from = over_http(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\na body");
    read_from.consume_body(1);
    assert!(!can_go(&read_from));
    let rules = RouteChain {
        rules: vec![config::Route {
            condition: config::RouteCondition::Always,
            action: config::RouteAction::Log("seen".to_owned()),
        }],
        ..RouteChain::default()
    };
    let rules = Routes {
        request: rules,
        ..Routes::default()
    };
    assert!(!can_go(&read(exchange(Wire::Http1, Some(&rules)), whole)));
}
