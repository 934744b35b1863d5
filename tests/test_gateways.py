"""Penstock behind the distribution's real nginx and Apache: uwsgi, FastCGI, SCGI and HTTP, by TCP and unix sockets.

One Penstock serves all eight sockets; one nginx and one Apache have a site for each, made of the files in ``examples/``.
What the application sees by each way is held against what it sees over HTTP; the differences that are left are listed
here, in ``DIFFERENCES``, and explained in docs/gateways.md.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import socket
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from harness import ConnectionEnded, RawClient, Response, Server
from harness.processes import free_port, wait_until
from harness.webservers import Apache, Nginx, Site, WebServer, missing
from harness.wires import ABORT, END, STDERR, STDIN, STDOUT, begin, netstring, packet, read_answers, record

WIRES = ("uwsgi", "fastcgi", "scgi", "http")
TRANSPORTS = ("tcp", "unix")
SERVERS = ("nginx", "apache")

if absent := missing():
    pytest.skip(absent, allow_module_level=True)


class Way:
    """One way from a client to the application: a web server's site."""

    def __init__(self, server: WebServer, site: Site, penstock: Server) -> None:
        self.server = server
        self.site = site
        self.penstock = penstock

    def connect(self) -> RawClient:
        return RawClient(("127.0.0.1", self.site.port))

    def request(self, method: str, target: str, *fields: str, body: bytes | None = None) -> Response:
        with self.connect() as client:
            return client.request(method, target, "Connection: close", *fields, body=body)

    def get(self, target: str, *fields: str) -> Response:
        return self.request("GET", target, *fields)


@pytest.fixture(scope="module")
def sockets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[tuple[str, str], Any]]:
    """Where Penstock listens, by wire and transport; Apache's workers must get through to the unix sockets."""
    directory = Path("/tmp") / f"penstock-{uuid.uuid4().hex[:12]}"
    directory.mkdir(mode=0o755)
    directory.chmod(0o755)
    found: dict[tuple[str, str], Any] = {}
    for wire in WIRES:
        found[wire, "tcp"] = ("127.0.0.1", free_port())
        found[wire, "unix"] = str(directory / f"{wire}.sock")
    yield found
    for path in directory.iterdir():
        path.unlink()
    directory.rmdir()


@pytest.fixture(scope="module")
def penstock(sockets: dict[tuple[str, str], Any]) -> Iterator[Server]:
    options = []
    for (wire, _), address in sockets.items():
        text = address if isinstance(address, str) else f"{address[0]}:{address[1]}"
        options += [f"--{wire}-socket", text]
    with Server(
        *("uwsgi", "--http-socket", "{tcp}", "--vacuum", "--chmod-socket=666", "--buffer-size=65535"),
        *("--processes=2", "--threads=4", "--wsgi-file=gateways.py", *options),
    ) as server:
        yield server
        # Whatever they were asked for, web servers never left in the middle of a request: they only let idle connections go.
        assert "its connection to" not in server.log


@pytest.fixture(scope="module")
def web_servers(penstock: Server, sockets: dict[tuple[str, str], Any]) -> Iterator[dict[str, WebServer]]:
    def sites() -> list[Site]:
        return [Site(wire, sockets[wire, transport]) for wire in WIRES for transport in TRANSPORTS]

    with Nginx(sites()) as nginx, Apache(sites()) as apache:
        yield {"nginx": nginx, "apache": apache}


@pytest.fixture(params=[(s, w, t) for s in SERVERS for w in WIRES for t in TRANSPORTS], ids="-".join)
def way(
    request: pytest.FixtureRequest,
    web_servers: dict[str, WebServer],
    sockets: dict[tuple[str, str], Any],
    penstock: Server,
) -> Way:
    server, wire, transport = request.param
    backend = sockets[wire, transport]
    site = next(site for site in web_servers[server].sites if site.backend == backend)
    return Way(web_servers[server], site, penstock)


# What the application sees.

# Different by their nature, whatever the request: which connection, which server, which object.
BY_NATURE = {"REMOTE_ADDR", "REMOTE_PORT", "SERVER_PORT", "SERVER_NAME", "uwsgi.core", "wsgi.input", "wsgi.errors"}

