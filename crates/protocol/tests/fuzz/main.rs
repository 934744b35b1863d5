//! The fuzz targets of this room, replayed: see `fuzz/checks/replay.rs`.

#[path = "../support/cuts.rs"]
mod cuts;
#[path = "../../../../fuzz/checks/forwarded.rs"]
mod forwarded;
#[path = "../../../../fuzz/checks/gateway.rs"]
mod gateway;
#[path = "../../../../fuzz/checks/handshake.rs"]
mod handshake;
#[path = "../../../../fuzz/checks/http1.rs"]
mod http1;
#[path = "../../../../fuzz/checks/proxy.rs"]
mod proxy;
#[path = "../support/repeated.rs"]
mod repeated;
#[path = "../../../../fuzz/checks/replay.rs"]
mod replay;
#[path = "../../../../fuzz/checks/script.rs"]
mod script;
#[path = "../../../../fuzz/checks/websocket.rs"]
mod websocket;

use replay::replay;

#[test]
fn fastcgi_keeps_its_promise() {
    replay(
        gateway::fastcgi,
        include_str!("../../../../fuzz/seeds/fastcgi.hex"),
    );
}

#[test]
fn http1_keeps_its_promise() {
    replay(http1::check, include_str!("../../../../fuzz/seeds/http1.hex"));
}

#[test]
fn a_proxy_header_keeps_its_promise() {
    replay(proxy::check, include_str!("../../../../fuzz/seeds/proxy.hex"));
}

#[test]
fn scgi_keeps_its_promise() {
    replay(gateway::scgi, include_str!("../../../../fuzz/seeds/scgi.hex"));
}

#[test]
fn uwsgi_keeps_its_promise() {
    replay(gateway::uwsgi, include_str!("../../../../fuzz/seeds/uwsgi.hex"));
}

#[test]
fn websocket_keeps_its_promise() {
    replay(
        websocket::check,
        include_str!("../../../../fuzz/seeds/websocket.hex"),
    );
}

#[test]
fn a_forwarded_field_keeps_its_promise() {
    replay(
        forwarded::check,
        include_str!("../../../../fuzz/seeds/forwarded.hex"),
    );
}

#[test]
fn a_websocket_handshake_keeps_its_promise() {
    replay(
        handshake::check,
        include_str!("../../../../fuzz/seeds/handshake.hex"),
    );
}

#[test]
fn what_a_script_writes_keeps_its_promise() {
    replay(script::check, include_str!("../../../../fuzz/seeds/script.hex"));
}
