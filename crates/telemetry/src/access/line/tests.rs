//! Tables of formats and the lines they give for one request.

use std::time::{Duration, UNIX_EPOCH};

use config::Dialect;
use protocol::http1::Codec;
use protocol::{Limits, RequestHead, ResponseHead};

use super::super::{AccessFormat, AccessRecord, Via};
use super::Scratch;
use crate::clock::LocalClock;

const COMBINED: &str = r#"%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s""#;

fn head(wire: &str) -> RequestHead {
    let mut head = RequestHead::default();
    Codec::new(Limits::default()).receive(wire.as_bytes(), &mut head);
    assert!(!head.method().is_empty(), "not a request: {wire}");
    head
}

/// The line without its line feed, at 2026-11-22 09:39:19 UTC, after a request of 1.002003 s.
fn line(format: &str, dialect: Dialect, wire: &str, client: &str) -> String {
    line_of(format, dialect, &head(wire), client, Via::Application)
}

fn line_of(format: &str, dialect: Dialect, head: &RequestHead, client: &str, via: Via) -> String {
    let mut response = ResponseHead::default();
    response.set_status(b"200 OK").expect("a valid status");
    response
        .push(b"Content-Type", b"text/plain")
        .expect("a valid field");
    response.push(b"X-Quote", b"say \"hi\"").expect("a valid field");
    let record = AccessRecord {
        head,
        status: 200,
        response_fields: &response,
        body_bytes: 868,
        head_bytes: 55,
        duration: Duration::from_micros(1_002_003),
        waited: Duration::from_micros(45),
        client,
        client_port: 4711,
        scheme: "http",
        worker_number: 2,
        thread: 3,
        requests_of_worker: 7,
        requests_total: 12,
        noted: &[],
        via,
        is_wanted: false,
        read_failed: via == Via::Rule,
        write_failed: via == Via::Rule,
    };
    let format = AccessFormat::compile(format, dialect, false).expect("a valid format");
    let mut scratch = Scratch::with_clock(LocalClock::utc());
    let mut line = Vec::new();
    format.push_line(
        &mut line,
        &mut scratch,
        &record,
        UNIX_EPOCH + Duration::from_secs(1_795_340_359),
    );
    assert_eq!(line.pop(), Some(b'\n'));
    String::from_utf8(line).expect("lines are UTF-8")
}

const GET: &str = "GET /a%20b?x=1 HTTP/1.1\r\nHost: h\r\nReferer: http://r/\r\nUser-Agent: cu\"rl\\\r\n\
    Authorization: Basic dXNlcjpwYXNz\r\nX-Empty:\r\n\r\n";
const BARE: &str = "GET / HTTP/1.0\r\n\r\n";

#[test]
fn uwsgi_says_who_has_answered_and_what_rules_have_set() {
    let mut head = head(GET);
    for (name, value) in [("REMOTE_USER", "me"), ("OWN", "a\"b")] {
        assert!(head.set_variable(name.as_bytes(), value.as_bytes()));
    }
    let names = "%(app) %(req) %(user) %(var.OWN) %(rerr)%(werr)%(ioerr)%(via)";
    for (via, expected) in [
        (Via::Application, "0 7 me a\\\"b 000 "),
        (Via::ApplicationFile, "0 7 me a\\\"b 000 via sendfile() "),
        (Via::File, "-1 -1 me a\\\"b 000 via sendfile() "),
        (Via::Rule, "-1 -1 me a\\\"b 112 via route() "),
    ] {
        assert_eq!(line_of(names, Dialect::Uwsgi, &head, "127.0.0.1", via), expected);
    }
    let usual = line_of(
        config::UWSGI_DEFAULT_FORMAT,
        Dialect::Uwsgi,
        &head,
        "127.0.0.1",
        Via::File,
    );
    assert!(usual.contains("|app: -1|req: -1/12] 127.0.0.1 (me) {"), "{usual}");
    assert!(
        usual.contains(" in 1002 msecs via sendfile() (HTTP/1.1 200) "),
        "{usual}"
    );
    assert_eq!(line("%(user)", Dialect::Uwsgi, BARE, ""), "-");
}

