"""Internal routing of the uwsgi dialect: what rules do to requests and answers, and which rules are refused."""

from __future__ import annotations

import gzip
from base64 import b64encode
from pathlib import Path

import pytest
from harness import ConnectionEnded, Server, StartServer
from harness.command import run_command
from harness.processes import free_port, wait_until

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
            assert (answer.status, answer.value("location")) == (status, location)
            assert answer.body == (b"Moved" if status == 302 else b"Moved Permanently")
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
        (
            "--route=^/ rewritten:/y",
            "there is no action 'rewritten' here (did you mean rewrite?): take one of continue",
        ),
        ("--route=^/ cachestore:key=x", "there is no action 'cachestore' here: in its place there is uwsgi.cache_set"),
        ("--route=^/ cache:key=x", "a rule names the cache 'default', which is not there: write cache2 ="),
        ("--route=^/ cache:name=x", "cache needs a key: write cache:key=KEY"),
        ("--route=^/ cachevar:key=x", "cachevar needs a variable"),
        ("--route=^/ cacheset:key=x,colour=blue", "cacheset has no 'colour'"),
        ("--route-if=incache:key=x,name=y last:", "a rule names the cache 'y', which is not there"),
        ("--route=^/ metricinc:x", "a rule changes the metric 'x', which is not there: write metric = x"),
        ("--route=^/ signal:1000", "has to be signal:NUMBER, from 0 to 255"),
        ("--add-cache-item=x=y", "'x' has no cache in memory to be in: write cache2 ="),
        ("--check-cache", "write route = ^/ cache:key=${REQUEST_URI}"),
        ("--route=^/ addvar:X=${geoip[country]}", "there is no 'geoip' here: take one of cookie"),
        ("--route=^/ goto:nowhere", "leads nowhere"),
        ("--route=^/ break:abc", "has to be a status from 200 to 999"),
        ("--route=^/ redirect:", "redirect needs ADDRESS"),
        ("--route=^/ basicauth:realm", "basicauth needs users"),
        ("--route=^/ basicauth:realm,/etc/passwords", "files of passwords are not read here"),
        ("--route=^/(.*) static:$1", "lets a request choose any file"),
        ("--route=^/ uwsgi:,9,0", "only Python (0) answers here"),
        ("--route=^/ http:backend", "is no address"),
        ("--final-route-run=http:127.0.0.1:80", "are for requests that have not been answered"),
        ("--route-if=prime:7 last:", "there is no test 'prime' here"),
        ("--route-if=equal last:", "has to be TEST:ARGUMENTS"),
        ("--response-route-status=none last:", "has to begin with a status of three digits"),
    ],
)
def test_a_rule_that_cannot_work_is_named(tmp_path: Path, rule: str, part: str) -> None:
    ended = run_command("uwsgi", "--check", "--http-socket", ":8000", rule, cwd=tmp_path)
    assert part in ended.text
    assert ended.exit_code == 1


SEEN = """\
import json


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    seen = {name: value for name, value in environ.items() if isinstance(value, str)}
    seen["body"] = environ["wsgi.input"].read().decode()
    return [json.dumps(seen).encode()]
"""

REWRITING = r"""[uwsgi]
http-socket = $(ADDRESS)
threads = $(THREADS)
wsgi-file = app.py
static-map = /static=files
route = ^/old/(.*)$ rewrite:/new%%20one/$1?from=old
route = ^/new.one addvar:TOKEN=${cookie[sid]}-${qs[b]}-${base64[REMOTE_ADDR]}-${uwsgi[wid]}
route = ^/file/(.*)$ rewrite-last:/static/$1
route = ^/file addvar:NEVER=1
route = ^/mounted setscriptname:/mounted
route = ^/mounted fixpathinfo:
route = ^/as/(\w+)$ setuser:$1:secret
route-remote-user = ^root$ return:403
route = ^/method setmethod:PATCH
route = ^/secure setscheme:https
route = ^/far setremoteaddr:192.0.2.7
route-if = ipv4in:${REMOTE_ADDR};192.0.2.0/24 addvar:NEAR=no
route = ^/uri seturi:/other?x
route = ^/path setpathinfo:/a b
route = ^/header addvar:HTTP_X_GIVEN=${time[unix]}
route-run = addvar:N=1
route-run = +:N,41
"""


