"""Flask and Django, unmodified, under each dialect: whatever a site does arrives as it was sent.

Each check runs on both frameworks, plain and with wsgiref's validator around the application (which raises on
whatever breaks PEP 3333, so that a fault shows as a 500).
"""

from __future__ import annotations

import hashlib
import http.cookies
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from harness import RawClient, Server
from projects import copy_of

PICTURE_SIZE = 300_007
UPLOAD_SIZE = 24 << 20


@dataclass(frozen=True)
class Way:
    """One way to serve one project."""

    name: str
    project: str
    arguments: tuple[str, ...]


DJANGO = ("--env", "DJANGO_SETTINGS_MODULE=myproject.settings.set_prod")
WAYS = [
    Way("flask, gunicorn", "flask_site", ("gunicorn", "-b", "{tcp}", "-w", "2", "site_app:app")),
    Way("flask validated, threads", "flask_site", ("gunicorn", "-b", "{tcp}", "--threads", "4", "site_app:validated")),
    Way("flask, uwsgi", "flask_site", ("uwsgi", "--http-socket", "{tcp}", "--master", "--module", "site_app:app")),
    Way("flask, native", "flask_site", ("-b", "{tcp}", "site_app:app")),
    Way("django, gunicorn", "django_site", ("gunicorn", "-b", "{tcp}", "--threads", "4", *DJANGO, "myproject.wsgi")),
    Way("django validated", "django_site", ("gunicorn", "-b", "{tcp}", *DJANGO, "myproject.validated")),
    Way(
        "django, uwsgi",
        "django_site",
        ("uwsgi", "--http", "{tcp}", "--master", "-p", "2", "--threads", "2", *DJANGO, "--module", "myproject.wsgi"),
    ),
]


# Django, and the reader inside the validated Flask site, look only at Content-Length, on any server.
READS_CHUNKS = {"flask, gunicorn", "flask, uwsgi", "flask, native"}


@dataclass(frozen=True)
class Site:
    """A running site."""

    way: Way
    server: Server
    picture: bytes


@pytest.fixture(scope="module", params=WAYS, ids=lambda way: way.name)
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    directory = copy_of(request.param.project, tmp_path_factory.mktemp("site"))
    picture = random.Random(1).randbytes(PICTURE_SIZE)
    (directory / "picture.bin").write_bytes(picture)
    server = Server(*request.param.arguments, cwd=directory)
    server.start()
    try:
        yield Site(request.param, server, picture)
    finally:
        server.stop()


@pytest.fixture
def client(site: Site) -> Iterator[RawClient]:
    with site.server.connect() as client:
        yield client


def multipart(fields: dict[str, str], name: str, filename: str, content: bytes) -> tuple[str, bytes]:
    """A form as browsers send it: its content type and its bytes."""
    boundary = "----formboundary7MA4YWxkTrZu0gW"
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode()
        for key, value in fields.items()
    ]
    parts.append(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{filename}"\r\n'
        f"Content-Type: application/octet-stream\r\n\r\n".encode()
    )
    return f"multipart/form-data; boundary={boundary}", b"".join([*parts, content, f"\r\n--{boundary}--\r\n".encode()])


def test_routes_and_queries_arrive(client: RawClient) -> None:
    first = client.get("/hello/gr%C3%BC%C3%9Fe%20dich/?q=a%2Bb%26c")
    assert first.status == 200
    got = first.json()
    assert (got["name"], got["q"]) == ("grüße dich", "a+b&c")
    assert got["url"].startswith("http://test/hello/")
    # The connection is kept: a second page on it. (Jinja cuts a template's last line end, Django does not.)
    assert client.get("/page").body.rstrip() == b"<h1>Hello &lt;you&gt;</h1>"


def test_forms_arrive(client: RawClient) -> None:
    body = b"name=J%C3%BCrgen&tag=a&tag=b+c&empty="
    answer = client.request("POST", "/form", "Content-Type: application/x-www-form-urlencoded", body=body)
    assert answer.status == 200
    assert answer.json() == {"method": "POST", "fields": {"name": ["Jürgen"], "tag": ["a", "b c"], "empty": [""]}}