NGINX = {
    "CONTENT_TYPE",
    "CONTENT_LENGTH",
    "DOCUMENT_ROOT",
    "REQUEST_SCHEME",
    "HTTP_CONTENT_TYPE",
    "HTTP_CONTENT_LENGTH",
}
NGINX_CGI = {"DOCUMENT_URI", "GATEWAY_INTERFACE", "SERVER_SOFTWARE", "REMOTE_USER", "SERVER_ADDR", "REDIRECT_STATUS"}
APACHE = {
    "PATH",
    "SERVER_SIGNATURE",
    "SERVER_SOFTWARE",
    "SERVER_ADDR",
    "DOCUMENT_ROOT",
    "REQUEST_SCHEME",
    "CONTEXT_PREFIX",
}
APACHE |= {"CONTEXT_DOCUMENT_ROOT", "SERVER_ADMIN", "SCRIPT_FILENAME", "GATEWAY_INTERFACE"}
FORWARDED = {"HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO"}

# What each way may add to the environ that the same request has over HTTP. Explained in docs/gateways.md.
ADDED: dict[tuple[str, str], set[str]] = {
    ("nginx", "uwsgi"): NGINX,
    ("nginx", "fastcgi"): NGINX | NGINX_CGI,
    ("nginx", "scgi"): NGINX | NGINX_CGI | {"SCGI"},
    ("nginx", "http"): FORWARDED,
    ("apache", "uwsgi"): APACHE,
    ("apache", "fastcgi"): APACHE,
    ("apache", "scgi"): APACHE | {"SCGI", "CONTENT_LENGTH"},
    ("apache", "http"): FORWARDED | {"HTTP_X_FORWARDED_HOST", "HTTP_X_FORWARDED_SERVER"},
}


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_environ_is_that_of_http_but_for_what_is_listed(way: Way, method: str) -> None:
    body = b"hello" if method == "POST" else None
    fields = ("Cookie: a=b", "User-Agent: tester", "X-Two-Words: z", "Accept: */*")
    environ = way.request(method, "/environ?a=1", *fields, body=body).json()
    plain = way.penstock.request(method, "/environ?a=1", *fields, body=body).json()
    wanted = set(plain) - {"HTTP_CONNECTION"} - BY_NATURE
    assert wanted <= set(environ)
    assert {key: environ[key] for key in wanted} == {key: plain[key] for key in wanted}
    added = set(environ) - set(plain) - BY_NATURE - {"HTTP_CONNECTION"}
    assert added <= ADDED[way.server.name, way.site.wire]
    if way.site.wire != "http":
        assert environ["REMOTE_ADDR"] == "127.0.0.1"


def test_odd_targets_reach_the_application_as_they_were_sent(way: Way) -> None:
    for target, path, query in [
        ("/plain", "/plain", ""),
        ("/with%20space?x=%20&y=1", "/with space", "x=%20&y=1"),
        ("/%C3%A9t%C3%A9", "/\u00c3\u00a9t\u00c3\u00a9", ""),
        ("/a;b=c/d,e", "/a;b=c/d,e", ""),
        ("/trailing/", "/trailing/", ""),
        ("/q??", "/q", "?"),
        ("/?only=query", "/", "only=query"),
        ("/%7Etilde", "/~tilde", ""),
    ]:
        environ = way.get(target).json()
        assert (environ["PATH_INFO"], environ["QUERY_STRING"], environ["SCRIPT_NAME"]) == (path, query, ""), target
        assert environ["REQUEST_URI"] == target


def test_an_encoded_slash_reaches_the_application(way: Way) -> None:
    answer = way.get("/a%2Fb")
    if (way.server.name, way.site.wire) == ("apache", "uwsgi"):
        # mod_proxy_uwsgi's own answer: AH10100, unable to decode uwsgi uri.
        assert answer.status == 500 and "AH10100" in way.server.log
        return
    environ = answer.json()
    # Apache does not decode it, so that it stays apart from a real one.
    gateway_of_apache = way.server.name == "apache" and way.site.wire != "http"
    assert environ["PATH_INFO"] == ("/a%2Fb" if gateway_of_apache else "/a/b")
    assert environ["REQUEST_URI"] == "/a%2Fb"


@pytest.mark.parametrize("size", [0, 1, 4 << 10, 1 << 20, 64 << 20], ids=["0B", "1B", "4KiB", "1MiB", "64MiB"])
def test_uploads_arrive_whole(way: Way, size: int) -> None:
    body = os.urandom(min(size, 1 << 20)) * max(1, size >> 20) if size else b""
    answer = way.request("POST", "/digest", body=body)
    assert answer.json() == {"sha256": hashlib.sha256(body).hexdigest(), "length": size}