@pytest.mark.parametrize("threads", [1, 4])
def test_the_application_sees_what_rules_have_made_of_the_request(
    start_server: StartServer, tmp_path: Path, threads: int
) -> None:
    (tmp_path / "app.py").write_text(SEEN)
    (tmp_path / "uwsgi.ini").write_text(REWRITING)
    (tmp_path / "files").mkdir()
    (tmp_path / "files/a.txt").write_text("file")
    environment = {"ADDRESS": "{tcp}", "THREADS": str(threads)}
    server = start_server("uwsgi", "uwsgi.ini", cwd=tmp_path, environment=environment)
    seen = server.get("/old/page?b=2", "Cookie: x=1; sid=s3").json()
    assert (seen["PATH_INFO"], seen["QUERY_STRING"]) == ("/new one/page", "from=old&b=2")
    assert (seen["REQUEST_URI"], seen["TOKEN"], seen["N"]) == ("/old/page?b=2", "s3-2-MTI3LjAuMC4x-1", "42")
    assert server.get("/file/a.txt").body == b"file"
    for target, expected in [
        ("/mounted/x", {"SCRIPT_NAME": "/mounted", "PATH_INFO": "/x"}),
        ("/as/me", {"REMOTE_USER": "me"}),
        ("/method", {"REQUEST_METHOD": "PATCH"}),
        ("/far", {"REMOTE_ADDR": "192.0.2.7", "NEAR": "no"}),
        ("/uri", {"REQUEST_URI": "/other?x", "PATH_INFO": "/uri"}),
        ("/path", {"PATH_INFO": "/a b"}),
    ]:
        seen = server.get(target).json()
        assert {name: seen.get(name) for name in expected} == expected, target
    assert server.get("/header").json()["HTTP_X_GIVEN"].isdigit()
    assert "NEAR" not in server.get("/near").json()
    answer = server.get("/as/root")
    assert (answer.status, answer.body, answer.value("content-type")) == (403, b"Forbidden", "text/plain")


SCHEME = """\
def application(environ, start_response):
    start_response("200 OK", [])
    return [environ["wsgi.url_scheme"].encode()]
"""


