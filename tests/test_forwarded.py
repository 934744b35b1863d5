"""Who the client was, how it came and which host it asked for, as trusted proxies say it: X-Forwarded-*, Forwarded.

The same table holds for the environ, the scope, and the access log: it is decided once for all of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness import RawClient, Server, StartServer
from projects import copy_of

# Fields, and what the application sees: client, port, scheme, host, server's name and port. None: as without them.
NOTHING = (None, None, "http", "test", None, None)
SAID: list[tuple[list[str], tuple[Any, ...]]] = [
    ([], NOTHING),
    (["X-Forwarded-For: 6.6.6.6, 192.0.2.9, 127.0.0.1"], ("192.0.2.9", 0, "http", "test", None, None)),
    (["X-Forwarded-For: 6.6.6.6", "X-Forwarded-For: 192.0.2.9"], ("192.0.2.9", 0, "http", "test", None, None)),
    (["X-Forwarded-Proto: https"], (None, None, "https", "test", None, None)),
    (["X-Forwarded-Ssl: on"], (None, None, "https", "test", None, None)),
    (["X-Forwarded-Host: site.example"], (None, None, "http", "site.example", "site.example", 80)),
    (
        ["X-Forwarded-Host: site.example", "X-Forwarded-Proto: https"],
        (None, None, "https", "site.example", "site.example", 443),
    ),
    (
        ["X-Forwarded-Host: evil, site.example:81, inner", "X-Forwarded-For: 6.6.6.6, 192.0.2.9, ::1"],
        ("192.0.2.9", 0, "http", "site.example:81", "site.example", 81),
    ),
    (
        ['Forwarded: for="192.0.2.9:4711";proto=https;host=site.example;by=10.0.0.1'],
        ("192.0.2.9", 4711, "https", "site.example", "site.example", 443),
    ),
    (['Forwarded: For="[2001:DB8::9]"'], ("2001:db8::9", 0, "http", "test", None, None)),
    (
        ["Forwarded: for=6.6.6.6;proto=https", "Forwarded: for=192.0.2.9;proto=http, for=127.0.0.1;proto=https"],
        ("192.0.2.9", 0, "http", "test", None, None),
    ),
    (["Forwarded: for=unknown;proto=https"], (None, None, "https", "test", None, None)),
    (["Forwarded: for=_hidden"], NOTHING),
    (
        ["X-Forwarded-For: 192.0.2.9", "Forwarded: for=192.0.2.9;proto=https"],
        ("192.0.2.9", 0, "https", "test", None, None),
    ),
]
# The same, and what the log says besides.
IGNORED = [
    (["Forwarded: for=192.0.2.9;for=6.6.6.6"], NOTHING, "its Forwarded is malformed"),
    (["Forwarded: for=example.com;proto=https"], NOTHING, "its Forwarded is malformed"),
    (
        ["X-Forwarded-For: 192.0.2.9", "Forwarded: for=6.6.6.6;proto=https"],
        ("192.0.2.9", 0, "http", "test", None, None),
        "contradicts its X-Forwarded headers",
    ),
    (["X-Forwarded-Proto: http", "X-Forwarded-Ssl: on"], NOTHING, "contradict each other about the scheme"),
    (["X-Forwarded-Host: a/b"], NOTHING, "X-Forwarded-Host is no host"),
]
LOG_FORMAT = "logged %(h)s %({wsgi.url_scheme}e)s"


class Seen:
    """Servers for WSGI and ASGI, asked for what their applications see."""

    def __init__(self, wsgi: Server, asgi: Server) -> None:
        self.servers = {"wsgi": wsgi, "asgi": asgi}

    def by(self, interface: str, fields: list[str]) -> tuple[Any, ...]:
        server = self.servers[interface]
        request = "\r\n".join(["GET /PATH HTTP/1.1", "Host: test", "Connection: close", *fields, "", ""])
        with server.connect() as client:
            client.send(request.replace("PATH", "environ" if interface == "wsgi" else "scope").encode())
            seen = client.read_response().json()
        return wsgi_view(seen, server) if interface == "wsgi" else asgi_view(seen["scope"], server)


def wsgi_view(environ: dict[str, str], server: Server) -> tuple[Any, ...]:
    own = (environ["SERVER_NAME"], environ["SERVER_PORT"]) == tuple(str(part) for part in server.address)
    is_peer = environ["REMOTE_ADDR"] == "127.0.0.1"
    return (
        None if is_peer else environ["REMOTE_ADDR"],
        None if is_peer else int(environ["REMOTE_PORT"]),
        environ["wsgi.url_scheme"],
        environ["HTTP_HOST"],
        None if own else environ["SERVER_NAME"],
        None if own else int(environ["SERVER_PORT"]),
    )


def asgi_view(scope: dict[str, Any], server: Server) -> tuple[Any, ...]:
    own = scope["server"] == list(server.address)
    is_peer = scope["client"][0] == "127.0.0.1"
    return (
        None if is_peer else scope["client"][0],
        None if is_peer else scope["client"][1],
        scope["scheme"],
        dict(scope["headers"])["host"],
        None if own else scope["server"][0],
        None if own else scope["server"][1],
    )


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    log = ("--access-log", "-", "--access-log-format", LOG_FORMAT)
    site = copy_of("asgi_site", tmp_path_factory.mktemp("forwarded") / "site")
    with (
        Server("--bind", "{tcp}", *log, "gateways:application") as wsgi,
        Server("--bind", "{tcp}", *log, "raw:app", cwd=site) as asgi,
    ):
        yield Seen(wsgi, asgi)


@pytest.mark.parametrize("interface", ["wsgi", "asgi"])
@pytest.mark.parametrize(("fields", "expected"), SAID, ids=lambda value: " ".join(map(str, value)))
def test_what_a_trusted_proxy_says_is_what_the_application_sees(
    seen: Seen, interface: str, fields: list[str], expected: tuple[Any, ...]
) -> None:
    assert seen.by(interface, fields) == expected
    seen.servers[interface].wait_for_log(f"logged {expected[0] or '127.0.0.1'} {expected[2]}\n")


@pytest.mark.parametrize(("fields", "expected", "reason"), IGNORED)
def test_what_contradicts_itself_or_is_malformed_is_ignored_and_the_log_says_so_once(
    start_server: StartServer, fields: list[str], expected: tuple[Any, ...], reason: str
) -> None:
    server = start_server("--bind", "{tcp}", "gateways:application")
    for _ in range(3):
        assert Seen(server, server).by("wsgi", fields) == expected
    server.wait_for_log(reason)
    assert server.log.count("is not believed") == 1


ALL = ["X-Forwarded-For: 192.0.2.9", "X-Forwarded-Proto: https", "X-Forwarded-Host: site.example"]
STANDARD = ["Forwarded: for=192.0.2.9;proto=https;host=site.example"]
BELIEVED = ("192.0.2.9", 0, "https", "site.example", "site.example", 443)
SCHEME_ONLY = (None, None, "https", "test", None, None)


@pytest.mark.parametrize(
    ("options", "by_x", "by_standard"),
    [
        (("--bind", "{tcp}"), BELIEVED, BELIEVED),
        (("--bind", "{tcp}", "--forwarded-allow-ips", "127.0.0.0/8"), BELIEVED, BELIEVED),
        (("--bind", "{tcp}", "--forwarded-allow-ips", "10.0.0.0/8"), NOTHING, NOTHING),
        (("--bind", "{tcp}", "--forwarded-headers", "none"), NOTHING, NOTHING),
        (("--bind", "{tcp}", "--forwarded-headers", "proto"), SCHEME_ONLY, NOTHING),
        (("--bind", "{tcp}", "--forwarded-headers", "forwarded"), NOTHING, BELIEVED),
        (("gunicorn", "-b", "{tcp}"), SCHEME_ONLY, NOTHING),
        (
            (
                "gunicorn",
                "-b",
                "{tcp}",
                "--forwarder-headers",
                "SCRIPT_NAME,FORWARDED,X-FORWARDED-FOR,X-FORWARDED-HOST",
            ),
            BELIEVED,
            BELIEVED,
        ),
        (("uvicorn", "--port", "{port}"), ("192.0.2.9", 0, "https", "test", None, None), NOTHING),
        (("uvicorn", "--port", "{port}", "--no-proxy-headers"), NOTHING, NOTHING),
        (("uwsgi", "--http-socket", "{tcp}", "-w"), SCHEME_ONLY, NOTHING),
    ],
    ids=lambda value: " ".join(map(str, value)),
)
def test_each_dialect_believes_what_its_users_expect(
    start_server: StartServer, options: tuple[str, ...], by_x: tuple[Any, ...], by_standard: tuple[Any, ...]
) -> None:
    server = start_server(*options, "gateways:application")
    assert Seen(server, server).by("wsgi", ALL) == by_x
    assert Seen(server, server).by("wsgi", STANDARD) == by_standard


def test_scheme_headers_that_contradict_each_other_are_refused_as_gunicorn_does(start_server: StartServer) -> None:
    server = start_server("gunicorn", "-b", "{tcp}", "gateways:application")
    fields = ("X-Forwarded-Proto: https", "X-Forwarded-Ssl: off")
    assert server.get("/environ", *fields).status == 400
    server.wait_for_log("contradict each other about the scheme")
    wary = start_server("gunicorn", "-b", "{tcp}", "--forwarded-allow-ips", "10.0.0.1", "gateways:application")
    assert wary.get("/environ", *fields).status == 200


def uwsgi_packet(variables: dict[str, str]) -> bytes:
    block = b""
    for text in (part.encode() for pair in variables.items() for part in pair):
        block += len(text).to_bytes(2, "little") + text
    return bytes([0, *len(block).to_bytes(2, "little"), 0]) + block


def by_uwsgi(server: Server, **variables: str) -> dict[str, str]:
    with RawClient(server.addresses["tcp2"]) as client:
        client.send(uwsgi_packet({"REQUEST_METHOD": "GET", "PATH_INFO": "/environ", "HTTP_HOST": "test", **variables}))
        environ: dict[str, str] = client.read_response().json()
        return environ


def test_behind_a_web_server_it_is_the_web_servers_client_that_has_to_be_trusted(start_server: StartServer) -> None:
    server = start_server("--bind", "{tcp}", "--bind", "uwsgi://{tcp2}", "gateways:application")
    said = {
        "HTTP_X_FORWARDED_FOR": "192.0.2.9",
        "HTTP_X_FORWARDED_PROTO": "https",
        "HTTP_X_FORWARDED_HOST": "site.example",
    }
    environ = by_uwsgi(server, REMOTE_ADDR="198.51.100.1", REMOTE_PORT="99", SERVER_NAME="inner", **said)
    assert (environ["REMOTE_ADDR"], environ["REMOTE_PORT"], environ["SERVER_NAME"]) == ("198.51.100.1", "99", "inner")
    assert (environ["wsgi.url_scheme"], environ["HTTP_HOST"]) == ("http", "test")
    environ = by_uwsgi(server, REMOTE_ADDR="127.0.0.1", REMOTE_PORT="99", SERVER_NAME="inner", **said)
    assert (environ["REMOTE_ADDR"], environ["REMOTE_PORT"]) == ("192.0.2.9", "0")
    assert (environ["SERVER_NAME"], environ["SERVER_PORT"], environ["HTTP_HOST"]) == (
        "site.example",
        "443",
        "site.example",
    )
    assert environ["wsgi.url_scheme"] == "https"


def test_the_web_servers_own_word_on_the_scheme_is_believed_and_its_clients_only_under_uwsgi(
    start_server: StartServer,
) -> None:
    native = ("--bind", "{tcp}", "--bind", "uwsgi://{tcp2}", "gateways:application")
    uwsgi = ("uwsgi", "--http-socket", "{tcp}", "--socket", "{tcp2}", "--wsgi-file", "gateways.py")
    for options, is_uwsgi in ((native, False), (uwsgi, True)):
        server = start_server(*options)
        for variables, scheme in (
            ({"HTTPS": "on"}, "https"),
            ({"HTTPS": "off"}, "http"),
            ({"UWSGI_SCHEME": "https"}, "https"),
            ({"UWSGI_SCHEME": "http", "HTTPS": "on"}, "http"),
            ({"REQUEST_SCHEME": "https"}, "http"),
            ({"HTTP_X_FORWARDED_PROTO": "https"}, "https" if is_uwsgi else "http"),
            ({"HTTP_X_FORWARDED_PROTO": "http", "HTTPS": "on"}, "http" if is_uwsgi else "https"),
            ({"HTTP_X_FORWARDED_SSL": "1"}, "https" if is_uwsgi else "http"),
        ):
            assert by_uwsgi(server, REMOTE_ADDR="198.51.100.1", **variables)["wsgi.url_scheme"] == scheme, variables
        server.stop()


def test_scripts_see_the_client_and_the_scheme_too(tmp_path: Path, start_server: StartServer) -> None:
    script = tmp_path / "show"
    script.write_text(
        "#!/bin/sh\necho 'Content-Type: application/json'; echo\n"
        'echo "[\\"$REMOTE_ADDR\\", \\"$HTTPS\\", \\"$REQUEST_SCHEME\\", \\"$SERVER_NAME\\", \\"$SERVER_PORT\\"]"\n'
    )
    script.chmod(0o755)
    server = start_server("cgi", "-b", "{tcp}", str(tmp_path))
    said = json.loads(server.get("/show", *ALL).body)
    assert said == ["192.0.2.9", "on", "https", "site.example", "443"]