def test_chunked_uploads_arrive_whole(way: Way) -> None:
    with way.connect() as client:
        client.send(b"POST /digest HTTP/1.1\r\nHost: test\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n")
        block = os.urandom(1000)
        for _ in range(20):
            client.send_and_ignore_failure(b"3e8\r\n" + block + b"\r\n")
        client.send_and_ignore_failure(b"0\r\n\r\n")
        answer = client.read_response("POST")
    if way.server.name == "apache" and way.site.wire in ("uwsgi", "scgi"):
        # mod_proxy_uwsgi and mod_proxy_scgi take none: AH01593.
        assert answer.status == 411
        return
    assert answer.json() == {"sha256": hashlib.sha256(block * 20).hexdigest(), "length": 20_000}


def test_streamed_blocks_arrive_as_they_are_produced(way: Way, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    with way.connect() as client:
        client.send(f"GET /stream?{seen} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n".encode())
        client.read_until(b"first\n")
        seen.write_text("")
        assert client.read_until(b"second\n")


def test_head_and_status_without_a_body(way: Way) -> None:
    answer = way.request("HEAD", "/environ")
    assert (answer.status, answer.body) == (200, b"")
    for status in (204, 304):
        answer = way.get(f"/status/{status}")
        assert (answer.status, answer.body, answer.value("ETag")) == (status, b"", '"x"')
    for status in (201, 404, 500):
        answer = way.get(f"/status/{status}")
        assert (answer.status, answer.body) == (status, b"so\n")


def test_large_headers_pass_both_ways(way: Way) -> None:
    value = "v" * 3000
    environ = way.get("/environ", f"X-One: {value}", f"X-Two: {value}").json()
    assert (environ["HTTP_X_ONE"], environ["HTTP_X_TWO"]) == (value, value)
    assert len(way.get("/large-head").values("X-Large-2")[0]) == 1000


def breaks_that_are_told(way: Way) -> list[str]:
    """The answers that break off of which the web server tells its client: with a length, and without one.

    uwsgi and SCGI have nothing but the connection's end to say that, and a unix socket knows no reset; over FastCGI it could be
    said, yet nginx takes it for an end when it does not buffer. mod_proxy_uwsgi and mod_proxy_scgi do not always tell a reset
    from an end, and mod_proxy_scgi does not heed the length either: Apache counts what has come.
    """
    by_apache = way.server.name == "apache"
    if by_apache and way.site.wire == "scgi":
        return []
    by_unix = isinstance(way.site.backend, str)
    if way.site.wire != "http" and (by_unix or (by_apache and way.site.wire == "uwsgi")):
        return ["/broken?length"]
    return ["/broken?length", "/broken"]


def test_an_answer_that_breaks_off_does_not_look_complete(way: Way) -> None:
    told = breaks_that_are_told(way)
    for target in told:
        with contextlib.suppress(ConnectionEnded):
            answer = way.get(target)
            assert answer.status in (500, 502) or not answer.complete, target
    if not told:
        # docs/gateways.md says so; should Apache tell one day, this fails.
        answer = way.get("/broken?length")
        assert (answer.complete, answer.body) == (True, b"first\n")


def test_a_client_that_goes_away_ends_its_answer(way: Way, tmp_path: Path) -> None:
    note = tmp_path / "note"
    with way.connect() as client:
        client.send(f"GET /endless?{note} HTTP/1.1\r\nHost: test\r\n\r\n".encode())
        client.read_until(b"x" * 1000)
        client.reset()
    assert wait_until(note.exists, 60), "the application was not told"
    assert way.get("/status/201").status == 201


def test_two_hundred_clients_at_once_all_get_their_own_answer(way: Way) -> None:
    def ask(number: int) -> str:
        return str(way.get(f"/environ?number={number}").json()["QUERY_STRING"])

    with ThreadPoolExecutor(200) as pool:
        assert list(pool.map(ask, range(200))) == [f"number={number}" for number in range(200)]


def test_static_files_and_upload_limits_are_the_web_servers(way: Way) -> None:
    assert way.get("/static/hello.txt").body == b"a static file\n"
    with way.connect() as client:
        client.send(f"POST /digest HTTP/1.1\r\nHost: test\r\nContent-Length: {101 << 20}\r\n\r\n".encode())
        assert client.read_response("POST").status == 413


def test_a_proxy_header_does_not_become_a_setting(way: Way) -> None:
    assert "HTTP_PROXY" not in way.get("/environ", "Proxy: http://evil").json()


def test_an_underscore_does_not_pose_as_a_dash(way: Way) -> None:
    environ = way.get("/environ", "X_Forwarded_For: 6.6.6.6").json()
    assert "6.6.6.6" not in environ.get("HTTP_X_FORWARDED_FOR", "")


# Connections to the application.


class Relay:
    """Counts the connections to an address by standing in front of it."""

    def __init__(self, behind: tuple[str, int]) -> None:
        self.behind = behind
        self.connections = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = self.listener.getsockname()
        self.sockets: list[socket.socket] = [self.listener]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        while True:
            try:
                near, _ = self.listener.accept()
                far = socket.create_connection(self.behind)
            except OSError:
                return
            self.connections += 1
            self.sockets += [near, far]
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self.pump, args=(source, sink), daemon=True).start()

    def pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def __enter__(self) -> Relay:
        return self

    def __exit__(self, *_: object) -> None:
        for one in self.sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


