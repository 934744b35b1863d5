"""What strangers send to get something else done than a request: into headers, files, variables, logs, other processes.

The cases of one protocol or feature are beside it; docs/reliability.md lists which test holds which. Here are those that
belong to none, or to several.
"""

from __future__ import annotations

import os
import select
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from harness import SAFETY_SECONDS, Server, StartServer
from harness.processes import free_port
from projects import copy_of

WSGI = """\
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["PATH_INFO"].encode("latin-1")]
"""

# Two lines of an answer, and how a request may spell the end of a line.
FORGED = [
    "%0d%0aX-Forged:%201",
    "%0aX-Forged:%201",
    "%0d%0a%0d%0aX-Forged:%201",
    "%00X-Forged:%201",
    "%0dX-Forged:%201",
]


@pytest.mark.parametrize("threads", ["1", "4"])
def test_rules_of_routing_cannot_be_made_to_write_headers(
    tmp_path: Path, start_server: StartServer, threads: str
) -> None:
    """Rules put decoded parts of a request into the answer's fields."""
    (tmp_path / "app.py").write_text(WSGI)
    (tmp_path / "uwsgi.ini").write_text(
        "[uwsgi]\nhttp-socket = $(ADDRESS)\nthreads = $(THREADS)\nwsgi-file = app.py\n"
        "route = (?s)^/go/(.*)$ redirect:/new/$1\n"
        "route = (?s)^/auth/(.*)$ basicauth:$1,me:word\n"
        "route = ^/ addheader:X-Path: ${PATH_INFO}\n"
    )
    server = start_server("uwsgi", "uwsgi.ini", cwd=tmp_path, environment={"ADDRESS": "{tcp}", "THREADS": threads})
    for forged in FORGED:
        for target in (f"/go/a{forged}", f"/auth/a{forged}", f"/plain/a{forged}"):
            answer = server.get(target)
            assert answer.value("X-Forged") is None, (target, answer)
            assert answer.status in (200, 302, 400, 401), (target, answer)
            assert not any("\r" in value or "\n" in value or "\0" in value for _, value in answer.headers), answer
    assert server.get("/plain/b").value("X-Path") == "/plain/b"


ASGI = """\
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    events = {
        "/hint": {"type": "http.response.early_hint", "links": [b"</a>; rel=preload\\r\\nX-Forged: 1"]},
        "/name": {"type": "http.response.start", "status": 200, "headers": [(b"X\\r\\nX-Forged", b"1")]},
        "/value": {"type": "http.response.start", "status": 200, "headers": [(b"X", b"1\\r\\nX-Forged: 1")]},
        "/length": {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5\\r\\nX-Forged: 1")]},
        "/trailer": {"type": "http.response.trailers", "headers": [(b"X", b"1\\r\\nX-Forged: 1")]},
    }
    if scope["path"] == "/trailer":
        await send({"type": "http.response.start", "status": 200, "headers": [], "trailers": True})
        await send({"type": "http.response.body", "body": b"refused"})
    try:
        await send(events[scope["path"]])
    except ValueError:
        pass
    else:
        print("this was taken:", scope["path"], flush=True)
    if scope["path"] == "/trailer":
        return await send({"type": "http.response.trailers", "headers": []})
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"refused"})
"""


def test_no_event_of_an_application_writes_headers_of_its_own(tmp_path: Path, start_server: StartServer) -> None:
    (tmp_path / "forging.py").write_text(ASGI)
    server = start_server("-b", "{tcp}", "forging:app", cwd=tmp_path, wait="accept")
    for target in ("/hint", "/name", "/value", "/length", "/trailer"):
        with server.connect() as client:
            client.send(f"GET {target} HTTP/1.1\r\nHost: t\r\nTE: trailers\r\nConnection: close\r\n\r\n".encode())
            answer = client.read_to_end()
        assert b"x-forged" not in answer.lower() and b"refused" in answer, (target, answer)
    assert "this was taken" not in server.log, server.log


SCRIPTS = {
    "env.py": "print('Content-Type: text/plain\\n')\nfor item in os.environ.items(): print('='.join(item))",
    "forge.py": "sys.stdout.write('Content-Type: text/plain\\nX-A: 1\\rX-Forged: 1\\n\\nok')",
    "below/a.py": "print('Content-Type: text/plain\\n')",
}


