//! Handshakes: requests and whether they are granted, and what the 101 says.

use protocol::http1;
use protocol::websocket::{AcceptFault, Handshake, HandshakeRefusal, Limits};
use protocol::{RequestHead, ResponseHead};

use crate::transcript::STAMP;

const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
const UPGRADE: &str = "Upgrade: websocket";
const CONNECTION: &str = "Connection: Upgrade";
const VERSION: &str = "Sec-WebSocket-Version: 13";

fn read(line: &str, fields: &[&str]) -> Result<Option<Handshake>, HandshakeRefusal> {
    let wire = format!("{line}\r\nHost: h\r\n{}\r\n\r\n", fields.join("\r\n"));
    let mut head = RequestHead::default();
    let received = http1::Codec::new(protocol::Limits::default()).receive(wire.as_bytes(), &mut head);
    assert_eq!(received.event, protocol::Event::Head, "{wire}");
    Handshake::read(&head, None)
}

fn get(fields: &[&str]) -> Result<Option<Handshake>, HandshakeRefusal> {
    read("GET /chat HTTP/1.1", fields)
}

#[test]
fn a_request_in_due_form_is_granted() {
    let table: [&[&str]; 5] = [
        &[UPGRADE, CONNECTION, KEY, VERSION],
        &[
            "upgrade: WebSocket",
            "connection: keep-alive, Upgrade",
            KEY,
            VERSION,
        ],
        &[
            "Upgrade: h2c, websocket",
            "Connection: close",
            CONNECTION,
            KEY,
            VERSION,
        ],
        &[UPGRADE, CONNECTION, KEY, VERSION, "Content-Length: 0"],
        &[
            UPGRADE,
            CONNECTION,
            KEY,
            VERSION,
            "Origin: http://elsewhere",
            "X: y",
        ],
    ];
    for fields in table {
        assert!(matches!(get(fields), Ok(Some(_))), "{fields:?}");
    }
}

#[test]
fn what_only_mentions_websocket_stays_http() {
    let table: [&[&str]; 4] = [
        &[CONNECTION, KEY, VERSION],
        &["Upgrade: h2c", CONNECTION, KEY, VERSION],
        &["Upgrade: websockets", CONNECTION],
        &[UPGRADE, VERSION],
    ];
    for fields in table {
        assert!(matches!(get(fields), Ok(None)), "{fields:?}");
    }
    let old = read("GET / HTTP/1.0", &[UPGRADE, CONNECTION, KEY, VERSION]);
    assert!(matches!(old, Ok(None)), "Upgrade means nothing in HTTP/1.0");
}

#[test]
fn a_malformed_handshake_is_refused_with_its_status() {
    let table: [(&[&str], HandshakeRefusal, &str); 14] = [
        (
            &[UPGRADE, KEY, VERSION],
            HandshakeRefusal::Connection,
            "400 Bad Request",
        ),
        (
            &[UPGRADE, "Connection: close", KEY, VERSION],
            HandshakeRefusal::Connection,
            "400 Bad Request",
        ),
        (
            &[UPGRADE, CONNECTION, VERSION],
            HandshakeRefusal::KeyMissing,
            "400 Bad Request",
        ),
        (
            &[UPGRADE, CONNECTION, KEY, KEY, VERSION],
            HandshakeRefusal::KeyTwice,
            "400 Bad Request",
        ),
        (
            &[UPGRADE, CONNECTION, VERSION, "Sec-WebSocket-Key:"],
            HandshakeRefusal::KeySyntax,
            "400 Bad Request",
        ),
        (
            &[UPGRADE, CONNECTION, VERSION, "Sec-WebSocket-Key: c2hvcnQ="],
            HandshakeRefusal::KeySyntax,
            "400 Bad Request",
        ),
        (
            &[
                UPGRADE,
                CONNECTION,
                VERSION,
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=!",
            ],
            HandshakeRefusal::KeySyntax,
            "400 Bad Request",
        ),
        (
            &[UPGRADE, CONNECTION, KEY],
            HandshakeRefusal::Version,
            "426 Upgrade Required",
        ),
        (
            &[UPGRADE, CONNECTION, KEY, "Sec-WebSocket-Version: 8"],
            HandshakeRefusal::Version,
            "426 Upgrade Required",
        ),
        (
            &[UPGRADE, CONNECTION, KEY, "Sec-WebSocket-Version: 013"],
            HandshakeRefusal::Version,
            "426 Upgrade Required",
        ),
        (
            &[UPGRADE, CONNECTION, KEY, VERSION, VERSION],
            HandshakeRefusal::Version,
            "426 Upgrade Required",
        ),
        (
            &[UPGRADE, CONNECTION, KEY, VERSION, "Content-Length: 5"],
            HandshakeRefusal::Body,
            "400 Bad Request",
        ),
        (
            &[UPGRADE, CONNECTION, KEY, VERSION, "Sec-WebSocket-Protocol: a, a"],
            HandshakeRefusal::Subprotocols,
            "400 Bad Request",
        ),
        (
            &[UPGRADE, CONNECTION, KEY, VERSION, "Sec-WebSocket-Protocol: a b"],
            HandshakeRefusal::Subprotocols,
            "400 Bad Request",
        ),
    ];
    for (fields, refusal, status) in table {
        assert_eq!(get(fields).err(), Some(refusal), "{fields:?}");
        let mut head = ResponseHead::default();
        refusal.answer(&mut head);
        assert_eq!(head.status_line(), status.as_bytes(), "{fields:?}");
    }
    let posted = read("POST / HTTP/1.1", &[UPGRADE, CONNECTION, KEY, VERSION]);
    assert_eq!(posted.err(), Some(HandshakeRefusal::Method));
    let mut head = ResponseHead::default();
    HandshakeRefusal::Version.answer(&mut head);
    let fields: Vec<_> = head.fields().take(2).collect();
    let expected: [(&[u8], &[u8]); 2] = [(b"Upgrade", b"websocket"), (b"Sec-WebSocket-Version", b"13")];
    assert_eq!(fields, expected, "RFC 6455 4.4");
}

