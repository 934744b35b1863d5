"""What uWSGI's workers are held to beside their user: another root directory, capabilities, groups."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness import SAFETY_SECONDS, Server, StartServer
from harness.client import RawClient
from harness.command import run_command
from harness.processes import wait_until

NOBODY = 65534

# Imports only what the interpreter has without its library, which is not there.
APPLICATION = """
import os

def application(environ, start_response):
    status = dict(line.split(":\\t", 1) for line in open("/proc/self/status")) if os.path.exists("/proc") else {}
    facts = {
        "pid": os.getpid(), "root": sorted(os.listdir("/")), "cwd": os.getcwd(), "uid": os.getuid(), "groups": os.getgroups(),
        **{name: int(status[name], 16) for name in ("CapEff", "CapPrm", "CapInh") if name in status},
    }
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [repr(facts).encode()]
"""


@pytest.fixture
def jail() -> Iterator[Path]:
    """A root directory with nothing in it but an application; its path is short enough for sockets."""
    if os.geteuid() != 0:
        pytest.skip("only root can give rights away: run these as root")
    with tempfile.TemporaryDirectory(prefix="jail-") as directory:
        root = Path(directory) / "root"
        (root / "site").mkdir(parents=True)
        (root / "site" / "app.py").write_text(APPLICATION)
        for each in (root, root / "site"):
            each.chmod(0o777)
        yield root


def start(start_server: StartServer, root: Path, *words: str) -> Server:
    arguments = ("--http-socket", "{tcp}", "--module", "app", "--uid", str(NOBODY), "--need-app", *words)
    return start_server("uwsgi", *arguments, cwd=root / "site")


def facts(server: Server) -> dict[str, Any]:
    found: dict[str, Any] = ast.literal_eval(server.get("/").body.decode())
    return found


def test_workers_see_their_root_and_nothing_outside(start_server: StartServer, jail: Path) -> None:
    server = start(start_server, jail, "--chroot", str(jail), "--chdir", "/site", "--touch-reload", "/site/touched")
    assert f"chroot() to {jail}" in server.log
    found = facts(server)
    assert (found["root"], found["cwd"], found["uid"]) == (["site"], "/site", NOBODY)
    (jail / "site" / "touched").touch()
    assert wait_until(lambda: facts(server)["pid"] != found["pid"], SAFETY_SECONDS), server.log
    after = facts(server)
    os.kill(server.pid, signal.SIGHUP)
    assert wait_until(lambda: facts(server)["pid"] != after["pid"], SAFETY_SECONDS), server.log
    assert facts(server)["root"] == ["site"]
    assert server.stop() == 0


def test_what_is_run_beside_the_workers_is_confined_too(start_server: StartServer, jail: Path) -> None:
    app = jail / "site" / "app.py"
    app.write_text(
        APPLICATION
        + "import uwsgi\n"
        + "open(f'/mule-{uwsgi.mule_id()}', 'w').close()\n"
        + "def done(task):\n    open('/task-' + task[b'name'].decode(), 'w').close()\n    return uwsgi.SPOOL_OK\n"
        + "uwsgi.spooler = done\n"
        + "if uwsgi.worker_id() == 1:\n    uwsgi.spool({b'name': b'one'})\n"
    )
    (jail / "tasks").mkdir()
    (jail / "tasks").chmod(0o777)
    words = ("--mule", "--spooler", "/tasks", "--hook-as-root", "create:/by-root", "--hook-as-user", "create:/by-user")
    server = start(start_server, jail, "--chroot", str(jail), "--chdir", "/site", *words)
    assert facts(server)["uid"] == NOBODY
    for name, owner in {"mule-1": NOBODY, "task-one": NOBODY, "by-root": 0, "by-user": NOBODY}.items():
        assert wait_until((jail / name).exists, SAFETY_SECONDS), (name, server.log)
        assert (jail / name).stat().st_uid == owner, name
    assert server.stop() == 0


@pytest.mark.parametrize("words", [(), ("--master-as-root",), ("--chown-socket", "nobody")], ids=str)
def test_a_unix_socket_is_where_uwsgi_has_it(start_server: StartServer, jail: Path, words: tuple[str, ...]) -> None:
    outside = str(jail.parent / "at.sock")
    (jail / outside[1:]).parent.mkdir(parents=True)
    place = outside if words else f"{jail}{outside}"
    server = start_server(
        *("uwsgi", "--http-socket", outside, "--chroot", str(jail), "--chdir", "/site", "--module", "app", *words),
        cwd=jail / "site",
        wait="nothing",
    )
    server.wait_for_log("spawned uWSGI worker 1 ")
    with RawClient(place) as client:
        assert client.get("/", "Connection: close").status == 200
    assert server.stop() == 0


def test_a_chroot_that_cannot_be_is_refused_with_the_remedy(jail: Path) -> None:
    base = ("uwsgi", "--http-socket", "127.0.0.1:0", "--module", "app")
    for words, said in {
        ("--chroot", f"{jail}/none"): f"there is no directory {jail}/none",
        ("--chroot", str(jail), "--chdir", "/none"): f"there is no directory {jail}/none",
        ("--emperor", str(jail), "--chroot", str(jail)): "vassal-set",
        ("--cap", "63", "--uid", "nobody"): "has not got them itself (option cap): 63",
    }.items():
        words = words if "--emperor" in words else (*base[1:], *words)
        ended = run_command("uwsgi", *words, cwd=jail / "site")
        assert ended.exit_code == 1 and said in ended.text, ended


def test_somebody_else_than_root_is_told_why_there_is_no_chroot() -> None:
    # The rights are given up once everything is imported: this Python may be root's alone.
    user = os.geteuid() or NOBODY
    program = f"import os, sys, penstock; from penstock._core import main; os.setuid({user}); sys.exit(main(sys.argv[1:]))"
    words = ["--http-socket", "127.0.0.1:0", "--module", "app", "--chroot", "/"]
    command = [sys.executable, "-c", program, "uwsgi", *words]
    ended = subprocess.run(command, cwd="/", capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert "cannot chroot() as non-root user: start the server as root" in ended.stderr


def test_workers_keep_the_capabilities_that_are_named_and_no_others(start_server: StartServer, jail: Path) -> None:
    server = start(start_server, jail, "--cap", "net_bind_service,net_bind_servic,1")
    found = facts(server)
    kept = 1 << 10 | 1 << 1
    assert (found["uid"], found["CapEff"], found["CapPrm"], found["CapInh"]) == (NOBODY, kept, kept, kept)
    assert "setting capabilities dac_override,net_bind_service" in server.log
    assert "unknown capability: net_bind_servic (did you mean net_bind_service?)" in server.log
    assert server.stop() == 0


def test_a_root_that_names_capabilities_has_no_others(start_server: StartServer, jail: Path) -> None:
    server = start_server(
        *("uwsgi", "--http-socket", "{tcp}", "--module", "app", "--cap", "chown"), cwd=jail / "site"
    )
    found = facts(server)
    assert (found["uid"], found["CapEff"]) == (0, 1)
    assert server.stop() == 0


def test_groups_are_added_to_those_of_the_user(start_server: StartServer, jail: Path) -> None:
    words = ("--gid", str(NOBODY), "--add-gid", "12345", "--add-gid", "nogroup")
    server = start(start_server, jail, "--chroot", str(jail), "--chdir", "/site", *words)
    assert set(facts(server)["groups"]) == {NOBODY, 12345}
    assert server.stop() == 0