@pytest.fixture
def scripts(tmp_path: Path, start_server: StartServer) -> Server:
    directory = copy_of("plain", tmp_path)
    (directory / "gunicorn.conf.py").unlink()
    for name, code in SCRIPTS.items():
        script = directory / "scripts" / name
        script.parent.mkdir(parents=True, exist_ok=True)
        script.write_text(f"#!{sys.executable}\nimport os, sys\n{code}\n")
        script.chmod(0o755)
    for name in ("a\r\nX-Forged: 1", "%0d%0aX-Forged: 1"):
        (directory / "scripts" / name).mkdir()
    server: Server = start_server("-b", "{tcp}", "--cgi", "/cgi-bin=scripts", "demo:app", cwd=directory)
    return server


def test_scripts_and_their_directories_cannot_be_made_to_write_headers(scripts: Server) -> None:
    for target in (
        "/cgi-bin/a%0d%0aX-Forged:%201",
        "/cgi-bin/%250d%250aX-Forged:%201",
        "/cgi-bin/below?a%0d%0aX-Forged:%201",
    ):
        answer = scripts.get(target)
        assert (answer.status, answer.value("X-Forged")) == (301, None), (target, answer)
        assert (answer.value("Location") or "").startswith("/cgi-bin/"), answer
    answer = scripts.get("/cgi-bin/forge.py")
    assert (answer.status, answer.value("X-Forged")) == (502, None), answer


def test_a_header_that_an_old_shell_would_run_does_not_reach_a_script(scripts: Server) -> None:
    """CVE-2014-6271: such a shell runs what follows the function in a variable."""
    body = scripts.get("/cgi-bin/env.py", "X-Shell: () { :;}; echo", "X-Plain: () yes").body
    assert b"HTTP_X_PLAIN=() yes" in body and b"HTTP_X_SHELL" not in body, body


def test_hidden_files_are_not_served(tmp_path: Path, start_server: StartServer) -> None:
    (tmp_path / "app.py").write_text(WSGI)
    for name in (
        ".env",
        ".git/config",
        "a/.htpasswd",
        ".well-known/acme-challenge/token",
        "..secret",
        "plain",
        "a/b.txt",
    ):
        path = tmp_path / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("from a file")
    server = start_server(
        "uwsgi", "--http-socket", "{tcp}", "--wsgi-file", "app.py", "--static-map", "/static=files",
        "--check-static", "files", cwd=tmp_path,
    )  # fmt: skip
    for target in ("/.env", "/static/.env", "/static/.git/config", "/static/a/.htpasswd", "/static/%2eenv", "/..secret",
                   "/static/a/..%5c..%5cplain", "/static/plain.", "/static/plain%20", "/static/plain::$DATA"):  # fmt: skip
        assert server.get(target).body != b"from a file", target
    for target in ("/static/plain", "/static/./plain", "/a/b.txt", "/.well-known/acme-challenge/token"):
        assert server.get(target).body == b"from a file", target


DIALECTS = {
    "native": ("-b", "{tcp}", "--access-log", "-", "demo:app"),
    "gunicorn": ("gunicorn", "-b", "{tcp}", "--access-logfile", "-", "demo:app"),
    "uwsgi": ("uwsgi", "--http-socket", "{tcp}", "--master", "-w", "demo:app"),
    "uvicorn": ("uvicorn", "--port", "{port}", "--interface", "wsgi", "demo:app"),
}


@pytest.mark.parametrize("dialect", list(DIALECTS))
def test_secrets_of_a_request_and_of_the_server_stay_out_of_its_logs(
    tmp_path: Path, start_server: StartServer, dialect: str
) -> None:
    directory = copy_of("plain", tmp_path)
    (directory / "gunicorn.conf.py").unlink()
    server = start_server(*DIALECTS[dialect], cwd=directory, environment={"DATABASE_PASSWORD": "hunter2"})
    for target in ("/", "/raise"):
        # "me:hunter3" in base64.
        server.get(target, "Authorization: Basic bWU6aHVudGVyMw==", "Cookie: session=hunter4", "X-Api-Key: hunter5")
    # Refused by the server itself.
    server.get("/", "Cookie: session=hunter4", "Bad : name")
    server.stop()
    assert "RuntimeError" in server.log or "Traceback" in server.log or "raise" in server.log
    for secret in ("hunter2", "hunter3", "bWU6aHVudGVyMw", "hunter4", "hunter5"):
        assert secret not in server.log, server.log


def test_a_link_in_the_place_of_a_pidfile_is_not_followed(tmp_path: Path, start_server: StartServer) -> None:
    directory = copy_of("plain", tmp_path)
    (directory / "gunicorn.conf.py").unlink()
    victim = tmp_path / "victim"
    victim.write_text("precious")
    pidfile = tmp_path / "run.pid"
    pidfile.symlink_to(victim)
    server = start_server("gunicorn", "-b", "{tcp}", "-p", str(pidfile), "demo:app", cwd=directory)
    assert victim.read_text() == "precious"
    assert not pidfile.is_symlink() and int(pidfile.read_text()) == server.pid
    assert stat.S_IMODE(pidfile.stat().st_mode) & 0o022 == 0