def test_setscheme_is_what_wsgi_says(start_server: StartServer, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(SCHEME)
    rule = "--route=^/secure setscheme:https"
    server = start_server("uwsgi", "--http-socket", "{tcp}", "--wsgi-file", "app.py", rule, cwd=tmp_path)
    assert (server.get("/secure").body, server.get("/").body) == (b"https", b"http")


ANSWERS = r"""[uwsgi]
http-socket = $(ADDRESS)
wsgi-file = app.py
log-format = logged %(uri) %(status) %(note) %(seconds)
error-page-404 = gone.html
error-page-404 = missing.html
route = ^/health return:200
route = ^/made clearheaders:201 Created
route = ^/made send:one ${REQUEST_METHOD}
route = ^/made send-crnl:
route = ^/made break:
route = ^/pages/(.*)$ static:pages/$1
route = ^/maybe/(.*)$ file-next:filename=./pages/$1,status=410 Gone,mime=1
route = ^/next basicauth-next:realm,me:pass
route-if-not = empty:${REMOTE_USER} return:204
route = ^/next basicauth:realm,you:other
route = ^/moved/([a-z]+) goto:$1
route-run = continue:
route-label = here
route-run = redirect:/here
route-label = there
route-run = expires:value=60
error-route-status = 418 redirect:/teapot
error-route-status = 404 addheader:X-Missing: ${PATH_INFO}
response-route-status = 200 addheader:X-Fine: ${uwsgi[status]}
response-route = ^/hidden return:404
final-route = ^/quiet donotlog:
final-route-run = logvar:note=${uwsgi[status]}-noted
final-route-status = 404 log:missing ${PATH_INFO}
"""

FAILING = """\
def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/raise":
        raise RuntimeError("on purpose")
    status = "200 OK"
    if path == "/teapot-please":
        status = "418 I am a teapot"
    elif path == "/none":
        status = "404 Not Found"
    start_response(status, [("Content-Type", "text/plain"), ("Content-Length", "6")])
    return [b"ori", b"gin"]
"""


def test_answers_are_given_changed_and_replaced(start_server: StartServer, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(FAILING)
    (tmp_path / "uwsgi.ini").write_text(ANSWERS)
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages/a.html").write_text("<p>a</p>")
    (tmp_path / "missing.html").write_text("<p>missing</p>")
    (tmp_path / "secret.html").write_text("secret")
    server = start_server("uwsgi", "uwsgi.ini", cwd=tmp_path, environment={"ADDRESS": "{tcp}"})
    known = "Authorization: Basic " + b64encode(b"me:pass").decode()
    other = "Authorization: Basic " + b64encode(b"you:other").decode()
    with server.connect() as client:
        answer = client.get("/health")
        assert (answer.status, answer.body, answer.value("x-fine")) == (200, b"OK", "200")
        answer = client.get("/made")
        assert (answer.status, answer.body) == (201, b"one GET\r\n")
        answer = client.get("/pages/a.html")
        assert (answer.body, answer.value("content-type")) == (b"<p>a</p>", "text/html")
        for path in ["/pages/none.html", "/pages/%2e%2e/secret.html", "/pages/..%2fsecret.html"]:
            answer = client.get(path)
            assert (answer.status, answer.body) == (404, b"<p>missing</p>"), path
            assert answer.value("content-type") == "text/html" and answer.value("x-missing")
        answer = client.get("/maybe/a.html")
        assert (answer.status, answer.body) == (410, b"<p>a</p>")
        assert client.get("/maybe/b.html").body == b"origin"
        assert client.get("/next", known).status == 204
        assert client.get("/next", other).body == b"origin"
        assert client.get("/next").status == 401
        assert client.get("/moved/here").value("location") == "/here"
        answer = client.get("/moved/there")
        assert answer.body == b"origin" and (answer.value("expires") or "").endswith("GMT")
        answer = client.get("/teapot-please")
        assert (answer.status, answer.value("location"), answer.body) == (302, "/teapot", b"Moved")
        answer = client.get("/none")
        assert (answer.status, answer.body, answer.value("x-missing")) == (404, b"origin", "/none")
        answer = client.get("/hidden")
        assert (answer.status, answer.body) == (404, b"Not Found")
        assert client.get("/quiet").body == b"origin"
        assert client.get("/raise").status == 500
        assert client.get("/after").body == b"origin"
    server.wait_for_log("logged /after 200 200-noted -")
    server.wait_for_log("missing /none")
    assert "logged /hidden 404 404-noted" in server.log and "logged /quiet" not in server.log


def test_error_page_500_answers_for_an_application_that_fails(start_server: StartServer, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(FAILING)
    (tmp_path / "500.html").write_text("<p>sorry</p>")
    options = ["--http-socket", "{tcp}", "--wsgi-file", "app.py", "--error-page-500", "500.html"]
    server = start_server("uwsgi", *options, cwd=tmp_path)
    with server.connect() as client:
        answer = client.get("/raise")
        assert (answer.status, answer.body, answer.value("content-type")) == (500, b"<p>sorry</p>", "text/html")
        assert client.request("HEAD", "/raise").status == 500
        assert client.get("/").body == b"origin"


STUCK = """\
import time


def application(environ, start_response):
    start_response("200 OK", [])
    if environ["PATH_INFO"] == "/stuck":
        time.sleep(600)
    return [b"x"]
"""


def test_harakiri_ends_the_worker_of_one_kind_of_request(start_server: StartServer, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(STUCK)
    rule = "--route=^/stuck harakiri:1"
    server = start_server("uwsgi", "--http-socket", "{tcp}", "--wsgi-file", "app.py", rule, cwd=tmp_path)
    with server.connect() as client, pytest.raises(ConnectionEnded):
        client.get("/stuck")
    assert server.get("/").body == b"x"
    server.wait_for_log("HARAKIRI")
    assert "line 7 in application" in server.log


def test_each_thread_has_a_harakiri_of_its_own(start_server: StartServer, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(STUCK)
    rule = "--route=^/(stuck|quick) harakiri:2"
    arguments = ("uwsgi", "--http-socket", "{tcp}", "--threads", "2", "--wsgi-file", "app.py", rule)
    server = start_server(*arguments, cwd=tmp_path)
    with server.connect() as client, server.connect() as other, pytest.raises(ConnectionEnded):
        client.send(b"GET /stuck HTTP/1.1\r\nHost: a\r\n\r\n")
        # The end of another request under the same rule ends no time but its own.
        for _ in range(3):
            assert other.get("/quick").body == b"x"
        client.read_response()
    server.wait_for_log("HARAKIRI")


ASYNCHRONOUS = """\
import asyncio
import time


async def application(scope, receive, send):
    path = scope["path"]
    if path == "/raise":
        raise RuntimeError("on purpose")
    if path == "/sleeps":
        await asyncio.sleep(600)
    if path == "/blocks":
        time.sleep(600)
    status = 404 if path == "/none" else 200
    await send({"type": "http.response.start", "status": status, "headers": [(b"x-framework", b"mine")]})
    body = f"{scope['method']} {path} {scope['root_path']} {scope['query_string'].decode()}"
    await send({"type": "http.response.body", "body": body.encode(), "more_body": True})
    await send({"type": "http.response.body", "body": b"."})
"""


@pytest.mark.parametrize("path", ["/sleeps", "/blocks"])
def test_harakiri_ends_the_worker_of_an_asgi_application_too(
    start_server: StartServer, tmp_path: Path, path: str
) -> None:
    (tmp_path / "app.py").write_text(ASYNCHRONOUS)
    rule = "--route=^/(sleeps|blocks) harakiri:1"
    server = start_server("uwsgi", "--http-socket", "{tcp}", "--module", "app", rule, cwd=tmp_path)
    with server.connect() as client, pytest.raises(ConnectionEnded):
        client.get(path)
    server.wait_for_log("HARAKIRI")
    assert f"GET {path}" in server.log
    assert server.get("/").body == b"GET /  ."
    # Requests that no rule speaks of take as long as they like.
    assert server.log.count("HARAKIRI ON WORKER") == 1


ASYNCHRONOUS_RULES = r"""[uwsgi]
http-socket = $(ADDRESS)
module = app
log-format = logged %(uri) %(note)
error-page-500 = failed.html
route = ^/old/(.*)$ rewrite:/new/$1?from=rule
route = ^/new/ setscriptname:/new
route = ^/new/ setmethod:PURGE
route = ^/given return:200
error-route-status = 404 addheader:X-Missing: ${PATH_INFO}
response-route = ^/new/ addheader:X-Path: ${PATH_INFO} ${REQUEST_METHOD} ${uwsgi[status]}
response-route = ^/bare delheader:x-framework
response-route = ^/hidden return:410
response-route-uri = ^/old/ addheader:X-Uri: ${REQUEST_URI}
final-route-run = logvar:note=${PATH_INFO}
"""


def test_answers_to_rewritten_requests_of_an_asgi_application_follow_the_rules(
    start_server: StartServer, tmp_path: Path
) -> None:
    (tmp_path / "app.py").write_text(ASYNCHRONOUS)
    (tmp_path / "uwsgi.ini").write_text(ASYNCHRONOUS_RULES)
    (tmp_path / "failed.html").write_text("<p>failed</p>")
    server = start_server("uwsgi", "uwsgi.ini", cwd=tmp_path, environment={"ADDRESS": "{tcp}"})
    with server.connect() as client:
        answer = client.get("/old/a?b=c")
        # The path of a scope begins with its root path.
        assert answer.body == b"PURGE /new/new/a /new from=rule&b=c."
        assert (answer.value("x-path"), answer.value("x-uri")) == ("/new/a PURGE 200", "/old/a?b=c")
        assert answer.value("x-framework") == "mine"
        answer = client.get("/bare")
        assert (answer.body, answer.value("x-framework"), answer.value("x-path")) == (b"GET /bare  .", None, None)
        answer = client.get("/hidden")
        assert (answer.status, answer.body) == (410, b"Gone")
        answer = client.get("/none")
        assert (answer.status, answer.value("x-missing")) == (404, "/none")
        assert client.get("/given").body == b"OK"
        answer = client.get("/raise")
        assert (answer.status, answer.body) == (500, b"<p>failed</p>")
        assert client.get("/after").body == b"GET /after  ."
    server.wait_for_log("logged /after /after")
    assert "logged /old/a?b=c /new/a" in server.log


RELAYING = r"""[uwsgi]
http-socket = $(ADDRESS)
threads = $(THREADS)
wsgi-file = app.py
route = ^/http/(.*)$ http:$(HTTP_BACKEND),backend.example,/at/$1
route = ^/plain proxyhttp:$(HTTP_BACKEND)
route = ^/u/ addvar:TOKEN=mine
route = ^/u/ rewrite:/rewritten
route = ^/rewritten uwsgi:$(UWSGI_BACKEND),0,0
route = ^/nobody http:127.0.0.1:$(NOBODY)
route-run = addheader:X-Front: yes
"""


@pytest.mark.parametrize("threads", [1, 4])
def test_another_server_answers_over_http_and_uwsgi(start_server: StartServer, tmp_path: Path, threads: int) -> None:
    (tmp_path / "app.py").write_text(SEEN)
    (tmp_path / "uwsgi.ini").write_text(RELAYING)
    backend = start_server(
        "uwsgi", "--http-socket", "{tcp}", "--socket", "{unix}", "--wsgi-file", "app.py", cwd=tmp_path
    )
    assert isinstance(backend.address, tuple)
    host, port = backend.address
    environment = {
        "ADDRESS": "{tcp}",
        "THREADS": str(threads),
        "HTTP_BACKEND": f"{host}:{port}",
        "UWSGI_BACKEND": str(backend.addresses["unix"]),
        "NOBODY": str(free_port()),
    }
    server = start_server("uwsgi", "uwsgi.ini", cwd=tmp_path, environment=environment)
    large = b"x" * 300_000
    with server.connect() as client:
        seen = client.get("/http/a?b=1", "X-Forwarded-For: 192.0.2.1", "Connection: keep-alive").json()
        assert (seen["PATH_INFO"], seen["HTTP_HOST"]) == ("/at/a", "backend.example")
        assert seen["HTTP_X_FORWARDED_FOR"] == "192.0.2.1, 127.0.0.1"
        answer = client.request("POST", "/plain?b=1", "Content-Type: text/x", body=large)
        seen = answer.json()
        assert (seen["REQUEST_METHOD"], seen["QUERY_STRING"], seen["body"]) == ("POST", "b=1", large.decode())
        seen = client.request("PUT", "/u/x?q=1", "X-Own: 1", "Content-Type: text/x", body=large).json()
        assert (seen["PATH_INFO"], seen["TOKEN"], seen["HTTP_X_OWN"]) == ("/rewritten", "mine", "1")
        assert (seen["CONTENT_TYPE"], seen["body"]) == ("text/x", large.decode())
        assert client.get("/nobody").status == 502
        answer = client.get("/own")
        assert answer.value("x-front") == "yes" and answer.json()["PATH_INFO"] == "/own"
    server.wait_for_log("did not answer")


def test_two_applications_are_chosen_by_rules(start_server: StartServer, tmp_path: Path) -> None:
    for name in ["one", "two"]:
        (tmp_path / f"{name}.py").write_text(
            "def application(environ, start_response):\n"
            "    start_response('200 OK', [])\n"
            f"    return [b'{name} ' + environ['PATH_INFO'].encode()]\n"
        )
    server = start_server(
        "uwsgi", "--http-socket", "{tcp}", "--mount", "/one=one.py", "--mount", "/two=two.py",
        "--route-host=^two setapp:/two", "--route=^/deux uwsgi:,0,0,/two", cwd=tmp_path,
    )  # fmt: skip
    with server.connect() as client:
        assert client.get("/x").body == b"one /x"
        assert client.get("/deux").body == b"two /deux"
        client.send(b"GET /x HTTP/1.1\r\nHost: two.example\r\n\r\n")
        assert client.read_response().body == b"two /x"


COUNTING = """\
import uwsgi
from pathlib import Path

uwsgi.register_signal(7, "worker", lambda number: Path("signalled").touch())


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    path = environ["PATH_INFO"]
    if path.startswith("/store"):
        uwsgi.cache_update(path, b"\\x00stored", 0, "b")
    return [f"{environ.get('FOUND')} {uwsgi.cache_num('count')} {uwsgi.metric_get('asked')} {uwsgi.metric_get('set')}".encode()]
"""

COMMONS = r"""[uwsgi]
http-socket = $(ADDRESS)
wsgi-file = app.py
cache2 = name=a,items=100
cache2 = name=b,items=100
metric = asked
metric = set
add-cache-item = a greeting=hello, all=of it
load-file-in-cache = page.html
load-file-in-cache-gzip = b packed.txt
route = ^/page cache:key=page.html,mime=1
route = ^/packed cache:key=packed.txt,name=b,content_encoding=gzip,content_type=text/plain
route = ^/(store.*)$ cache:key=/$1,name=b,content_type=application/octet-stream
route = ^/found/(.*)$ cachevar:var=FOUND,key=$1
route-if = incache:key=greeting addheader:X-Greeted: yes
route-if-not = incache:key=greeting,name=b addheader:X-Elsewhere: no
route = ^/set cacheset:key=set,value=from ${REMOTE_ADDR},expires=60
route = ^/count cacheinc:key=count
route = ^/count cachemul:key=count,value=3
route = ^/number cachevar:var=FOUND,key=count,num=1
route-run = metricinc:asked
route = ^/metric metricset:set,41
route = ^/metric metricinc:set
route = ^/metric addheader:X-Metric: ${metric[set]}
route = ^/signal signal:7
"""


@pytest.mark.parametrize("threads", [1, 2])
def test_rules_use_caches_metrics_and_signals(start_server: StartServer, tmp_path: Path, threads: int) -> None:
    (tmp_path / "app.py").write_text(COUNTING)
    (tmp_path / "uwsgi.ini").write_text(COMMONS + f"threads = {threads}\n")
    (tmp_path / "page.html").write_text("<p>page</p>")
    (tmp_path / "packed.txt").write_text("packed" * 100)
    server = start_server("uwsgi", "uwsgi.ini", cwd=tmp_path, environment={"ADDRESS": "{tcp}"})
    with server.connect() as client:
        answer = client.get("/page")
        assert (answer.body, answer.value("content-type")) == (b"<p>page</p>", "text/html")
        answer = client.get("/packed")
        assert (answer.value("content-encoding"), answer.value("content-type")) == ("gzip", "text/plain")
        assert gzip.decompress(answer.body) == b"packed" * 100
        # What is in no cache is asked for further on.
        assert client.get("/store/x").body.startswith(b"None ")
        answer = client.get("/store/x")
        assert (answer.body, answer.value("content-type")) == (b"\0stored", "application/octet-stream")
        assert client.request("HEAD", "/store/x").value("content-length") == "7"
        answer = client.get("/found/greeting")
        assert answer.body.startswith(b"hello, all=of it ")
        assert (answer.value("x-greeted"), answer.value("x-elsewhere")) == ("yes", "no")
        assert client.get("/found/nothing").body.startswith(b"None ")
        client.get("/set")
        client.get("/set")
        assert client.get("/found/set").body.startswith(b"from 127.0.0.1 ")
        assert [client.get("/count").body.split()[1] for _ in range(2)] == [b"3", b"12"]
        assert client.get("/number").body.startswith(b"12 12 ")
        answer = client.get("/metric")
        assert (answer.value("x-metric"), answer.body.split()[3]) == ("42", b"42")
        before, after = (int(client.get("/").body.split()[2]) for _ in range(2))
        assert after == before + 1
        client.get("/signal")
    assert wait_until((tmp_path / "signalled").exists, 60)