#[test]
fn subprotocols_are_offered_in_order_and_bounded() {
    let offered = |fields: &[&str]| {
        let all = [&[UPGRADE, CONNECTION, KEY, VERSION], fields].concat();
        get(&all).map(|handshake| handshake.expect("a handshake").subprotocols().to_vec())
    };
    assert_eq!(offered(&[]), Ok(vec![]));
    assert_eq!(
        offered(&[
            "Sec-WebSocket-Protocol: chat, superchat,",
            "Sec-WebSocket-Protocol: x"
        ]),
        Ok(vec!["chat".to_owned(), "superchat".to_owned(), "x".to_owned()])
    );
    let many: Vec<String> = (0..101).map(|number| number.to_string()).collect();
    assert_eq!(
        offered(&[&format!("Sec-WebSocket-Protocol: {}", many.join(","))]),
        Err(HandshakeRefusal::Subprotocols)
    );
}

#[test]
fn the_answer_has_the_key_of_rfc_6455_and_the_fields_of_the_application() {
    let handshake = get(&[
        UPGRADE,
        CONNECTION,
        KEY,
        VERSION,
        "Sec-WebSocket-Protocol: chat, v2",
    ])
    .expect("a valid handshake")
    .expect("a handshake");
    let mut head = ResponseHead::default();
    head.push(b"Set-Cookie", b"a=b").expect("a valid field");
    head.push(b"Set-Cookie", b"c=d").expect("a valid field");
    head.push(b"Connection", b"close")
        .expect("a field that is left out");
    head.push(b"Content-Length", b"5")
        .expect("a field that is left out");
    let mut out = Vec::new();
    handshake
        .accept(Some("v2"), &head, &STAMP, Limits::default(), &mut out)
        .expect("an acceptance");
    assert_eq!(
        String::from_utf8_lossy(&out),
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: v2\r\n\
         Set-Cookie: a=b\r\nSet-Cookie: c=d\r\n\
         Date: Tue, 15 Nov 1994 08:12:31 GMT\r\nServer: penstock\r\n\r\n"
    );
}

#[test]
fn an_acceptance_that_the_client_would_reject_is_the_applications_fault() {
    let handshake = get(&[UPGRADE, CONNECTION, KEY, VERSION, "Sec-WebSocket-Protocol: chat"])
        .expect("a valid handshake")
        .expect("a handshake");
    let mut out = Vec::new();
    let mut accept = |subprotocol, field: Option<&str>| {
        let mut head = ResponseHead::default();
        if let Some(name) = field {
            head.push(name.as_bytes(), b"x").expect("a valid field");
        }
        let accepted = handshake.accept(subprotocol, &head, &STAMP, Limits::default(), &mut out);
        accepted.map(|_| ()).map_err(|fault| fault.to_string())
    };
    assert_eq!(
        accept(Some("Chat"), None),
        Err(AcceptFault::Subprotocol("Chat".to_owned()).to_string())
    );
    assert_eq!(
        accept(None, Some("sec-websocket-protocol")),
        Err("header Sec-WebSocket-Protocol is the server's to send".to_owned())
    );
    assert_eq!(
        accept(None, Some("Sec-WebSocket-Accept")),
        Err("header Sec-WebSocket-Accept is the server's to send".to_owned())
    );
    assert!(out.is_empty(), "nothing was written");
}
