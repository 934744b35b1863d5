"""CGI in both directions: scripts run for requests, and an application run as a script."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import SAFETY_SECONDS, Server, StartServer
from harness.command import run_command
from harness.processes import wait_until
from projects import copy_of

SCRIPTS = {
    "env.py": "print('Content-Type: text/plain\\n'); [print(f'{k}={v}') for k, v in sorted(os.environ.items())]",
    "echo.py": """
length = int(os.environ.get("CONTENT_LENGTH") or 0)
body = sys.stdin.buffer.read(length)
print("Content-Type: application/octet-stream\\nContent-Length:", len(body), "\\n", flush=True)
sys.stdout.buffer.write(body)
""",
    "both.py": """
# Writes before it has read, and as much as it reads: a host that does one after the other waits for ever.
print("Content-Type: application/octet-stream\\n", flush=True)
while piece := sys.stdin.buffer.read(65536):
    sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()
""",
    "unread.py": "print('Content-Type: text/plain\\n\\nI did not read it')",
    "status.py": "print('Status: 404 Nothing here\\nContent-Type: text/plain\\n\\nnone')",
    "away.py": "print('Location: http://elsewhere/\\n')",
    "local.py": "print('Location: /cgi-bin/env.py/there?a=b\\n')",
    "circle.py": "print('Location: /cgi-bin/circle.py\\n')",
    "to_application.py": "print('Location: /app?from=script\\n')",
    "nph-raw.py": "sys.stdout.write('HTTP/1.1 201 Made\\r\\nX-Raw: 1\\r\\n\\r\\nraw')",
    "crlf.py": "sys.stdout.write('Content-Type: text/plain\\r\\nX-A: b\\r\\n\\r\\nbody')",
    "no_head.py": "print('hello')",
    "bad_head.py": "print('Content-Type: text/plain\\nX-Bad Name: x\\n\\nbody')",
    "long_head.py": "print('X-Long: ' + 'x' * 200000)",
    "short.py": "print('Content-Type: text/plain\\nContent-Length: 100\\n\\nshort')",
    "fails.py": "print('Content-Type: text/plain\\n\\nbody', flush=True); sys.exit(3)",
    "dies.py": "os.kill(os.getpid(), 9)",
    "says.py": "print('Content-Type: text/plain\\n\\nbody', flush=True); print('said to the log', file=sys.stderr)",
    "stuck.py": """
import subprocess, time
child = subprocess.Popen(["sleep", "600"])
open("pids", "w").write(f"{os.getpid()} {child.pid}")
time.sleep(600)
""",
    "paced.py": """
import time
print("Content-Type: text/plain\\n\\nfirst", flush=True)
while not os.path.exists("go"):
    time.sleep(0.01)
print("second")
""",
    "endless.py": """
print("Content-Type: text/plain\\n", flush=True)
open("endless", "w").write(str(os.getpid()))
while True:
    sys.stdout.write("x" * 65536)
