"""Mistakes of the user end at once: one clear message, the dialect's exit code, nothing left behind.

And bytes that are not HTTP/1 get a 400 and a close, whoever sends them.
"""

from __future__ import annotations

import os
import re
import socket
import ssl
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import RawClient, Server, StartServer
from harness.command import Ended, kill_all, run_command
from harness.processes import free_port, port_is_free
from projects import copy_of

# Signs that the server itself broke, or shows its own insides.
OUR_INSIDES = re.compile(
    r"panicked at|RUST_BACKTRACE|\.rs:\d+|thread '[^']*' panicked|penstock/_\w+\.py|PanicException"
)


def refused(directory: Path, *arguments: str, code: int, saying: tuple[str, ...], port: int | None = None) -> Ended:
    """Run a command that must end by itself, and hold it to everything a refusal must be."""
    before = contents(directory)
    ended = run_command(*arguments, cwd=directory)
    left = ended.processes()
    if left:
        kill_all(ended.mark)
    assert left == {}, ended
    assert ended.exit_code == code, ended
    for words in saying:
        assert re.search(words, ended.text), f"{words!r} is not in\n{ended}"
    assert not OUR_INSIDES.search(ended.text), ended
    assert contents(directory) == before, ended
    if port is not None:
        assert port_is_free("127.0.0.1", port), ended
    return ended


def contents(directory: Path) -> set[str]:
    """Every path below, but what Python writes beside its sources."""
    return {str(path) for path in directory.rglob("*") if "__pycache__" not in path.parts}


# The application.

BROKEN = {
    "syntax.py": "x = 1\ndef broken(:\n    pass\n",
    "raises.py": "import os\n\nraise ValueError('no configuration')\n",
    "imports.py": "import does_not_exist_anywhere\n",
    "leaves.py": "import sys\nsys.exit(9)\n",
    "factory.py": "def make(one):\n    return one\n",
}
APPLICATIONS = [
    # What is asked for, gunicorn's code, what must be said.
    ("nowhere:app", 3, ("nowhere",)),
    ("nowhere.at.all", 3, ("nowhere",)),
    ("demo:nothing", 4, ("nothing", "demo")),
    ("demo:not_callable", 4, ("not_callable", "(?i)callable")),
    ("syntax:app", 3, (r"syntax\.py", r"(?:line |:)2\b", "SyntaxError|invalid syntax")),
    ("raises:app", 3, (r"raises\.py", r"(?:line |:)3\b", "ValueError: no configuration")),
    ("imports:app", 3, (r"imports\.py", r"(?:line |:)1\b", "does_not_exist_anywhere")),
    ("leaves:app", 3, (r"leaves\.py", r"(?:line |:)2\b")),
    ("factory:make()", 4, ("make", "argument")),
    ("factory:make(1, 2, 3)", 4, ("make", "argument")),
    ("factory:make(", 4, (r"make\(",)),
    ("demo:app.attribute", 4, ("app.attribute",)),
]


@pytest.mark.parametrize(("application", "code", "saying"), APPLICATIONS, ids=lambda value: str(value)[:24])
def test_gunicorn_refuses_an_application_it_cannot_load(
    plain: Path, application: str, code: int, saying: tuple[str, ...]
) -> None:
    for name, text in BROKEN.items():
        (plain / name).write_text(text)
    port = free_port()
    arguments = ("gunicorn", "-b", f"127.0.0.1:{port}", "-w", "2", "-p", "run.pid", application)
    refused(plain, *arguments, code=code, saying=saying, port=port)


@pytest.mark.parametrize(
    ("application", "saying"), [(name, saying) for name, _, saying in APPLICATIONS if "." not in name], ids=str
)
def test_uwsgi_with_need_app_refuses_an_application_it_cannot_load(
    plain: Path, application: str, saying: tuple[str, ...]
) -> None:
    for name, text in BROKEN.items():
        (plain / name).write_text(text)
    port = free_port()
    # Without vacuum uWSGI leaves its files when it stops; a start that failed leaves none.
    arguments = ("--http-socket", f"127.0.0.1:{port}", "--http-socket", "site.sock", "--master", "--need-app")
    arguments += ("--pidfile", "run.pid")
    said = saying if "(" not in application else ()
    refused(plain, "uwsgi", *arguments, "--module", application, code=22, saying=said, port=port)


@pytest.mark.parametrize("application", ["nowhere:app", "demo:nothing", "syntax:app"])
def test_the_native_command_refuses_an_application_it_cannot_load(plain: Path, application: str) -> None:
    (plain / "syntax.py").write_text(BROKEN["syntax.py"])
    port = free_port()
    code = 4 if application == "demo:nothing" else 3
    refused(
        plain,
        "-b",
        f"127.0.0.1:{port}",
        application,
        code=code,
        saying=(application.removeprefix("demo:")[:6],),
        port=port,
    )