@pytest.mark.parametrize("server", [Nginx, Apache])
@pytest.mark.parametrize("wire", ["fastcgi", "http"])
def test_connections_to_the_application_are_kept(
    server: type[WebServer], wire: str, penstock: Server, sockets: dict[tuple[str, str], Any]
) -> None:
    with Relay(sockets[wire, "tcp"]) as relay, server([site := Site(wire, relay.address)]):
        with RawClient(("127.0.0.1", site.port)) as client:
            for number in range(20):
                answer = client.request("POST", f"/environ?{number}", body=b"x" * number)
                assert answer.json()["QUERY_STRING"] == str(number)
        # Apache keeps one for each of its processes.
        assert relay.connections <= (1 if server is Nginx else 8)


# Speaking to it without a web server.


def test_multiplexed_fastcgi_requests_all_get_their_own_answer(
    penstock: Server, sockets: dict[tuple[str, str], Any]
) -> None:
    sent = {request: os.urandom(30_000 + request) for request in range(1, 21)}
    with RawClient(sockets["fastcgi", "tcp"]) as client:
        for request, body in sent.items():
            client.send(begin(request, "/digest", REQUEST_METHOD="POST", CONTENT_LENGTH=str(len(body))))
        for start in range(0, 40_000, 5000):
            for request, body in sent.items():
                if piece := body[start : start + 5000]:
                    client.send(record(STDIN, request, piece))
        client.send(b"".join(record(STDIN, request) for request in sent))
        answers = read_answers(client, len(sent))
    for request, body in sent.items():
        assert answers[request][END] == bytes(8)
        assert hashlib.sha256(body).hexdigest().encode() in answers[request][STDOUT]


def test_an_aborted_fastcgi_request_leaves_the_connection_to_the_others(
    penstock: Server, sockets: dict[tuple[str, str], Any]
) -> None:
    with RawClient(sockets["fastcgi", "unix"]) as client:
        client.send(begin(1, "/digest", REQUEST_METHOD="POST", CONTENT_LENGTH="10") + record(STDIN, 1, b"half"))
        client.send(record(ABORT, 1) + begin(2, "/status/201") + record(STDIN, 2))
        answers = read_answers(client, 2)
    assert STDOUT not in answers[1]
    assert answers[2][STDOUT].startswith(b"Status: 201 Said So\r\n")


def test_wsgi_errors_goes_to_the_web_server_where_that_is_wanted() -> None:
    with Server(
        *("--bind", "{tcp}", "--bind", "fastcgi://{tcp2}", "--fastcgi-stderr", "gateways:application")
    ) as server:
        with server.connect("tcp2") as client:
            client.send(begin(1, "/errors") + record(STDIN, 1))
            answers = read_answers(client, 1)
        assert answers[1][STDERR] == b"told the error stream\n"
        assert "told the error stream" not in server.log
        server.get("/errors")
        server.wait_for_log("told the error stream")


GET = {"REQUEST_METHOD": "GET", "PATH_INFO": "/environ"}


