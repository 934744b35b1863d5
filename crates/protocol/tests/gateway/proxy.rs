//! PROXY headers.

use protocol::Refusal;
use protocol::proxy::{Opening, Versions, read};

const BOTH: Versions = Versions { v1: true, v2: true };
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

fn v2(command: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
    let [high, low] = (addresses.len() as u16).to_be_bytes();
    [SIGNATURE, &[command, family, high, low], addresses].concat()
}

/// Whole, cut at every byte, and with bytes after it.
fn check(header: &[u8], expected: Result<Option<(&str, &str)>, Refusal>) {
    let ends = |pair: (&str, &str)| {
        (
            pair.0.parse().expect("an address"),
            pair.1.parse().expect("an address"),
        )
    };
    let expected = expected.map(|pair| Opening::Header {
        used: header.len(),
        ends: pair.map(ends),
    });
    let shown = header.escape_ascii();
    assert_eq!(read(header, BOTH), expected, "{shown}");
    assert_eq!(
        read(&[header, b"GET / HTTP/1.1"].concat(), BOTH),
        expected,
        "{shown}"
    );
    if expected.is_ok() {
        for cut in 1..header.len() {
            assert_eq!(
                read(&header[..cut], BOTH),
                Ok(Opening::NeedMore),
                "{shown} at {cut}"
            );
        }
    }
}

#[test]
fn headers_name_the_client_or_nobody() {
    let ends = Ok(Some(("192.0.2.1:4711", "198.51.100.1:443")));
    check(b"PROXY TCP4 192.0.2.1 198.51.100.1 4711 443\r\n", ends);
    check(
        b"PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n",
        Ok(Some(("[2001:db8::1]:1", "[2001:db8::2]:2"))),
    );
    check(b"PROXY UNKNOWN\r\n", Ok(None));
    check(b"PROXY UNKNOWN ffff::1 whatever\r\n", Ok(None));
    let inet = [192, 0, 2, 1, 198, 51, 100, 1, 18, 103, 1, 187];
    check(&v2(0x21, 0x11, &inet), ends);
    check(&v2(0x21, 0x11, &[&inet[..], b"\x04\0\x01x"].concat()), ends);
    check(&v2(0x20, 0x00, b""), Ok(None));
    check(&v2(0x21, 0x31, &[0; 216]), Ok(None));
    let inet6 = [
        &[0x20, 1, 0xd, 0xb8][..],
        &[0; 11],
        &[1],
        &[0x20, 1, 0xd, 0xb8],
        &[0; 11],
        &[2],
        &[0, 1, 0, 2],
    ]
    .concat();
    check(
        &v2(0x21, 0x21, &inet6),
        Ok(Some(("[2001:db8::1]:1", "[2001:db8::2]:2"))),
    );
}

#[test]
fn malformed_headers_are_refused() {
    for line in [
        "PROXY TCP4 192.0.2.1 198.51.100.1 4711\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.1 4711 443 1\r\n",
        "PROXY TCP4 192.0.2.1  198.51.100.1 4711 443\r\n",
        "PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.1 +1 443\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.1 01 443\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.1 70000 443\r\n",
        "PROXY UDP4 192.0.2.1 198.51.100.1 1 443\r\n",
        "PROXY UNKNOWN\n",
    ] {
        check(line.as_bytes(), Err(Refusal::ProxyHeader));
    }
    let long = format!("PROXY UNKNOWN {}", "x".repeat(100));
    check(long.as_bytes(), Err(Refusal::ProxyHeader));
    check(&v2(0x11, 0x11, &[0; 12]), Err(Refusal::ProxyHeader));
    check(&v2(0x22, 0x11, &[0; 12]), Err(Refusal::ProxyHeader));
    check(&v2(0x21, 0x11, &[0; 11]), Err(Refusal::ProxyHeader));
    check(&v2(0x21, 0x21, &[0; 35]), Err(Refusal::ProxyHeader));
    check(&v2(0x21, 0x11, &[0; 5000]), Err(Refusal::ProxyHeader));
}

#[test]
fn what_is_not_looked_for_or_not_there_is_left_alone() {
    let line = b"PROXY UNKNOWN\r\n";
    assert_eq!(read(line, Versions { v1: false, v2: true }), Ok(Opening::Absent));
    assert_eq!(
        read(SIGNATURE, Versions { v1: true, v2: false }),
        Ok(Opening::Absent)
    );
    assert_eq!(read(b"P", BOTH), Ok(Opening::NeedMore));
    assert_eq!(read(b"POST / HTTP/1.1", BOTH), Ok(Opening::Absent));
    assert_eq!(read(b"", BOTH), Ok(Opening::NeedMore));
}