def test_a_callable_that_wants_other_arguments_is_refused_by_file_and_line(plain: Path) -> None:
    (plain / "wants.py").write_text("\n\ndef app(request):\n    return []\n")
    port = free_port()
    saying = (r"wants\.py", r"(?:line |:)3\b", "argument|parameter")
    refused(plain, "gunicorn", "-b", f"127.0.0.1:{port}", "wants:app", code=4, saying=saying, port=port)


def test_no_application_at_all_is_refused(plain: Path) -> None:
    refused(plain, "gunicorn", code=1, saying=("(?i)app",))
    refused(plain, "--workers", "2", code=2, saying=("(?i)app",))


@pytest.mark.parametrize("preload", [(), ("--preload",)], ids=["forked", "preloaded"])
def test_the_users_traceback_is_shown_once_and_without_the_servers_frames(
    plain: Path, preload: tuple[str, ...]
) -> None:
    (plain / "deep.py").write_text("def inner():\n    return {}['missing']\n\n\ninner()\n")
    port = free_port()
    arguments = ("gunicorn", "-b", f"127.0.0.1:{port}", "-w", "1", *preload, "deep:app")
    saying = (r'File ".*deep\.py", line 2, in inner', "KeyError: 'missing'")
    ended = refused(plain, *arguments, code=1 if preload else 3, saying=saying, port=port)
    assert ended.text.count("Traceback") == 1, ended
    assert "importlib" not in ended.text, ended


# Configuration files.


@pytest.mark.parametrize(
    ("text", "saying"),
    [
        ("bind = '127.0.0.1:0'\nworkers = = 2\n", (r"gunicorn\.conf\.py", r"(?:line |:)2\b")),
        ("\n\n1 / 0\n", (r"gunicorn\.conf\.py", r"(?:line |:)3\b", "ZeroDivisionError")),
        ("workers = 'many'\n", ("workers", "many")),
        ("timeout = 30.5\n", ("timeout", r"30\.5")),
        ("forwarded_allow_ips = ['127.0.0.1']\n", ("forwarded_allow_ips",)),
        ("post_fork = 5\n", ("post_fork",)),
        ("def post_fork(server):\n    pass\n", ("post_fork",)),
        ("worker_class = 'no.such.Class'\n", ("worker_class|no.such.Class",)),
    ],
    ids=lambda value: value.strip()[:30] if isinstance(value, str) else "",
)
def test_gunicorn_refuses_a_broken_configuration_file(plain: Path, text: str, saying: tuple[str, ...]) -> None:
    (plain / "gunicorn.conf.py").write_text(text)
    refused(plain, "gunicorn", "demo:app", code=1, saying=saying)


def test_missing_configuration_files_are_refused(plain: Path) -> None:
    refused(plain, "gunicorn", "-c", "nowhere.py", "demo:app", code=1, saying=(r"nowhere\.py",))
    refused(plain, "uwsgi", "--ini", "nowhere.ini", code=1, saying=(r"nowhere\.ini",))


