//! SCGI heads and what they are taken for.

use protocol::Limits;

use crate::transcript::{Wire, check_cuts_change_nothing, transcript};

fn head(variables: &[(&str, &str)]) -> Vec<u8> {
    let block: String = variables
        .iter()
        .map(|(name, value)| format!("{name}\0{value}\0"))
        .collect();
    format!("{}:{block},", block.len()).into_bytes()
}

fn check(input: &[u8], expected: &[&str]) {
    let limits = Limits {
        body: Some(1000),
        ..Limits::default()
    };
    assert_eq!(
        transcript(Wire::Scgi, input, &[usize::MAX], limits),
        expected,
        "{}",
        input.escape_ascii()
    );
    check_cuts_change_nothing(Wire::Scgi, input, &[3, 7], limits);
}

#[test]
fn a_request_is_a_netstring_and_a_body() {
    let variables = [
        ("CONTENT_LENGTH", "5"),
        ("SCGI", "1"),
        ("REQUEST_METHOD", "POST"),
        ("REQUEST_URI", "/a?b"),
        ("HTTP_X_Y", "z"),
    ];
    let input = [&head(&variables)[..], b"hello"].concat();
    check(
        &input,
        &[
            "POST /a?b [content-length=5, x-y=z]",
            "body hello",
            "end",
            "close",
        ],
    );
    check(
        &[&input[..], b"more"].concat(),
        &[
            "POST /a?b [content-length=5, x-y=z]",
            "body hello",
            "end",
            "close",
        ],
    );
    check(
        &input[..input.len() - 1],
        &["POST /a?b [content-length=5, x-y=z]", "wait"],
    );
    check(&input[..30], &["wait"]);
}

#[test]
fn what_is_no_scgi_is_refused() {
    let number = "400 an SCGI request begins with a length and a colon";
    let get = ("REQUEST_METHOD", "GET");
    check(
        b"GET / HTTP/1.1\r\n\r\n",
        &["400 HTTP on a socket that speaks a gateway protocol"],
    );
    check(b":x,", &[number]);
    check(b"1x:", &[number]);
    check(b"1234567:", &[number]);
    check(b"0:,", &["400 empty request"]);
    check(
        b"999999:",
        &[
            "431 invalid request block size: 999999 (max 65535)...skip. uWSGI's option buffer-size sets the limit, up to 65535",
        ],
    );
    check(b"2:a\0;", &["400 an SCGI head ends with a comma"]);
    check(
        b"1:a,",
        &["400 a variable's length points beyond the request's end"],
    );
    check(
        b"2:a\0,",
        &["400 a variable's length points beyond the request's end"],
    );
    check(&head(&[("", "x")]), &["400 a variable without a name"]);
    check(
        &head(&[("SCGI", "1"), get]),
        &["400 the first variable of an SCGI request is CONTENT_LENGTH"],
    );
    check(
        &head(&[("CONTENT_LENGTH", "0"), get]),
        &["400 an SCGI request has the variable SCGI=1"],
    );
}
