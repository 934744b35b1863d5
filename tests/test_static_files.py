"""Static files of the uwsgi dialect: what is answered from files, how, and what goes on to the application.

Each test starts a server in a directory of its own with a small site in it, and an application that names the path.
"""

from __future__ import annotations

import gzip
import os
from email.utils import formatdate, parsedate_to_datetime
from pathlib import Path

import pytest
from harness import RawClient, StartServer

APPLICATION = """\
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"application: " + environ["PATH_INFO"].encode("latin-1")]
"""
STYLE = b"body { color: black }\n" * 400
CHANGED = 1_600_000_000


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A project: an application, a directory of files, and things beside it that nobody may see."""
    for name, content in {
        "app.py": APPLICATION.encode(),
        "files/style.css": STYLE,
        "files/style.css.gz": gzip.compress(STYLE, mtime=0),
        "files/style.css.br": b"pretends to be brotli",
        "files/plain.js": b"let x = 1\n",
        "files/docs/index.html": b"<p>index</p>",
        "files/empty": b"",
        "files/page.php": b"<?php ?>",
        "files/with space.txt": b"space",
        "files/odd.unknown-type": b"odd",
        "files-secret/key": b"secret",
        "key": b"secret",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    os.utime(tmp_path / "files/style.css", (CHANGED, CHANGED))
    (tmp_path / "files/leak").symlink_to(tmp_path / "key")
    (tmp_path / "files/inside").symlink_to(tmp_path / "files/plain.js")
    return tmp_path


def options(*more: str) -> tuple[str, ...]:
    return ("uwsgi", "--http-socket", "{tcp}", "--wsgi-file", "app.py", "--static-map", "/static=files", *more)


@pytest.mark.parametrize("threads", ["1", "4"])
def test_a_file_is_answered_with_its_fields_and_everything_else_by_the_application(
    start_server: StartServer, site: Path, threads: str
) -> None:
    server = start_server(*options("--threads", threads, "--add-header", "X-Site: mine"), cwd=site)
    with server.connect() as client:
        answer = client.get("/static/style.css")
        assert (answer.status, answer.body, answer.framing) == (200, STYLE, "length")
        assert answer.value("content-type") == "text/css"
        assert answer.value("last-modified") == formatdate(CHANGED, usegmt=True)
        assert answer.value("etag") and answer.value("accept-ranges") == "bytes"
        assert answer.value("x-site") == "mine"
        assert answer.value("expires") is None and answer.value("vary") is None
        head = client.request("HEAD", "/static/style.css")
        assert (head.status, head.value("content-length"), head.body) == (200, str(len(STYLE)), b"")
        assert client.get("/static/empty").body == b""
        assert client.get("/static/with%20space.txt?a=b").body == b"space"
        assert client.get("/static/inside").body == b"let x = 1\n"
        assert client.get("/static/odd.unknown-type").value("content-type") is None
        for target in ["/", "/static/none", "/static", "/static/docs/", "/static/leak", "/other"]:
            assert client.get(target).body == b"application: " + target.encode()
        assert client.request("POST", "/static/style.css", body=b"x").body == b"application: /static/style.css"


def test_no_path_leads_out_of_the_directory(start_server: StartServer, site: Path) -> None:
    server = start_server(*options("--check-static", "files"), cwd=site)
    for target in [
        "/static/../key",
        "/static/%2e%2e/key",
        "/static/..%2fkey",
        "/static/.%2e/files-secret/key",
        "/static/docs/../../key",
        "/static-secret/key",
        "/static/../files-secret/key",
        "/static/%2fetc/passwd",
        "//etc/passwd",
        "/static/style.css%00.png",
        "/../key",
        "/static/leak",
        "/leak",
    ]:
        with server.connect() as client:
            answer = client.get(target)
            assert b"secret" not in answer.body.replace(b"files-secret", b"").replace(b"static-secret", b""), target
            assert answer.status >= 400 or answer.body.startswith(b"application: "), (target, answer)


def test_conditions_and_ranges_are_obeyed(start_server: StartServer, site: Path) -> None:
    server = start_server(*options(), cwd=site)
    target = "/static/style.css"
    with server.connect() as client:
        tag = client.get(target).value("etag")
        date = formatdate(CHANGED, usegmt=True)
        before = formatdate(CHANGED - 10, usegmt=True)
        size = len(STYLE)
        for fields, status, body, content_range in [
            ([f"If-None-Match: {tag}"], 304, b"", None),
            (['If-None-Match: "other", W/' + str(tag)], 304, b"", None),
            (['If-None-Match: "other"', f"If-Modified-Since: {date}"], 200, STYLE, None),
            ([f"If-Modified-Since: {date}"], 304, b"", None),
            ([f"If-Modified-Since: {before}"], 200, STYLE, None),
            (["If-Modified-Since: nonsense"], 200, STYLE, None),
            (['If-Match: "other"'], 412, b"", None),
            ([f"If-Unmodified-Since: {before}"], 412, b"", None),
            (["Range: bytes=0-4"], 206, STYLE[:5], f"bytes 0-4/{size}"),
            (["Range: bytes=-3"], 206, STYLE[-3:], f"bytes {size - 3}-{size - 1}/{size}"),
            ([f"Range: bytes={size - 2}-"], 206, STYLE[-2:], f"bytes {size - 2}-{size - 1}/{size}"),
            ([f"Range: bytes={size}-"], 416, b"", f"bytes */{size}"),
            (["Range: bytes=0-1,3-4"], 200, STYLE, None),
            (["Range: bytes=0-4", f"If-Range: {tag}"], 206, STYLE[:5], f"bytes 0-4/{size}"),
            (["Range: bytes=0-4", 'If-Range: "other"'], 200, STYLE, None),
        ]:
            answer = client.get(target, *fields)
            assert (answer.status, answer.body, answer.value("content-range")) == (status, body, content_range), fields


@pytest.mark.parametrize(
    "option",
    [
        ["--static-gzip-all"],
        ["--static-gzip", r"\.css$"],
        ["--static-gzip-ext", ".css"],
        ["--static-gzip-dir", "files"],
    ],
)
def test_a_compressed_neighbour_is_sent_to_those_who_take_it(
    start_server: StartServer, site: Path, option: list[str]
) -> None:
    server = start_server(*options(*option), cwd=site)
    with server.connect() as client:
        for accepted, coding, body in [
            ("gzip", "gzip", gzip.compress(STYLE, mtime=0)),
            ("gzip, br", "br", b"pretends to be brotli"),
            ("gzip;q=0, identity", None, STYLE),
            ("deflate", None, STYLE),
        ]:
            answer = client.get("/static/style.css", f"Accept-Encoding: {accepted}")
            assert (answer.value("content-encoding"), answer.body) == (coding, body), accepted
            assert (answer.value("vary"), answer.value("content-type")) == ("Accept-Encoding", "text/css")
        assert client.get("/static/plain.js", "Accept-Encoding: gzip").value("content-encoding") is None


def test_files_are_mapped_indexed_skipped_and_typed_as_configured(start_server: StartServer, site: Path) -> None:
    (site / "uwsgi.ini").write_text(
        "[uwsgi]\nhttp-socket = $(ADDRESS)\nwsgi-file = app.py\nstatic-map = /static=files\nstatic-map2 = /docs=files\n"
        "static-map = /robots=files/plain.js\nstatic-index = index.html\nstatic-skip-ext = .php\nstatic-safe = key\n"
        "mimefile = own.types\nstatic-expires-uri = js$ 3600\nstatic-expires-type = text/css=60\n"
        "static-expires-mtime = /docs/ 100\n"
    )
    (site / "own.types").write_text("application/x-odd unknown-type\n")
    os.utime(site / "files/docs/index.html", (CHANGED, CHANGED))
    server = start_server("uwsgi", "uwsgi.ini", cwd=site, environment={"ADDRESS": "{tcp}"})
    with server.connect() as client:
        for target, body in [
            ("/static/docs/", b"<p>index</p>"),
            ("/docs/index.html", b"<p>index</p>"),
            ("/robots", b"let x = 1\n"),
            ("/robots/more", b"application: /robots/more"),
            ("/static/page.php", b"application: /static/page.php"),
            ("/static/leak", b"secret"),
        ]:
            assert client.get(target).body == body, target
        assert client.get("/static/odd.unknown-type").value("content-type") == "application/x-odd"
        assert client.get("/docs/index.html").value("expires") == formatdate(CHANGED + 100, usegmt=True)
        for target, seconds in [("/static/plain.js", 3600), ("/static/style.css", 60)]:
            answer = client.get(target)
            expires, date = (parsedate_to_datetime(answer.value(name) or "") for name in ("expires", "date"))
            assert abs((expires - date).total_seconds() - seconds) <= 2, target
        assert client.get("/static/odd.unknown-type").value("expires") is None


def test_a_large_file_reaches_a_slow_client_while_others_are_served(start_server: StartServer, site: Path) -> None:
    large = os.urandom(1 << 16) * 32
    (site / "files/large.bin").write_bytes(large)
    server = start_server(*options(), cwd=site)
    with RawClient(server.address, receive_buffer=4096) as slow:
        slow.send(b"GET /static/large.bin HTTP/1.1\r\nHost: a\r\n\r\n")
        for _ in range(20):
            assert server.get("/static/plain.js").status == 200
            assert server.get("/application").body == b"application: /application"
        assert slow.read_response().body == large


def test_requests_for_files_are_logged_like_any_other(start_server: StartServer, site: Path) -> None:
    server = start_server(*options("--log-format", "%(method) %(uri) %(status) %(rsize)"), cwd=site)
    server.get("/static/plain.js?x=1")
    server.wait_for_log("GET /static/plain.js?x=1 200 10")


@pytest.mark.parametrize(
    ("option", "part"),
    [
        (["--static-map", "/static"], "'/static' has to be PREFIX=DIRECTORY"),
        (["--static-expires", "( 3"], "cannot be used as a regular expression"),
        (["--static-expires", "x"], "has to be PATTERN SECONDS"),
        (["--mimefile", "none.types"], "there is no file"),
        (["--add-header", "broken"], "has to be NAME: VALUE"),
    ],
)
def test_what_cannot_work_is_refused_at_the_start(site: Path, option: list[str], part: str) -> None:
    from harness.command import run_command

    ended = run_command("uwsgi", "--http-socket", "127.0.0.1:0", *option, cwd=site)
    assert ended.exit_code == 1
    assert part in ended.text
