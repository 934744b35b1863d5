//! What a request costs in the codec: a head in, an answer checked, and a whole exchange.

use divan::{Bencher, black_box};
use protocol::http1::Codec;
use protocol::{Limits, RequestHead, ResponseHead, Stamp};

const STAMP: Stamp = Stamp {
    date: *b"Tue, 15 Nov 1994 08:12:31 GMT",
    server: "penstock",
    dated: true,
    added: "",
};
const PLAIN: &[u8] =
    b"GET /hello HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nUser-Agent: bench/1.0\r\nAccept: */*\r\n\r\n";
const BROWSER: &[u8] = b"GET /articles/2024/05?page=2&sort=date HTTP/1.1\r\n\
    Host: www.example.com\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:126.0) Gecko/20100101 Firefox/126.0\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n\
    Accept-Language: en-US,en;q=0.5\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n\
    Referer: https://www.example.com/articles/2024\r\n\
    Connection: keep-alive\r\n\
    Cookie: session=0123456789abcdef0123456789abcdef; theme=dark; csrftoken=abcdefghijklmnopqrstuvwxyz\r\n\
    Upgrade-Insecure-Requests: 1\r\n\
    Sec-Fetch-Dest: document\r\n\
    Sec-Fetch-Mode: navigate\r\n\
    Sec-Fetch-Site: same-origin\r\n\r\n";

fn main() {
    divan::main();
}

#[divan::bench(sample_size = 1000)]
fn receive_plain_head(bencher: Bencher<'_, '_>) {
    receive_head(bencher, PLAIN);
}

#[divan::bench(sample_size = 1000)]
fn receive_browser_head(bencher: Bencher<'_, '_>) {
    receive_head(bencher, BROWSER);
}

fn receive_head(bencher: Bencher<'_, '_>, wire: &[u8]) {
    let mut head = RequestHead::default();
    bencher.bench_local(|| Codec::new(Limits::default()).receive(black_box(wire), &mut head));
}

#[divan::bench(sample_size = 1000)]
fn build_answer(bencher: Bencher<'_, '_>) {
    let mut head = ResponseHead::default();
    bencher.bench_local(|| build(&mut head));
}

#[divan::bench(sample_size = 1000)]
fn exchange(bencher: Bencher<'_, '_>) {
    let mut codec = Codec::new(Limits::default());
    let (mut head, mut answer, mut out) = (RequestHead::default(), ResponseHead::default(), Vec::new());
    build(&mut answer);
    bencher.bench_local(|| {
        out.clear();
        codec.receive(black_box(PLAIN), &mut head);
        codec.receive(b"", &mut head);
        codec.send_head(&answer, &STAMP, false, &mut out);
        let allowed = codec.begin_data(13, &mut out);
        out.extend_from_slice(&b"Hello, world!"[..allowed]);
        codec.end_data(&mut out);
        codec.finish(&mut out)
    });
}

fn build(head: &mut ResponseHead) {
    head.clear();
    head.set_status(black_box(b"200 OK")).expect("a valid status");
    head.push(
        black_box(b"Content-Type"),
        black_box(b"text/plain; charset=utf-8"),
    )
    .expect("a valid field");
    head.push(black_box(b"X-Frame-Options"), black_box(b"DENY"))
        .expect("a valid field");
    head.set_content_length(13);
}
