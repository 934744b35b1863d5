"""Web servers that start the application themselves: real Apache with ScriptAlias and mod_fcgid, and spawn-fcgi for nginx."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from harness import SAFETY_SECONDS, RawClient, Response
from harness.processes import wait_until
from harness.webservers import SEARCH, ApacheWithPrograms, Nginx, Programs, Site, missing_for_programs
from projects import copy_of

if absent := missing_for_programs():
    pytest.skip(absent, allow_module_level=True)


class Deployed:
    """A directory that other users may look into, with the project and the program that serves it."""

    def __init__(self, directory: Path) -> None:
        directory.chmod(0o755)
        self.mark = f"penstock-program-{uuid.uuid4().hex}"
        self.site = copy_of("cgi_site", directory)
        self.programs = directory / "programs"
        self.programs.mkdir()
        self.app = self.programs / "app"
        penstock = Path(sys.executable).parent / "penstock"
        self.app.write_text(
            f"#!/bin/sh\nexport PYTHONDONTWRITEBYTECODE=1\nexec {penstock} run-cgi --chdir {self.site} --name {self.mark} demo:app\n"
        )
        self.app.chmod(0o755)

    def processes(self) -> list[int]:
        """Living processes of the program."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and self.mark.encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                pass
        return found


@pytest.fixture(scope="module")
def deployed() -> Iterator[Deployed]:
    directory = Path(tempfile.mkdtemp(prefix="penstock-programs-", dir="/tmp"))
    yield Deployed(directory)
    shutil.rmtree(directory)


@pytest.fixture(scope="module")
def apache(deployed: Deployed) -> Iterator[ApacheWithPrograms]:
    with ApacheWithPrograms([Programs(deployed.programs)]) as apache:
        yield apache
    assert wait_until(lambda: not deployed.processes(), SAFETY_SECONDS), "programs were left behind"


def ask(port: int, method: str, target: str, body: bytes | None = None) -> Response:
    with RawClient(("127.0.0.1", port)) as client:
        return client.request(method, target, "Connection: close", body=body)


WAYS = {"cgi-bin": "True", "fcgi-bin": "False"}


@pytest.mark.parametrize("way", WAYS)
def test_apache_starts_the_application_and_it_answers(apache: ApacheWithPrograms, way: str) -> None:
    port = apache.sites[0].port
    answer = ask(port, "POST", f"/{way}/app/a%20b/c?x=1&y=%20", b"hello")
    assert answer.status == 200, (answer.body, apache.log)
    assert answer.body.decode() == f"POST\n/{way}/app|/a b/c\nx=1&y=%20\nhello"
    assert answer.value("X-Run-Once") == WAYS[way]
    assert ask(port, "GET", f"/{way}/app").body.decode() == f"GET\n/{way}/app|\n\n"
    assert ask(port, "HEAD", f"/{way}/app").body == b""
    assert wait_until(lambda: "said on wsgi.errors" in apache.log, SAFETY_SECONDS)


@pytest.mark.parametrize("way", WAYS)
def test_a_large_upload_and_its_echo_pass_whole(apache: ApacheWithPrograms, way: str) -> None:
    body = os.urandom(2 << 20)
    answer = ask(apache.sites[0].port, "POST", f"/{way}/app/x", body)
    assert answer.status == 200, apache.log
    echoed = answer.body.split(b"\n", 3)[3]
    assert hashlib.sha256(echoed).digest() == hashlib.sha256(body).digest()


@pytest.mark.parametrize("way", WAYS)
def test_an_application_that_fails_is_a_500_and_the_reason_is_in_apaches_log(
    apache: ApacheWithPrograms, way: str
) -> None:
    assert ask(apache.sites[0].port, "GET", f"/{way}/app/raise").status == 500
    assert wait_until(lambda: "raised by the application" in apache.log, SAFETY_SECONDS)


def test_mod_fcgid_keeps_the_process_for_further_requests(apache: ApacheWithPrograms, deployed: Deployed) -> None:
    port = apache.sites[0].port
    ask(port, "GET", "/fcgi-bin/app")
    before = set(deployed.processes())
    assert before, "no process was kept"
    for number in range(10):
        assert ask(port, "GET", f"/fcgi-bin/app/{number}").status == 200
    assert before & set(deployed.processes())
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(lambda number: ask(port, "GET", f"/fcgi-bin/app/{number}"), range(40))
        assert [answer.body.split(b"|/")[1] for answer in answers] == [b"%d\n\n" % number for number in range(40)]


def test_spawn_fcgi_starts_the_application_for_nginx(deployed: Deployed) -> None:
    path = str(deployed.app.parent.parent / "spawned.sock")
    spawn = shutil.which("spawn-fcgi", path=SEARCH) or "spawn-fcgi"
    program = subprocess.Popen(
        [spawn, "-n", "-s", path, "-M", "0666", "--", str(deployed.app)],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        assert wait_until(lambda: program.poll() is not None or Path(path).exists(), SAFETY_SECONDS)
        with Nginx([site := Site("fastcgi", path)]):
            answer = ask(site.port, "POST", "/a%20b?x=1", b"hello")
            assert (answer.status, answer.body) == (200, b"POST\n|/a b\nx=1\nhello")
    finally:
        program.terminate()
        _, log = program.communicate(timeout=SAFETY_SECONDS)
    assert program.returncode == 0, log.decode()
