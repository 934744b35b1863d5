//! uwsgi packets and what they are taken for.

use protocol::{Event, Limits, RequestHead};

use crate::transcript::{Wire, check_cuts_change_nothing, codec, transcript};

/// A packet of these variables.
pub(crate) fn packet(modifier: u8, variables: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for text in variables.iter().flat_map(|(name, value)| [name, value]) {
        block.extend_from_slice(&(text.len() as u16).to_le_bytes());
        block.extend_from_slice(text.as_bytes());
    }
    let [low, high] = (block.len() as u16).to_le_bytes();
    [&[modifier, low, high, 0], &block[..]].concat()
}

fn check(input: &[u8], expected: &[&str]) {
    let limits = Limits {
        body: Some(1000),
        ..Limits::default()
    };
    assert_eq!(transcript(Wire::Uwsgi, input, &[usize::MAX], limits), expected);
    check_cuts_change_nothing(Wire::Uwsgi, input, &[3, 7], limits);
    // What follows a message is not looked at.
    let more = [
        input,
        &packet(0, &[("REQUEST_METHOD", "GET"), ("PATH_INFO", "/2")]),
    ]
    .concat();
    if expected.last() == Some(&"close") {
        assert_eq!(transcript(Wire::Uwsgi, &more, &[usize::MAX], limits), expected);
    }
}

#[test]
fn variables_become_method_path_query_and_fields() {
    let rows: &[(&[(&str, &str)], &str)] = &[
        (
            &[
                ("REQUEST_METHOD", "GET"),
                ("REQUEST_URI", "/a%2Fb?x=1"),
                ("PATH_INFO", "/a/b"),
                ("QUERY_STRING", "x=1"),
                ("HTTP_USER_AGENT", "curl"),
                ("CONTENT_TYPE", ""),
                ("CONTENT_LENGTH", ""),
            ],
            "GET /a/b?x=1 [user-agent=curl]",
        ),
        // Without a path of its own: nginx's lists for FastCGI and SCGI.
        (&[("REQUEST_METHOD", "GET"), ("SCRIPT_NAME", "/s")], "GET /s []"),
        (
            &[
                ("REQUEST_METHOD", "GET"),
                ("DOCUMENT_URI", "/d"),
                ("SCRIPT_NAME", "/s"),
            ],
            "GET /d []",
        ),
        (
            &[("REQUEST_METHOD", "GET"), ("REQUEST_URI", "/%41?q")],
            "GET /A?q []",
        ),
        // Mounted somewhere.
        (
            &[
                ("REQUEST_METHOD", "GET"),
                ("SCRIPT_NAME", "/s"),
                ("PATH_INFO", "/p"),
            ],
            "GET /s/p []",
        ),
        (
            &[
                ("REQUEST_METHOD", "GET"),
                ("SCRIPT_NAME", "/s"),
                ("PATH_INFO", ""),
            ],
            "GET /s []",
        ),
        // The last one counts.
        (
            &[
                ("REQUEST_METHOD", "GET"),
                ("PATH_INFO", "/1"),
                ("PATH_INFO", "/2"),
            ],
            "GET /2 []",
        ),
        (
            &[
                ("REQUEST_METHOD", "GET"),
                ("PATH_INFO", "/"),
                ("HTTP_HOST", "a"),
                ("HTTP_A", "1"),
                ("HTTP_HOST", "b"),
            ],
            "GET / [a=1, host=b]",
        ),
        // What frames the web server's other side is no field here, and Proxy none anywhere.
        (
            &[
                ("REQUEST_METHOD", "PUT"),
                ("PATH_INFO", "/"),
                ("HTTP_TRANSFER_ENCODING", "chunked"),
                ("HTTP_CONTENT_LENGTH", "7"),
                ("HTTP_PROXY", "evil"),
                ("CONTENT_TYPE", "text/plain"),
            ],
            "PUT / [content-type=text/plain]",
        ),
    ];
    for (variables, expected) in rows {
        check(&packet(0, variables), &[expected, "end", "close"]);
    }
}

#[test]
fn a_body_is_as_long_as_content_length_says() {
    let head = [
        ("REQUEST_METHOD", "POST"),
        ("PATH_INFO", "/"),
        ("CONTENT_LENGTH", "5"),
    ];
    let line = "POST / [content-length=5]";
    let input = packet(0, &head);
    check(
        &[&input[..], b"hello"].concat(),
        &[line, "body hello", "end", "close"],
    );
    check(
        &[&input[..], b"hello, and more"].concat(),
        &[line, "body hello", "end", "close"],
    );
    check(&[&input[..], b"hel"].concat(), &[line, "wait"]);
}