def test_json_arrives_with_a_length_and_in_chunks(site: Site, client: RawClient) -> None:
    document = {"text": "ß€𝄞", "list": list(range(500)), "deep": {"null": None}}
    body = json.dumps(document).encode()
    whole = client.request("POST", "/json", "Content-Type: application/json", body=body)
    assert whole.json() == {"got": document}
    if site.way.name not in READS_CHUNKS:
        return
    client.send(
        b"POST /json HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        + b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:7], body[7:1000], body[1000:]) if part)
        + b"0\r\n\r\n"
    )
    assert client.read_response("POST").json() == {"got": document}


@pytest.mark.parametrize("size", [0, 10_000, UPLOAD_SIZE], ids=["empty", "small", "big"])
def test_uploaded_files_arrive_whole(client: RawClient, size: int) -> None:
    content = random.Random(size).randbytes(size)
    kind, body = multipart({"title": "für dich"}, "document", "picture.jpg", content)
    answer = client.request("POST", "/upload", f"Content-Type: {kind}", body=body)
    assert answer.status == 200, answer.body[-2000:]
    assert answer.json() == {
        "name": "picture.jpg",
        "size": size,
        "sha256": hashlib.sha256(content).hexdigest(),
        "title": "für dich",
    }
    assert client.get("/").status == 200


def test_streamed_answers_arrive_whole_and_keep_the_connection(client: RawClient) -> None:
    answer = client.get("/stream")
    assert answer.body.decode().splitlines() == [f"line {number}" for number in range(1000)]
    assert (answer.framing, answer.complete) == ("chunked", True)
    assert client.get("/").status == 200


def test_files_arrive_whole_through_the_file_wrapper(site: Site, client: RawClient) -> None:
    for method in ("GET", "HEAD", "GET"):
        answer = client.request(method, "/file")
        assert answer.status == 200
        assert answer.value("Content-Length") == str(PICTURE_SIZE)
        assert "picture.bin" in (answer.value("Content-Disposition") or "")
        assert answer.body == (site.picture if method == "GET" else b"")
    assert client.get("/").status == 200


def test_redirects_arrive(client: RawClient) -> None:
    answer = client.get("/redirect")
    assert answer.status == 302
    location = answer.value("Location") or ""
    assert location.endswith("/hello/moved/?q=1")
    assert client.get(location.removeprefix("http://test")).json()["name"] == "moved"


def test_sessions_last_and_several_cookies_are_set(client: RawClient) -> None:
    jar: dict[str, str] = {}
    for visit in ("1", "2", "3"):
        fields = ["Cookie: " + "; ".join(f"{key}={value}" for key, value in jar.items())] if jar else []
        answer = client.get("/visits", *fields)
        assert answer.body.decode() == visit
        for line in answer.values("Set-Cookie"):
            jar |= {key: morsel.coded_value for key, morsel in http.cookies.SimpleCookie(line).items()}
    assert {"colour", "taste"} < set(jar)


def test_error_pages_are_the_frameworks_own(site: Site, client: RawClient) -> None:
    missing = client.get("/nowhere")
    assert missing.status == 404
    assert b"Not Found" in missing.body
    broken = client.get("/error")
    assert broken.status == 500
    assert b"Traceback" not in broken.body
    assert client.get("/").status == 200
    site.server.wait_for_log("a bug in the site")


def test_methods_that_are_not_allowed_are_the_frameworks_affair(site: Site, client: RawClient) -> None:
    if site.way.project == "flask_site":
        assert client.request("DELETE", "/form").status == 405
        assert client.request("OPTIONS", "/form").value("Allow") is not None
    head = client.request("HEAD", "/stream")
    assert (head.status, head.body) == (200, b"")
    assert client.get("/").status == 200


def test_django_runs_with_the_settings_given(site: Site, client: RawClient) -> None:
    expected = b"index in prod" if site.way.project == "django_site" else b"index"
    assert client.get("/").body == expected