def test_a_ping_is_answered_and_other_modifiers_are_refused(
    penstock: Server, sockets: dict[tuple[str, str], Any]
) -> None:
    for transport in TRANSPORTS:
        with RawClient(sockets["uwsgi", transport]) as client:
            client.send(bytes([100, 0, 0, 0]))
            assert client.read_to_end() == bytes([100, 0, 0, 1])
        with RawClient(sockets["uwsgi", transport]) as client:
            client.send(packet(GET, modifier=22))
            assert client.read_response().status == 501
    penstock.wait_for_log("unavailable modifier requested: 22")


def test_what_would_have_uwsgi_load_code_is_only_shown(penstock: Server, sockets: dict[tuple[str, str], Any]) -> None:
    orders = {"UWSGI_FILE": "/etc/passwd", "UWSGI_SETENV": "A=b", "UWSGI_CHDIR": "/", "UWSGI_SCHEME": "https"}
    with RawClient(sockets["uwsgi", "tcp"]) as client:
        client.send(packet({**GET, **orders}))
        environ = client.read_response().json()
    assert environ["UWSGI_FILE"] == "/etc/passwd" and environ["wsgi.url_scheme"] == "https"
    penstock.wait_for_log("uWSGI would load or set something at its word")


def test_each_request_has_its_own_variables_whatever_the_one_before_said() -> None:
    with Server("--bind", "{tcp}", "--bind", "uwsgi://{tcp2}", "gateways:application") as server:
        for value in ("one", "one", "two", None, "", "v" * 5000, "two", "\u00e9", "two"):
            sent = {} if value is None else {"MINE": value, "HTTP_MINE": value}
            with server.connect("tcp2") as client:
                client.send(packet({**GET, **sent}))
                environ = client.read_response().json()
            shown = None if value is None else value.encode().decode("latin-1")
            assert (environ.get("MINE"), environ.get("HTTP_MINE")) == (shown, shown)


def test_each_request_has_its_own_variables_whatever_their_order_and_number() -> None:
    """The lists of more locations than are kept, in turn, each with another value for all that may differ."""
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    known = ("SCRIPT_NAME", "PATH_INFO", "MINE", "HTTP_MINE", "HTTPS", "REMOTE_ADDR")
    names = [*known, *(f"V{number}" for number in range(70))]
    lists = [chance.choices(names, k=chance.choice((0, 3, 12, 80))) for _ in range(12)]
    with Server("--bind", "{tcp}", "--bind", "uwsgi://{tcp2}", "gateways:application") as server:
        for _ in range(200):
            pairs = [(name, chance.choice(("", "/a", "/b"))) for name in chance.choice(lists)]
            sent = [*GET.items(), *pairs]
            with server.connect("tcp2") as client:
                client.send(packet(sent))
                environ = client.read_response().json()
            expected = dict(sent)
            joined = [value for name, value in pairs if name == "HTTP_MINE"]
            if joined:
                expected["HTTP_MINE"] = ",".join(joined)
            assert {name: environ.get(name) for name in expected} == expected
            assert not {name for name in names if name in environ} - set(expected) - {"SCRIPT_NAME"}


def test_only_configured_mounts_are_chosen_among_by_script_name_or_appid(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.py").write_text(
            "def application(environ, start_response):\n"
            "    start_response('200 OK', [('Content-Type', 'text/plain')])\n"
            f"    return [f'{name}|{{environ[\"SCRIPT_NAME\"]}}|{{environ[\"PATH_INFO\"]}}'.encode()]\n"
        )
    with Server(
        *("uwsgi", "--http-socket", "{tcp}", "--socket", "{tcp2}"),
        *("--mount", "/one=one.py", "--mount", "/two=two.py"),
        cwd=tmp_path,
    ) as server:
        for script, more, chosen in [
            ("/two", {}, "two"),
            ("/none", {}, "one"),
            ("/one", {"UWSGI_APPID": "/two"}, "two"),
            ("/two", {"UWSGI_APPID": "/none"}, "two"),
            ("/two", {"UWSGI_APPID": "one.py", "UWSGI_MODULE": "one", "UWSGI_FILE": "one.py"}, "two"),
        ]:
            with server.connect("tcp2") as client:
                client.send(packet({**GET, "SCRIPT_NAME": script, **more}))
                assert client.read_response().body.decode() == f"{chosen}|{script}|/environ"