@pytest.mark.parametrize(
    ("line", "saying"),
    [
        ("processes = -1", ("processes", "-1")),
        ("chmod-socket = 9999", ("chmod", "9999")),
        ("uid = no-such-user-here", ("no-such-user-here",)),
        ("gid = no-such-group-here", ("no-such-group-here",)),
        ("chdir = /no/such/directory", ("/no/such/directory",)),
        ("logto = /no/such/directory/log", ("/no/such/directory",)),
        ("virtualenv = /no/such/env", ("/no/such/env",)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_uwsgi_refuses_a_wrong_value_by_file_and_line_or_name(plain: Path, line: str, saying: tuple[str, ...]) -> None:
    port = free_port()
    line = f"{line}\nhttp-socket = 127.0.0.1:{port}"
    (plain / "site.ini").write_text(f"[uwsgi]\nmaster = true\nmodule = demo:app\nneed-app = true\n{line}\n")
    refused(plain, "uwsgi", "--ini", "site.ini", code=1, saying=saying, port=port)


# Options.


@pytest.mark.parametrize(
    ("arguments", "code", "saying"),
    [
        (("gunicorn", "--wrokers", "2", "demo:app"), 2, ("--wrokers", "--workers")),
        (("gunicorn", "--treads=2", "demo:app"), 2, ("--treads", "--threads")),
        (("gunicorn", "-w", "two", "demo:app"), 2, ("workers", "two")),
        (("gunicorn", "-w", "-1", "demo:app"), 1, ("-1",)),
        (("gunicorn", "-w"), 2, ("-w|workers",)),
        (("gunicorn", "-b", "127.0.0.1:http", "demo:app"), 1, ("bind", "http")),
        (("gunicorn", "-b", "127.0.0.1:99999", "demo:app"), 1, ("99999",)),
        (("gunicorn", "-k", "nosuch", "demo:app"), 1, ("nosuch",)),
        (("gunicorn", "-k", "eventlet", "demo:app"), 1, ("eventlet",)),
        (("gunicorn", "-e", "NOEQUALS", "demo:app"), 1, ("NOEQUALS",)),
        (("gunicorn", "--chdir", "/no/such/directory", "demo:app"), 1, ("/no/such/directory",)),
        (("gunicorn", "-u", "no-such-user-here", "demo:app"), 1, ("no-such-user-here",)),
        (("gunicorn", "-g", "no-such-group-here", "demo:app"), 1, ("no-such-group-here",)),
        (("gunicorn", "--error-logfile", "/no/such/directory/log", "demo:app"), 1, ("/no/such/directory",)),
        (("gunicorn", "--access-logfile", "/no/such/directory/log", "demo:app"), 1, ("/no/such/directory",)),
        (("gunicorn", "-p", "/no/such/directory/pid", "demo:app"), 1, ("/no/such/directory",)),
        (("uwsgi", "--proccesses", "2", "--module", "demo:app"), 1, ("--?proccesses", "processes")),
        (("uwsgi", "--processes", "-2", "--http-socket", "127.0.0.1:0", "--module", "demo:app"), 1, ("processes",)),
        (("uwsgi", "--processes", "two", "--http-socket", "127.0.0.1:0", "--module", "demo:app"), 1, ("two",)),
        (("uwsgi", "--uid", "no-such-user-here", "--http-socket", "127.0.0.1:0", "--module", "demo:app"), 1,
         ("no-such-user-here",)),
        (("uwsgi", "--chdir", "/no/such/directory", "--http-socket", "127.0.0.1:0", "--module", "demo:app"), 1,
         ("/no/such/directory",)),
        (("uwsgi", "--http-socket", "127.0.0.1:0", "--pidfile", "/no/such/directory/pid", "--module", "demo:app"), 1,
         ("/no/such/directory",)),
        (("uwsgi", "--http-socket", "127.0.0.1:0", "--logto", "/no/such/directory/log", "--module", "demo:app"), 1,
         ("/no/such/directory",)),
        (("uwsgi", "site.txt"), 1, (r"site\.txt",)),
        (("--wrokers", "2", "demo:app"), None, ("--wrokers", "--workers")),
        (("--workers", "two", "demo:app"), 1, ("workers", "two")),
    ],
    ids=lambda value: " ".join(value)[:50] if isinstance(value, tuple) else "",
)  # fmt: skip
def test_a_wrong_option_or_value_is_refused(
    plain: Path, arguments: tuple[str, ...], code: int | None, saying: tuple[str, ...]
) -> None:
    if code is None:
        # Penstock's own: 2, as command lines of today do.
        code = 2
    refused(plain, *arguments, code=code, saying=saying)


# Ports and files in the way.


@pytest.mark.parametrize(
    "arguments", [("gunicorn", "-b"), ("uwsgi", "--master", "--module", "demo:app", "--http-socket"), ("-b",)], ids=str
)
def test_a_port_in_use_is_refused(plain: Path, arguments: tuple[str, ...]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        application = () if "uwsgi" in arguments else ("demo:app",)
        refused(
            plain, *arguments, address, *application, code=1, saying=("(?i)in use", re.escape(address.split(":")[1]))
        )


def test_a_file_where_the_unix_socket_should_be_is_left_alone(plain: Path) -> None:
    (plain / "site.sock").write_text("precious")
    refused(plain, "gunicorn", "-b", "unix:site.sock", "demo:app", code=1, saying=(r"site\.sock",))
    refused(plain, "uwsgi", "--http-socket", "./site.sock", "--module", "demo:app", code=1, saying=(r"site\.sock",))
    assert (plain / "site.sock").read_text() == "precious"


def test_a_socket_that_another_server_listens_on_is_left_alone(plain: Path, start_server: StartServer) -> None:
    server = start_server("gunicorn", "-b", "unix:{unix}", "demo:app", cwd=plain)
    path = str(server.address)
    refused(plain, "gunicorn", "-b", f"unix:{path}", "demo:app", code=1, saying=("(?i)in use", re.escape(path)))
    assert server.get("/").status == 200


def test_a_stale_unix_socket_is_replaced(plain: Path) -> None:
    path = plain / "site.sock"
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(path))
    assert stat.S_ISSOCK(path.stat().st_mode)
    server = Server("gunicorn", "-b", f"unix:{path}", "demo:app", cwd=plain)
    server.addresses["unix"] = str(path)
    with server:
        assert server.get("/").status == 200


# Pidfiles.


def test_the_pidfile_of_a_living_process_is_refused(plain: Path) -> None:
    (plain / "run.pid").write_text(f"{os.getpid()}\n")
    port = free_port()
    arguments = ("gunicorn", "-b", f"127.0.0.1:{port}", "-p", "run.pid", "demo:app")
    refused(plain, *arguments, code=1, saying=(str(os.getpid()), r"run\.pid"), port=port)
    assert (plain / "run.pid").read_text() == f"{os.getpid()}\n"


@pytest.mark.parametrize("text", ["4194000\n", "", "garbage\n", "-5\n", "\x00\x01"])
def test_a_stale_or_garbled_pidfile_is_replaced(plain: Path, text: str) -> None:
    (plain / "run.pid").write_text(text)
    with Server("gunicorn", "-b", "{tcp}", "-p", "run.pid", "demo:app", cwd=plain) as server:
        assert (plain / "run.pid").read_text() == f"{server.pid}\n"
        server.stop()
    assert not (plain / "run.pid").exists()


@pytest.mark.parametrize("option", ["--reload", "--stop"])
@pytest.mark.parametrize("text", [None, "", "garbage\n", "0\n", "-1\n", "1.5\n", "99999999999999999999\n", "\x00\xff"])
def test_pidfile_commands_refuse_what_is_no_process_id(plain: Path, option: str, text: str | None) -> None:
    if text is not None:
        (plain / "uwsgi.pid").write_text(text)
    refused(plain, "uwsgi", option, "uwsgi.pid", code=1, saying=(r"uwsgi\.pid",))


def test_a_pidfile_that_is_a_directory_is_refused(plain: Path) -> None:
    (plain / "uwsgi.pid").mkdir()
    refused(plain, "uwsgi", "--stop", "uwsgi.pid", code=1, saying=(r"uwsgi\.pid",))
    refused(plain, "gunicorn", "-p", "uwsgi.pid", "-b", "127.0.0.1:0", "demo:app", code=1, saying=(r"uwsgi\.pid",))


def test_a_pidfile_of_a_process_that_is_gone_says_so(plain: Path) -> None:
    (plain / "uwsgi.pid").write_text("4194000\n")
    ended = run_command("uwsgi", "--stop", "uwsgi.pid", cwd=plain)
    # uWSGI says nothing and exits with 0; a word does no harm.
    assert ended.exit_code in (0, 1), ended
    assert not OUR_INSIDES.search(ended.text), ended


# Bytes that are not HTTP/1.


@pytest.fixture(scope="module", params=["gunicorn", "uwsgi"])
def target(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    plain = copy_of("plain", tmp_path_factory.mktemp("target"))
    arguments = {
        "gunicorn": ("gunicorn", "-b", "{tcp}", "demo:app"),
        "uwsgi": ("uwsgi", "--http-socket", "{tcp}", "--master", "--module", "demo:app"),
    }[request.param]
    with Server(*arguments, cwd=plain) as server:
        yield server


def tls_hello() -> bytes:
    """The first bytes of a browser that was told https."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


@pytest.mark.parametrize(
    "data",
    [
        b"garbage\r\n\r\n",
        b"\x00\x01\x02\x03\x04\x05\x06\x07\r\n\r\n",
        bytes(range(256)) * 16,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
        None,
        b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
        b"*1\r\n$4\r\nPING\r\n",
        b"\r\n" * 200,
        b"\x16\x03\x01" + b"\x00" * 300,
        b"\x05\x01\x00" + b"\r\n\r\n",
        b"{" * 20000,
    ],
    ids=[
        *("words", "control bytes", "every byte", "HTTP/2 preface", "TLS hello", "SSH", "Redis", "empty lines"),
        *("broken TLS", "SOCKS", "braces"),
    ],
)
def test_what_is_not_http_gets_a_400_and_a_close(target: Server, data: bytes | None) -> None:
    with target.connect() as client:
        client.send_and_ignore_failure(tls_hello() if data is None else data)
        if data is not None and data.startswith(b"{"):
            client.send_and_ignore_failure(b" / HTTP/1.1\r\n\r\n")
        answer = client.read_response()
        assert answer.status in ((400, 414, 501) if data and data.startswith(b"{") else (400, 505))
        assert answer.closes()
        client.expect_end()
    assert not OUR_INSIDES.search(target.log)
    assert target.get("/").status == 200


def test_a_client_that_says_nothing_holds_nobody_up(target: Server) -> None:
    silent = [target.connect() for _ in range(20)]
    try:
        assert target.get("/").status == 200
    finally:
        for client in silent:
            client.close()


def test_garbage_never_reaches_the_log_raw(target: Server) -> None:
    with RawClient(target.address) as client:
        client.send(b"GET /\x1b[31mred\x07 HTTP/1.1\r\nHost: t\r\n\r\n")
        assert client.read_response().status == 400
    assert target.get("/").status == 200
    assert "\x1b" not in target.log
    assert "\x07" not in target.log