def test_a_link_in_the_place_of_the_new_pidfile_is_not_followed(tmp_path: Path) -> None:
    """The name under which it is written first can be guessed: the process id is in it."""
    directory = copy_of("plain", tmp_path)
    (directory / "gunicorn.conf.py").unlink()
    victim = tmp_path / "victim"
    victim.write_text("precious")
    pidfile = tmp_path / "run.pid"
    # This process becomes the server.
    prelude = (
        "import os, sys\n"
        f"os.symlink({str(victim)!r}, {str(pidfile)!r} + f'.{{os.getpid()}}.new')\n"
        "os.execv(sys.argv[1], sys.argv[1:])\n"
    )
    port = free_port()
    command = [
        str(Path(sys.executable).with_name("penstock")), "gunicorn", "-b", f"127.0.0.1:{port}", "-p", str(pidfile), "demo:app",
    ]  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-c", prelude, *command], cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        assert process.stdout is not None
        text = b""
        while b"Booting worker" not in text:
            ready, _, _ = select.select([process.stdout], [], [], SAFETY_SECONDS)
            assert ready, text
            piece = os.read(process.stdout.fileno(), 65536)
            assert piece, text
            text += piece
        assert victim.read_text() == "precious"
        assert int(pidfile.read_text()) == process.pid and not pidfile.is_symlink()
    finally:
        process.terminate()
        process.communicate(timeout=SAFETY_SECONDS)
    assert victim.read_text() == "precious"


def test_a_worker_that_has_given_up_its_rights_cannot_take_them_back(tmp_path: Path, start_server: StartServer) -> None:
    directory = copy_of("plain", tmp_path)
    (directory / "gunicorn.conf.py").unlink()
    (directory / "rights.py").write_text(
        "import os\n"
        "def app(environ, start_response):\n"
        "    tries = []\n"
        "    for take in (lambda: os.setuid(0), lambda: os.seteuid(0), lambda: os.setgid(0), lambda: os.setgroups([0])):\n"
        "        try:\n"
        "            take()\n"
        "            tries.append('taken')\n"
        "        except PermissionError:\n"
        "            tries.append('refused')\n"
        "    start_response('200 OK', [])\n"
        "    lines = [line for line in open('/proc/self/status') if line.startswith(('Uid', 'Gid', 'CapEff', 'CapPrm'))]\n"
        "    return [(' '.join(tries) + '\\n').encode()] + [line.encode() for line in lines]\n"
    )
    # Only root has rights to give up; anybody may name himself, and has none to take.
    user, group = (65534, 65534) if os.getuid() == 0 else (os.getuid(), os.getgid())
    server = start_server(
        "gunicorn", "-b", "{tcp}", "--preload", "-u", str(user), "-g", str(group), "rights:app", cwd=directory
    )
    tries, *lines = server.get("/").body.decode().splitlines()
    assert tries == "refused refused refused refused"
    status = {name: value.split() for name, _, value in (line.partition(":") for line in lines)}
    assert status["Uid"] == [str(user)] * 4 and status["Gid"] == [str(group)] * 4, status
    assert status["CapEff"] == status["CapPrm"] == ["0" * 16], status


def test_connections_beyond_their_limit_wait_and_are_not_reset(tmp_path: Path, start_server: StartServer) -> None:
    directory = copy_of("plain", tmp_path)
    (directory / "gunicorn.conf.py").unlink()
    server = start_server("-b", "{tcp}", "--connections", "3", "--keep-alive", "60", "demo:app", cwd=directory)
    inside = [server.connect(timeout=SAFETY_SECONDS) for _ in range(3)]
    outside = []
    try:
        for client in inside:
            # Half a request: it has had no answer yet, and need not make room.
            client.send(b"GET /worker HTTP/1.1\r\nHost: t\r\n")
        outside = [server.connect(timeout=SAFETY_SECONDS) for _ in range(10)]
        for client in outside:
            client.send(b"GET /worker HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
        assert all(client.is_silent(0.05) for client in outside)
        for client in inside:
            client.send(b"Connection: close\r\n\r\n")
            assert client.read_response().status == 200
        assert [client.read_response().status for client in outside] == [200] * 10
    finally:
        for client in inside + outside:
            client.close()