def test_a_block_that_is_too_large_is_refused_with_the_remedy() -> None:
    with Server("uwsgi", "--http-socket", "{tcp}", "--socket", "{tcp2}", "--wsgi-file=gateways.py") as server:
        with server.connect("tcp2") as client:
            client.send(packet({**GET, "HTTP_X": "x" * 5000}))
            assert client.read_response().status == 431
        server.wait_for_log("(max 4096)...skip. uWSGI's option buffer-size sets the limit")
        with server.connect("tcp2") as client:
            client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert client.read_response().status == 400


def test_only_listed_peers_may_connect_by_tcp() -> None:
    for allowed, is_served in (("127.0.0.0/8", True), ("10.0.0.0/8,::1", False)):
        with Server(
            *("gunicorn", "--protocol", "uwsgi", "-b", "{tcp}", "-b", "unix:{unix}", "gateways:application"),
            *("--uwsgi-allow-from", allowed),
            wait="accept",
        ) as server:
            with server.connect("tcp") as client:
                client.send_and_ignore_failure(packet(GET))
                assert client.read_to_end().startswith(b"HTTP/1.1 200") is is_served
            with server.connect("unix") as client:
                client.send(packet(GET))
                assert client.read_response().status == 200
            assert ("may not connect" in server.log) is not is_served