""",
    "sub/below.py": "print('Content-Type: text/plain\\n\\nbelow')",
}


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """The project with its scripts, written for the running Python."""
    directory = copy_of("cgi_site", tmp_path)
    for name, code in SCRIPTS.items():
        script = directory / "scripts" / name
        script.parent.mkdir(parents=True, exist_ok=True)
        script.write_text(f"#!{sys.executable}\nimport os, sys\n{code}\n")
        script.chmod(0o755)
    (directory / "scripts" / "plain.txt").write_text("not a script")
    (directory / "scripts" / "page.helped").write_text("written in a language of its own")
    (directory / "secret.py").write_text(f"#!{sys.executable}\nprint('Content-Type: text/plain\\n\\nsecret')\n")
    (directory / "secret.py").chmod(0o755)
    (directory / "scripts" / "escape.py").symlink_to("../secret.py")
    return directory


WAYS = {
    "native": ("-b", "{tcp}", "--cgi", "/cgi-bin=scripts", "demo:app"),
    "native threads": ("-b", "{tcp}", "--threads", "3", "--cgi", "/cgi-bin=scripts", "demo:app"),
    "beside asgi": ("-b", "{tcp}", "--cgi", "/cgi-bin=scripts", "demo:asgi"),
    "uwsgi": ("uwsgi", "--http-socket", "{tcp}", "--cgi", "/cgi-bin=scripts", "--module", "demo:app"),
}


@pytest.fixture(params=WAYS)
def server(request: pytest.FixtureRequest, site: Path, start_server: StartServer) -> Server:
    started: Server = start_server(*WAYS[request.param], cwd=site, environment={"SECRET_OF_THE_SERVER": "x"})
    return started


def variables(body: bytes) -> dict[str, str]:
    return dict(line.split("=", 1) for line in body.decode().splitlines() if "=" in line)


def test_a_script_has_every_variable_and_nothing_of_the_servers(server: Server, site: Path) -> None:
    scripts = os.path.realpath(site / "scripts")
    answer = server.get(
        "/cgi-bin/env.py/in%20fo/x?a=b+c", "X-Two: 1", "X-Two: 2", "Cookie: a=1", "Cookie: b=2",
        "Proxy: http://evil/", "X_Forwarded_For: 6.6.6.6", "Authorization: Basic eDp5",
    )  # fmt: skip
    env = variables(answer.body)
    _, port = server.address
    expected = {
        "GATEWAY_INTERFACE": "CGI/1.1", "SERVER_PROTOCOL": "HTTP/1.1", "REQUEST_METHOD": "GET", "QUERY_STRING": "a=b+c",
        "SCRIPT_NAME": "/cgi-bin/env.py", "PATH_INFO": "/in fo/x", "PATH_TRANSLATED": f"{scripts}/in fo/x",
        "SCRIPT_FILENAME": f"{scripts}/env.py", "DOCUMENT_ROOT": scripts, "REMOTE_ADDR": "127.0.0.1",
        "REMOTE_HOST": "127.0.0.1", "SERVER_PORT": str(port), "REQUEST_URI": "/cgi-bin/env.py/in%20fo/x?a=b+c",
        "HTTP_X_TWO": "1, 2", "HTTP_COOKIE": "a=1; b=2", "REDIRECT_STATUS": "200",
    }  # fmt: skip
    assert {name: env.get(name) for name in expected} == expected
    assert env["SERVER_SOFTWARE"].startswith("penstock/") and env["REMOTE_PORT"].isdigit()
    for absent in ("HTTP_PROXY", "HTTP_X_FORWARDED_FOR", "HTTP_AUTHORIZATION", "SECRET_OF_THE_SERVER", "HOME", "CONTENT_LENGTH"):
        assert absent not in env, absent


@pytest.mark.parametrize("size", [0, 1, 4096, 3 << 20])
def test_bodies_pass_both_ways(server: Server, size: int) -> None:
    body = hashlib.shake_128(b"seed").digest(size)
    for script in ("echo.py", "both.py"):
        answer = server.request("POST", f"/cgi-bin/{script}", body=body)
        assert (answer.status, answer.body == body) == (200, True), script
    assert server.request("POST", "/cgi-bin/unread.py", body=body).body == b"I did not read it\n"


def test_a_chunked_body_is_counted_for_the_script(server: Server) -> None:
    with server.connect() as client:
        client.send(b"POST /cgi-bin/echo.py HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        client.send(b"5\r\nhello\r\n0\r\n\r\n")
        assert client.read_response().body == b"hello"


def test_every_form_of_an_answer(server: Server) -> None:
    with server.connect() as client:
        answer = client.get("/cgi-bin/status.py")
        assert (answer.status, answer.reason, answer.body) == (404, "Nothing here", b"none\n")
        answer = client.get("/cgi-bin/away.py")
        assert (answer.status, answer.value("location")) == (302, "http://elsewhere/")
        env = variables(client.get("/cgi-bin/local.py").body)
        assert (env["SCRIPT_NAME"], env["PATH_INFO"], env["QUERY_STRING"]) == ("/cgi-bin/env.py", "/there", "a=b")
        answer = client.get("/cgi-bin/crlf.py")
        assert (answer.value("x-a"), answer.body) == ("b", b"body")
        assert client.request("HEAD", "/cgi-bin/crlf.py").body == b""
        assert client.get("/cgi-bin/sub").value("location") == "/cgi-bin/sub/"
        assert client.get("/cgi-bin/sub/below.py").body == b"below\n"
        assert client.get("/elsewhere").status == 200
    with server.connect() as client:
        client.send(b"GET /cgi-bin/nph-raw.py HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.read_to_end() == b"HTTP/1.1 201 Made\r\nX-Raw: 1\r\n\r\nraw"


def test_a_local_redirect_may_lead_to_the_application_but_not_in_circles(server: Server) -> None:
    answer = server.request("POST", "/cgi-bin/to_application.py", body=b"gone")
    assert answer.status == 200 and (b"from=script" in answer.body or answer.body == b"asgi")
    assert server.get("/cgi-bin/circle.py").status == 502
    server.wait_for_log("cannot be followed")


@pytest.mark.parametrize("script", ["no_head.py", "bad_head.py", "long_head.py", "dies.py"])
def test_a_script_that_gives_no_answer_is_a_502_with_its_name_in_the_log(server: Server, script: str) -> None:
    with server.connect() as client:
        assert client.get(f"/cgi-bin/{script}").status == 502
        assert client.get("/cgi-bin/crlf.py").body == b"body"
    server.wait_for_log(script)


def test_failures_and_complaints_go_to_the_log(server: Server) -> None:
    assert server.get("/cgi-bin/fails.py").body == b"body\n"
    server.wait_for_log("fails.py ended with exit status: 3")
    assert server.get("/cgi-bin/says.py").body == b"body\n"
    server.wait_for_log("says.py: said to the log")
    answer = server.get("/cgi-bin/short.py")
    assert not answer.complete


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("none.py", 404), ("../secret.py", 404), ("%2e%2e/secret.py", 404), ("sub%2fbelow.py", 404), ("env.py%00", 404),
        ("env.py/a%2fb", 404), ("escape.py", 403), ("plain.txt", 403), ("sub/", 404), ("", 404),
    ],
)  # fmt: skip
def test_nothing_is_run_that_should_not_be(site: Path, start_server: StartServer, path: str, status: int) -> None:
    server = start_server(*WAYS["native"], cwd=site)
    assert server.get(f"/cgi-bin/{path}").status == status


def test_a_stuck_script_is_killed_with_everything_it_started(site: Path, start_server: StartServer) -> None:
    server = start_server("-b", "{tcp}", "--cgi", "/cgi-bin=scripts", "--cgi-timeout", "1", "demo:app", cwd=site)
    assert server.get("/cgi-bin/stuck.py").status == 504
    pids = (site / "scripts" / "pids").read_text().split()
    assert wait_until(lambda: not any(is_alive(pid) for pid in pids), SAFETY_SECONDS)
    server.wait_for_log("has said nothing for 1 s")


def is_alive(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_a_script_whose_client_has_left_is_killed(server: Server, site: Path) -> None:
    client = server.connect()
    client.send(b"GET /cgi-bin/endless.py HTTP/1.1\r\nHost: a\r\n\r\n")
    client.read_until(b"xxxx")
    client.reset()
    pid = (site / "scripts" / "endless").read_text()
    assert wait_until(lambda: not is_alive(pid), SAFETY_SECONDS)


def test_output_arrives_as_it_is_written(server: Server, site: Path) -> None:
    with server.connect() as client:
        client.send(b"GET /cgi-bin/paced.py HTTP/1.1\r\nHost: a\r\n\r\n")
        client.read_until(b"first")
        (site / "scripts" / "go").touch()
        client.read_until(b"second")


def test_waiting_scripts_hold_nobody_up_and_leave_no_zombies(server: Server, site: Path) -> None:
    clients = [server.connect() for _ in range(40)]
    for client in clients:
        client.send(b"GET /cgi-bin/paced.py HTTP/1.1\r\nHost: a\r\n\r\n")
    for client in clients:
        client.read_until(b"first")
    for _ in range(50):
        assert server.get("/elsewhere").status == 200
    (site / "scripts" / "go").touch()
    for client in clients:
        client.read_until(b"second")
        client.close()
    workers = [int(pid) for pid in children_of(server.pid)]

    def children() -> list[str]:
        return [child for pid in workers for child in children_of(pid)]

    assert wait_until(lambda: not children(), SAFETY_SECONDS), children()


def children_of(pid: int) -> list[str]:
    return [
        child
        for thread in Path(f"/proc/{pid}/task").iterdir()
        for child in (thread / "children").read_text().split()
    ]


def test_a_worker_that_leaves_at_once_takes_its_scripts_along(server: Server, site: Path) -> None:
    with server.connect() as client:
        client.send(b"GET /cgi-bin/stuck.py HTTP/1.1\r\nHost: a\r\n\r\n")
        pids = site / "scripts" / "pids"
        assert wait_until(lambda: pids.exists() and len(pids.read_text().split()) == 2, SAFETY_SECONDS)
        server.stop(signal.SIGINT)
    assert wait_until(lambda: not any(is_alive(pid) for pid in pids.read_text().split()), SAFETY_SECONDS)


def test_one_command_serves_a_directory(site: Path, start_server: StartServer) -> None:
    server = start_server("cgi", "-b", "{tcp}", "--cgi-index", "crlf.py", "scripts", cwd=site)
    assert server.get("/").body == b"body"
    assert server.get("/sub/below.py").body == b"below\n"
    assert server.get("/nothing").status == 404


def test_options_say_what_is_run_and_what_it_gets(site: Path, start_server: StartServer) -> None:
    helper = site / "helper"
    helper.write_text("#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'; cat \"$1\"\n")
    helper.chmod(0o755)
    ini = site / "site.ini"
    ini.write_text(
        "[uwsgi]\nplugins = cgi\nmodule = demo:app\ncgi = /c=scripts\ncgi-allowed-ext = .helped\ncgi-allowed-ext = v.py\n"
        f"cgi-helper = .helped={helper}\ncgi-unset = HTTP_X_UNSET\n"
    )
    server = start_server("uwsgi", "--http-socket", "{tcp}", "--ini", "site.ini", cwd=site)
    assert server.get("/c/page.helped").body == b"written in a language of its own"
    assert "HTTP_X_UNSET" not in variables(server.get("/c/env.py", "X-Unset: 1").body)
    assert server.get("/c/echo.py").status == 403


# The other direction.


def as_program(site: Path, specification: str, body: bytes = b"", **environment: str) -> subprocess.CompletedProcess[bytes]:
    command = [str(Path(sys.executable).parent / "penstock"), "run-cgi", specification]
    variables = {"PATH": os.environ["PATH"], **environment}
    return subprocess.run(command, cwd=site, env=variables, input=body, capture_output=True, timeout=SAFETY_SECONDS)


REQUEST = {
    "GATEWAY_INTERFACE": "CGI/1.1", "REQUEST_METHOD": "POST", "SCRIPT_NAME": "/cgi-bin/app", "PATH_INFO": "/a b",
    "QUERY_STRING": "x=1", "CONTENT_LENGTH": "5", "SERVER_NAME": "a", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1",
}  # fmt: skip


def test_an_application_is_a_cgi_program(site: Path) -> None:
    ended = as_program(site, "demo:app", b"hello, and what is beyond", **REQUEST)
    head, _, body = ended.stdout.partition(b"\r\n\r\n")
    assert ended.returncode == 0 and head.startswith(b"Status: 200 OK\r\n"), ended
    assert b"X-Run-Once: True" in head and body == b"POST\n/cgi-bin/app|/a b\nx=1\nhello"
    assert ended.stderr == b"said on wsgi.errors\n"


def test_a_program_that_cannot_answer_says_so_to_the_client_and_why_to_the_log(site: Path) -> None:
    for specification, said in (
        ("demo:none", b"Failed to find attribute"), ("nowhere:app", b"nowhere"), ("demo:asgi", b"WSGI"),
    ):  # fmt: skip
        ended = as_program(site, specification, **REQUEST)
        assert ended.returncode != 0 and ended.stdout.startswith(b"Status: 500 "), ended
        assert said in ended.stderr, ended
    ended = as_program(site, "demo:app", **{**REQUEST, "PATH_INFO": "/raise"})
    assert ended.stdout.startswith(b"Status: 500 ") and b"raised by the application" in ended.stderr


def test_run_cgi_outside_a_web_server_is_refused(site: Path) -> None:
    ended = run_command("run-cgi", "demo:app", cwd=site)
    assert ended.exit_code == 1 and "GATEWAY_INTERFACE" in ended.text


def test_a_program_behind_our_own_cgi_host(site: Path, start_server: StartServer) -> None:
    script = site / "scripts" / "app.cgi"
    penstock = Path(sys.executable).parent / "penstock"
    script.write_text(f"#!/bin/sh\nexec {penstock} run-cgi --chdir {site} demo:app\n")
    script.chmod(0o755)
    server = start_server("cgi", "-b", "{tcp}", "scripts", cwd=site)
    answer = server.request("POST", "/app.cgi/x?y", body=b"hello")
    assert answer.body == b"POST\n/app.cgi|/x\ny\nhello"


def fastcgi_request(parameters: dict[str, str], body: bytes) -> bytes:
    """A request of the FastCGI specification, as one application: FCGI_BEGIN_REQUEST, FCGI_PARAMS, FCGI_STDIN."""

    def record(kind: int, content: bytes) -> bytes:
        return struct.pack("!BBHHBx", 1, kind, 1, len(content), 0) + content

    pairs = b"".join(
        struct.pack("!BB", len(name), len(value)) + name.encode() + value.encode() for name, value in parameters.items()
    )
    return (
        record(1, struct.pack("!HB5x", 1, 0)) + record(4, pairs) + record(4, b"") + record(5, body) + record(5, b"")
    )


def fastcgi_output(answer: bytes) -> bytes:
    """What an answer has on FCGI_STDOUT."""
    output = b""
    while answer:
        _, kind, _, length, padding = struct.unpack("!BBHHBx", answer[:8])
        output += answer[8 : 8 + length] if kind == 6 else b""
        answer = answer[8 + length + padding :]
    return output


def test_a_program_with_a_listening_socket_for_its_input_speaks_fastcgi(site: Path, tmp_path: Path) -> None:
    path = str(tmp_path / "fastcgi.sock")
    command = [str(Path(sys.executable).parent / "penstock"), "run-cgi", "demo:app"]
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        program = subprocess.Popen(command, cwd=site, stdin=listener, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(SAFETY_SECONDS)
            client.connect(path)
            client.sendall(fastcgi_request({**REQUEST, "REQUEST_URI": "/cgi-bin/app/a%20b?x=1"}, b"hello"))
            answer = b""
            while piece := client.recv(65536):
                answer += piece
        head, _, body = fastcgi_output(answer).partition(b"\r\n\r\n")
        assert head.startswith(b"Status: 200 OK\r\n"), answer
        assert body == b"POST\n/cgi-bin/app|/a b\nx=1\nhello"
    finally:
        program.terminate()
        _, log = program.communicate(timeout=SAFETY_SECONDS)
    assert program.returncode == 0, log.decode()


def test_two_hundred_scripts_at_once_are_all_answered(site: Path, start_server: StartServer) -> None:
    server = start_server(*WAYS["native"], cwd=site)
    statuses: list[int] = []

    def ask() -> None:
        statuses.append(server.get("/cgi-bin/crlf.py").status)

    threads = [threading.Thread(target=ask) for _ in range(200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 200


def write_gated(site: Path) -> None:
    """A script that says `first`, waits at a gate, and says `second`."""
    os.mkfifo(site / "gate")
    script = site / "scripts" / "gated"
    script.write_text("#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\nfirst\\n'\nread line < ../gate\necho second\n")
    script.chmod(0o755)


@contextlib.contextmanager
def open_gate(site: Path, scripts: int) -> Iterator[None]:
    """Lets so many scripts through; those that have not come to the gate yet too, while it is open."""
    gate = os.open(site / "gate", os.O_RDWR)
    os.write(gate, b"\n" * scripts)
    yield
    os.close(gate)


def test_an_application_answers_while_two_hundred_slow_scripts_run_on_its_worker(
    site: Path, start_server: StartServer
) -> None:
    write_gated(site)
    server = start_server("--bind", "{tcp}", "--cgi", "/cgi-bin=scripts", "demo:app", cwd=site)
    with contextlib.ExitStack() as stack:
        waiting = [stack.enter_context(server.connect()) for _ in range(200)]
        for client in waiting:
            client.send(b"GET /cgi-bin/gated HTTP/1.0\r\n\r\n")
        for client in waiting:
            client.read_until(b"first\n")
        for number in range(20):
            assert server.get(f"/app?{number}").body == b"GET\n|/app\n%d\n" % number
        with open_gate(site, len(waiting)):
            assert {client.read_to_end() for client in waiting} == {b"second\n"}


def test_scripts_that_are_due_together_let_others_go_between_them(site: Path, start_server: StartServer) -> None:
    """One turn of the reactor starts one script: a request of the application waits for one start, not for all of them."""
    write_gated(site)
    (site / "counting.py").write_text(
        "import os, pathlib\n"
        "def application(environ, start_response):\n"
        "    threads = pathlib.Path(f'/proc/{os.getpid()}/task').iterdir()\n"
        "    children = sum(len((thread / 'children').read_text().split()) for thread in threads)\n"
        "    start_response('200 OK', [('Content-Type', 'text/plain')])\n"
        "    return [b'%d %d' % (os.getpid(), children)]\n"
    )
    server = start_server("--bind", "{tcp}", "--cgi", "/cgi-bin=scripts", "counting:application", cwd=site)
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(server.connect()) for _ in range(101)]
        answers = [client.get("/").body for client in clients]
        worker = int(answers[0].split()[0])
        assert answers == [b"%d 0" % worker] * len(clients)
        # What arrives while it is halted, it finds all at once.
        os.kill(worker, signal.SIGSTOP)
        assert wait_until(lambda: state_of(worker) == "T", SAFETY_SECONDS)
        for client in clients[:-1]:
            client.send(b"GET /cgi-bin/gated HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        clients[-1].send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        os.kill(worker, signal.SIGCONT)
        # While the application is in its call, scripts go on being started, if it takes its time.
        assert int(clients[-1].read_response().body.split()[1]) < 50
        for client in clients[:-1]:
            client.read_until(b"first\n")
        assert clients[-1].get("/").body == b"%d 100" % worker
        with open_gate(site, 100):
            for client in clients[:-1]:
                client.read_until(b"second\n")


def state_of(process: int) -> str:
    return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
