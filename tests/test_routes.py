"""Internal routing of the uwsgi dialect: what rules do to requests and answers, and which rules are refused."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

import pytest
from harness import ConnectionEnded, Server
from harness.command import run_command

StartServer = Callable[..., Server]

APPLICATION = """\
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-Framework", "mine")])
    return [b"application: " + environ["PATH_INFO"].encode("latin-1")]
"""

RULES = r"""[uwsgi]
http-socket = $(ADDRESS)
threads = $(THREADS)
wsgi-file = app.py
static-map = /static=files
log-format = logged %(uri)
route = ^/health donotlog:
route = ^/health log:healthy ${REQUEST_METHOD} ${PATH_INFO}
route = ^/old/(\w+)/(.*)$ redirect:/new/$1?rest=$2
route = ^/moved redirect-permanent:https://${HTTP_HOST}/
route-if = ishigher:${CONTENT_LENGTH};10 break:413 Request Entity Too Large
route-if = equal:${REQUEST_METHOD};DELETE return:405
route-host = ^closed\. break:
route-user-agent = (?i)robot return:403
route-qs = (^|&)debug= addheader:X-Debug: ${QUERY_STRING}
route-if = startswith:${PATH_INFO};/plain remheader:x-framework
route = ^/private basicauth:The "private" part,me:pass:word,you:other
route-if-not = exists:maintenance goto:open
route-run = static:closed.html
route-label = open
route = ^/last last:
route = ^/last break:500
route-run = addheader:X-Routed: yes
"""


def served(start_server: StartServer, directory: Path, threads: int) -> Server:
    (directory / "app.py").write_text(APPLICATION)
    (directory / "uwsgi.ini").write_text(RULES)
    (directory / "files").mkdir()
    (directory / "files/a.txt").write_text("file")
    (directory / "closed.html").write_text("<p>closed</p>")
    environment = {"ADDRESS": "{tcp}", "THREADS": str(threads)}
    return start_server("uwsgi", "uwsgi.ini", cwd=directory, environment=environment)


@pytest.mark.parametrize("threads", [1, 4])
def test_rules_answer_change_and_leave_alone(start_server: StartServer, tmp_path: Path, threads: int) -> None:
    server = served(start_server, tmp_path, threads)
    with server.connect() as client:
        answer = client.get("/x")
        assert (answer.body, answer.value("x-routed"), answer.value("x-framework")) == (
            b"application: /x",
            "yes",
            "mine",
        )
        for target, status, location in [
            ("/old/a/b/c", 302, "/new/a?rest=b/c"),
            ("/moved", 301, "https://shop.example/"),
        ]:
            client.send(f"GET {target} HTTP/1.1\r\nHost: shop.example\r\n\r\n".encode())
            answer = client.read_response()
            assert (answer.status, answer.value("location"), answer.body) == (status, location, b"")
        answer = client.get("/plain?debug=1")
        assert (answer.value("x-framework"), answer.value("x-debug")) == (None, "debug=1")
        assert answer.value("content-type") == "text/plain" and answer.body == b"application: /plain"
        answer = client.get("/last")
        assert (answer.body, answer.value("x-routed")) == (b"application: /last", None)
        answer = client.get("/static/a.txt")
        assert (answer.body, answer.value("x-routed")) == (b"file", "yes")
        assert client.request("DELETE", "/x").status == 405
        assert client.get("/x", "User-Agent: a Robot").status == 403
        assert client.request("POST", "/x", body=b"0123456789").status == 200
    assert server.request("POST", "/x", body=b"0123456789a").status == 413
    with server.connect() as client, pytest.raises(ConnectionEnded):
        client.send(b"GET /x HTTP/1.1\r\nHost: closed.example\r\n\r\n")
        client.read_response()
    (tmp_path / "maintenance").touch()
    answer = server.get("/x")
    assert (answer.status, answer.body, answer.value("content-type")) == (200, b"<p>closed</p>", "text/html")


def test_only_known_users_pass_basicauth(start_server: StartServer, tmp_path: Path) -> None:
    server = served(start_server, tmp_path, 1)
    for given, status in [(None, 401), ("me:pass:word", 200), ("you:other", 200), ("me:pass", 401), (":", 401)]:
        fields = [] if given is None else [f"Authorization: Basic {b64encode(given.encode()).decode()}"]
        answer = server.get("/private", *fields)
        assert answer.status == status, given
        if status == 401:
            assert answer.value("www-authenticate") == 'Basic realm="The private part"'


def test_donotlog_leaves_the_request_out_of_the_log(start_server: StartServer, tmp_path: Path) -> None:
    server = served(start_server, tmp_path, 1)
    with server.connect() as client:
        client.get("/before")
        client.get("/health")
        client.get("/after")
    server.wait_for_log("logged /after")
    server.wait_for_log("healthy GET /health")
    assert "logged /before" in server.log and "logged /health" not in server.log


@pytest.mark.parametrize(
    ("rule", "part"),
    [
        ("--route=^/x", "has to be PATTERN ACTION:ARGUMENT"),
        ("--route=( last:", "cannot be used as a regular expression"),
        ("--route=^/ rewrite:/y", "there is no action 'rewrite' here: take one of continue"),
        ("--route=^/ goto:nowhere", "leads nowhere"),
        ("--route=^/ break:abc", "has to begin with a status"),
        ("--route=^/ redirect:", "redirect needs ADDRESS"),
        ("--route=^/ basicauth:realm", "basicauth needs users"),
        ("--route=^/(.*) static:/srv/$1", "has to name one file"),
        ("--route-if=prime:7 last:", "there is no test 'prime' here"),
        ("--route-if=equal last:", "has to be TEST:ARGUMENTS"),
        ("--response-route-status=404 last:", "not there yet"),
    ],
)
def test_a_rule_that_cannot_work_is_named(tmp_path: Path, rule: str, part: str) -> None:
    ended = run_command("uwsgi", "--check", "--http-socket", ":8000", rule, cwd=tmp_path)
    assert part in ended.text
    assert (ended.exit_code == 1) == ("not there yet" not in part)