def test_each_socket_may_have_a_list_of_its_own() -> None:
    native = ("--bind", "{tcp}", "--bind", "uwsgi://{tcp2}?allow=10.0.0.0/8", "--bind", "uwsgi://{tcp3}?allow=127.0.0.1,::1")
    uwsgi = (
        *("uwsgi", "--http-socket", "{tcp}", "--socket", "{tcp2}?allow=10.0.0.0/8"),
        *("--uwsgi-socket", "{tcp3}?allow=127.0.0.0/8", "-w"),
    )
    for options in (native, uwsgi):
        with Server(*options, "gateways:application") as server:
            with server.connect("tcp2") as client:
                client.send_and_ignore_failure(packet(GET))
                assert client.read_to_end() == b""
            with server.connect("tcp3") as client:
                client.send(packet(GET))
                assert client.read_response().status == 200
            server.wait_for_log("may not connect")
    only = ("--bind", "{tcp}?allow=10.0.0.0/8", "gateways:application")
    with Server(*only, wait="accept") as server, server.connect() as client:
        client.send_and_ignore_failure(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.read_to_end() == b""


def test_nph_sockets_answer_with_a_status_line() -> None:
    with Server(
        *("uwsgi", "--http-socket", "{tcp}", "--fastcgi-nph-socket", "{tcp2}", "--scgi-nph-socket", "{tcp3}"),
        "--wsgi-file=gateways.py",
    ) as server:
        with server.connect("tcp2") as client:
            client.send(begin(1, "/status/201") + record(STDIN, 1))
            assert read_answers(client, 1)[1][STDOUT].startswith(b"HTTP/1.1 201 Said So\r\n")
        with server.connect("tcp3") as client:
            client.send(netstring({"REQUEST_METHOD": "GET", "PATH_INFO": "/status/201"}))
            assert client.read_to_end().startswith(b"HTTP/1.1 201 Said So\r\n")


def test_a_script_that_writes_a_whole_answer_is_understood_behind_a_web_server(tmp_path: Path) -> None:
    script = tmp_path / "nph-raw"
    script.write_text("#!/bin/sh\nprintf 'HTTP/1.1 201 Made\\r\\nX-Raw: 1\\r\\n\\r\\nraw'\n")
    script.chmod(0o755)
    get = {"REQUEST_METHOD": "GET", "PATH_INFO": "/nph-raw"}
    binds = ("--bind", "{tcp}", "--bind", "uwsgi://{tcp2}", "--bind", "fastcgi://{tcp3}")
    with Server("cgi", *binds, str(tmp_path)) as server:
        assert server.get("/nph-raw").status == 201
        with server.connect("tcp2") as client:
            client.send(packet(get))
            head, _, body = client.read_to_end().partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 201 Made\r\nX-Raw: 1") and body == b"raw"
        with server.connect("tcp3") as client:
            for number in (1, 2):
                client.send(begin(number, "/nph-raw") + record(STDIN, number))
                answer = read_answers(client, 1)[number]
                assert answer[STDOUT].startswith(b"Status: 201 Made\r\nX-Raw: 1") and answer[STDOUT].endswith(b"\r\n\r\nraw")


# The PROXY protocol.

V1 = b"PROXY TCP4 192.0.2.1 198.51.100.7 4711 443\r\n"
V2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes([192, 0, 2, 1, 198, 51, 100, 7, 18, 103, 1, 187])


@pytest.mark.parametrize("header", [V1, V2], ids=["v1", "v2"])
def test_a_proxy_header_names_the_client(header: bytes) -> None:
    options = ("--bind", "{tcp}", "--bind", "unix:{unix}", "--proxy-protocol", "auto", "gateways:application")
    with Server(*options) as server:
        for address in ("tcp", "unix"):
            with server.connect(address) as client:
                for piece in header:
                    client.send(bytes([piece]))
                for _ in range(2):
                    environ = client.get("/environ").json()
                    assert (environ["REMOTE_ADDR"], environ["REMOTE_PORT"]) == ("192.0.2.1", "4711")
                    assert (environ["PROXY_ADDR"], environ["PROXY_PORT"]) == ("198.51.100.7", "443")
        environ = server.get("/environ").json()
        assert environ["REMOTE_ADDR"] == "127.0.0.1" and "PROXY_ADDR" not in environ


@pytest.mark.parametrize("header", [V1, V2], ids=["v1", "v2"])
@pytest.mark.parametrize("wire", ["uwsgi", "fastcgi", "scgi"])
def test_a_proxy_header_may_stand_before_every_wire(wire: str, header: bytes) -> None:
    variables = {**GET, "PATH_INFO": "/status/201"}
    message = {
        "uwsgi": packet(variables),
        "scgi": netstring(variables),
        "fastcgi": begin(1, "/status/201") + record(STDIN, 1),
    }[wire]
    options = ("--bind", "{tcp}", "--bind", wire + "://{tcp2}", "--proxy-protocol", "auto", "--access-log", "-")
    with Server(*options, "gateways:application") as server:
        with server.connect("tcp2") as client:
            client.send(header + message)
            client.read_until(b"201 Said So\r\n")
        server.wait_for_log('192.0.2.1 - - [')
        # What the web server says of its client counts for more.
        if wire == "uwsgi":
            with server.connect("tcp2") as client:
                client.send(header + packet({**GET, "REMOTE_ADDR": "203.0.113.9"}))
                assert client.read_response().json()["REMOTE_ADDR"] == "203.0.113.9"
            server.wait_for_log("203.0.113.9 - - [")


@pytest.mark.parametrize("wire", ["uwsgi", "fastcgi", "scgi"])
def test_a_proxy_header_names_the_client_where_the_web_server_does_not(wire: str) -> None:
    variables = {**GET, "PATH_INFO": "/environ"}
    message = {
        "uwsgi": packet(variables),
        "scgi": netstring(variables),
        "fastcgi": begin(1, "/environ") + record(STDIN, 1),
    }[wire]
    options = ("--bind", "{tcp}", "--bind", wire + "://{tcp2}", "--proxy-protocol", "auto", "gateways:application")
    with Server(*options) as server:
        for header, expected in ((V1, b'"REMOTE_ADDR": "192.0.2.1"'), (V2, b'"REMOTE_PORT": "4711"')):
            with server.connect("tcp2") as client:
                client.send(header + message)
                client.read_until(expected)
        # Nobody names it: nothing is made up, nor kept from the connection before.
        with server.connect("tcp2") as client:
            client.send(message)
            assert b"REMOTE_ADDR" not in client.read_until(b"}")


def test_a_proxy_header_is_refused_where_it_does_not_belong() -> None:
    for options, status in [
        ((), 400),
        (("--proxy-protocol", "v2"), 400),
        (("--proxy-protocol", "v1", "--proxy-allow-from", "10.0.0.0/8"), 403),
    ]:
        with Server("gunicorn", "-b", "{tcp}", *options, "gateways:application") as server, server.connect() as client:
            client.send(V1 + b"GET /environ HTTP/1.1\r\nHost: x\r\n\r\n")
            assert client.read_response().status == status


def test_uwsgi_takes_a_proxy_header_in_front_of_http() -> None:
    options = ("--http-socket", "{tcp}", "--http-enable-proxy-protocol", "--wsgi-file=gateways.py")
    with Server("uwsgi", *options) as server, server.connect() as client:
        client.send(V1)
        assert client.get("/environ").json()["REMOTE_ADDR"] == "192.0.2.1"