#[test]
fn gunicorn_formats_give_the_lines_gunicorn_gives() {
    let pid = std::process::id();
    let table = [
        (
            COMBINED,
            r#"127.0.0.1 - user [22/Nov/2026:09:39:19 +0000] "GET /a%20b?x=1 HTTP/1.1" 200 868 "http://r/" "cu\"rl\\""#
                .to_owned(),
        ),
        ("%(m)s %(U)s %(q)s %(H)s", "GET /a b x=1 HTTP/1.1".to_owned()),
        ("%(T)s %(D)s %(M)s %(L)s", "1 1002003 1002 1.002003".to_owned()),
        ("%(p)s %(B)d %%", format!("<{pid}> 868 %")),
        ("%({host}i)s %({HOST}i)s %({absent}i)s %({x-empty}i)s", "h h - -".to_owned()),
        ("%({content-type}o)s %({x-quote}o)s %({absent}o)s", r#"text/plain say \"hi\" -"#.to_owned()),
        ("%({REMOTE_PORT}e)s %({http_referer}e)s %({wsgi.url_scheme}e)s", "4711 http://r/ http".to_owned()),
        ("%({wsgi.errors}e)s %(nobody)s", "- -".to_owned()),
    ];
    for (format, expected) in table {
        assert_eq!(
            line(format, Dialect::Gunicorn, GET, "127.0.0.1"),
            expected,
            "{format}"
        );
    }
}

#[test]
fn what_is_absent_is_a_dash() {
    let expected = r#"- - - [22/Nov/2026:09:39:19 +0000] "GET / HTTP/1.0" 200 868 "-" "-""#;
    assert_eq!(line(COMBINED, Dialect::Gunicorn, BARE, ""), expected);
}

#[test]
fn credentials_that_are_not_basic_name_no_user() {
    for value in [
        "Bearer dXNlcjpwYXNz",
        "Basic !!!!",
        "Basic dXNlcg==",
        "Basic",
        "Basic OnBhc3M=",
        "Basic dXNl====",
    ] {
        let wire = format!("GET / HTTP/1.1\r\nHost: h\r\nAuthorization: {value}\r\n\r\n");
        assert_eq!(line("%(u)s", Dialect::Gunicorn, &wire, "::1"), "-", "{value}");
    }
}

#[test]
fn a_decoded_path_cannot_begin_a_new_line() {
    let wire = "GET /a%0a127.0.0.1%22%1b[0m%ff HTTP/1.1\r\nHost: h\r\n\r\n";
    let expected = r#"/a\x0a127.0.0.1\"\x1b[0m\xff"#;
    assert_eq!(line("%(U)s", Dialect::Gunicorn, wire, "::1"), expected);
}

#[test]
fn uwsgi_formats_give_the_lines_uwsgi_gives() {
    let pid = std::process::id();
    let table = [
        (
            "",
            format!(
                "[pid: {pid}|app: 0|req: 7/12] 127.0.0.1 () {{6 vars in 118 bytes}} [Sun Nov 22 09:39:19 2026] \
                 GET / => generated 868 bytes in 1002 msecs (HTTP/1.0 200) 2 headers in 55 bytes \
                 (1 switches on core 3)"
            ),
        ),
        (
            "%(addr) - %(user) [%(ltime)] 5%",
            "127.0.0.1 - - [22/Nov/2026:09:39:19 +0000] 5%".to_owned(),
        ),
        (
            "%(size) %(rsize) %(hsize) %(cl) %(headers)",
            "923 868 55 0 2".to_owned(),
        ),
        ("%(micros) %(msecs) %(secs)", "1002003 1002 1.002003".to_owned()),
        (
            "%(time) %(tmsecs) %(tmicros) %(epoch)",
            "1795340357 1795340357997 1795340357997997 1795340359".to_owned(),
        ),
        ("%(wid) %(core) %(switches) %(modifier1)", "2 3 1 0".to_owned()),
        (
            "%(var.REQUEST_METHOD) %(var.HTTP_HOST) %(metric.x) %(nobody)",
            "GET - - -".to_owned(),
        ),
    ];
    for (format, expected) in table {
        assert_eq!(
            line(format, Dialect::Uwsgi, BARE, "127.0.0.1"),
            expected,
            "{format}"
        );
    }
    let default = line(config::UWSGI_DEFAULT_FORMAT, Dialect::Uwsgi, BARE, "127.0.0.1");
    assert_eq!(default, line("", Dialect::Uwsgi, BARE, "127.0.0.1"));
}

#[test]
fn a_format_that_is_not_well_formed_is_refused_with_its_place() {
    let table = [
        ("%h", Dialect::Gunicorn, "(at character 1)"),
        ("ok %(h)s %(h", Dialect::Gunicorn, "(at character 10)"),
        ("%(h)x", Dialect::Native, "(at character 1)"),
        ("100%", Dialect::Gunicorn, "(at character 4)"),
        ("a %(addr", Dialect::Uwsgi, "(at character 3)"),
    ];
    for (format, dialect, place) in table {
        let error = AccessFormat::compile(format, dialect, false).expect_err("malformed");
        assert!(error.to_string().ends_with(place), "{format}: {error}");
    }
}