#[test]
fn other_packets_are_answered_or_refused() {
    let get = [("REQUEST_METHOD", "GET"), ("PATH_INFO", "/")];
    check(&packet(30, &get), &["GET / []", "end", "close"]);
    check(&[100, 0, 0, 0], &["reply d\\x00\\x00\\x01", "close"]);
    check(&packet(5, &get), &["501 unavailable modifier requested: 5"]);
    check(&[173, 0, 0, 0], &["501 unavailable modifier requested: 173"]);
    check(
        b"GET / HTTP/1.1\r\n\r\n",
        &["400 HTTP on a socket that speaks a gateway protocol"],
    );
    check(&[0, 0, 0, 0], &["400 empty request"]);
}

#[test]
fn sizes_that_lie_are_refused() {
    let truncated = "400 a variable's length points beyond the request's end";
    check(&[0, 1, 0, 0, b'x'], &[truncated]);
    check(&[0, 3, 0, 0, 9, 0, b'x'], &[truncated]);
    check(&[0, 3, 0, 0, 1, 0, b'A'], &[truncated]);
    check(&[0, 4, 0, 0, 0, 0, 0, 0], &["400 a variable without a name"]);
    let long = packet(0, &[("REQUEST_METHOD", "GET"), ("X", &"y".repeat(5000))]);
    let limits = Limits {
        block: 4096,
        ..Limits::default()
    };
    let lines = transcript(Wire::Uwsgi, &long, &[1], limits);
    assert_eq!(
        lines,
        [
            "431 invalid request block size: 5026 (max 4096)...skip. uWSGI's option buffer-size sets the limit, up to 65535"
        ]
    );
    let get = ("REQUEST_METHOD", "GET");
    for (length, expected) in [
        ("-1", "400 malformed Content-Length"),
        ("1 ", "400 malformed Content-Length"),
        ("99999999999999999999", "400 malformed Content-Length"),
        ("1001", "413 body exceeds its limit"),
    ] {
        check(
            &packet(0, &[get, ("PATH_INFO", "/"), ("CONTENT_LENGTH", length)]),
            &[expected],
        );
    }
    check(&packet(0, &[("PATH_INFO", "/")]), &["400 method is not a token"]);
    check(
        &packet(0, &[("REQUEST_METHOD", "G T"), ("PATH_INFO", "/")]),
        &["400 method is not a token"],
    );
    check(
        &packet(0, &[get]),
        &["400 none of PATH_INFO, SCRIPT_NAME, DOCUMENT_URI and REQUEST_URI is there"],
    );
    check(
        &packet(0, &[get, ("PATH_INFO", "/"), ("HTTP_X", "a\r\nb")]),
        &["400 control byte in a header value"],
    );
    let many: Vec<(String, String)> = (0..1001)
        .map(|number| (format!("V{number}"), String::new()))
        .collect();
    let many: Vec<(&str, &str)> = many
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    check(&packet(0, &many), &["431 more than 1000 variables"]);
}

#[test]
fn what_would_instruct_uwsgi_is_data_and_is_pointed_out() {
    let variables = [
        ("REQUEST_METHOD", "GET"),
        ("PATH_INFO", "/"),
        ("UWSGI_SCHEME", "https"),
        ("UWSGI_FILE", "exec://evil"),
    ];
    let mut head = RequestHead::default();
    let input = packet(0, &variables);
    let received = codec(Wire::Uwsgi, Limits::default()).receive(&input, &mut head);
    assert_eq!((received.event, received.used), (Event::Head, input.len()));
    assert_eq!(head.instruction(), Some(&b"UWSGI_FILE"[..]));
    assert_eq!(head.variable("UWSGI_FILE"), Some(&b"exec://evil"[..]));
    assert_eq!(head.target(), b"/", "a target is made where none was sent");
}

#[test]
fn the_client_and_a_target_can_be_had_from_variables() {
    let variables = [
        ("REQUEST_METHOD", "GET"),
        ("PATH_INFO", "/a b/\u{e9}?"),
        ("QUERY_STRING", "q=1"),
        ("REMOTE_ADDR", "192.0.2.1"),
        ("REMOTE_PORT", "4711"),
        ("HTTP_HOST", "example.org:80"),
        ("SERVER_PROTOCOL", "HTTP/1.0"),
    ];
    let mut head = RequestHead::default();
    codec(Wire::Uwsgi, Limits::default()).receive(&packet(0, &variables), &mut head);
    assert_eq!(head.target(), b"/a%20b/%C3%A9%3F?q=1");
    assert_eq!(head.path(), b"/a%20b/%C3%A9%3F");
    assert_eq!(
        (head.client_address(), head.client_port()),
        (Some("192.0.2.1"), 4711)
    );
    assert_eq!(head.host(), Some(&b"example.org:80"[..]));
    assert_eq!(head.version(), protocol::Version::Http10);
}
