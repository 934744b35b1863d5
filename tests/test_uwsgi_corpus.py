"""The uwsgi files of public projects: each is understood, and each starts, in a sandbox made from it, and answers.

``PENSTOCK_UWSGI_CORPUS`` names a directory with more of them.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from harness import Address, RawClient, Server
from harness.command import Ended, daemon, run_command
from harness.processes import free_port, wait_until
from harness.sandbox import APPLICATION, Sandbox
from harness.wires import packet

CORPUS = Path(os.environ.get("PENSTOCK_UWSGI_CORPUS", Path(__file__).parent / "data" / "uwsgi-corpus"))
FILES = sorted(path.name for path in CORPUS.iterdir() if path.suffix in (".ini", ".yaml", ".yml", ".json", ".xml"))

# Keys that uWSGI does not know either: variables nobody reads, and slips of the pen.
STRANGERS = {
    "20tab+django-uwsgi-template-legacy__uwsgi.ini": ["domain", "django"],
    "ArchiveBox+ArchiveBox__etc+uwsgi.ini": ["static-map /static"],
    "Cray-HPE+config-framework-service__config+uwsgi.ini": ["app"],
    "Dispatcharr+Dispatcharr__docker+uwsgi.ini": ["exec-pre", "log-buffering"],
    "HengfengLi+high-availability-example__uwsgi+uwsgi.ini": ["application"],
    "IlyaGusev+PoetryCorpus__conf+uwsgi.ini": ["zuid"],
    "Sevlin+slackbuilds__uwsgi+uwsgi.ini": [
        "vassals-set socket-chmod",
        "vassals-set idle",
        "vassals-set die-on-idle",
        "vassals-set cheaper-algo",
    ],
    "UniversityOfBigData+UniversityOfBigData__uwsgi+uwsgi.ini": ["env DJANGO_SETTINGS_MODULE"],
}

@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    # Unix sockets have short paths.
    root = Path(tempfile.mkdtemp(prefix="uw-"))
    yield Sandbox(root)
    shutil.rmtree(root, ignore_errors=True)


# Files that others include.
INCLUDED = {"20tab+django-uwsgi-template-legacy__uwsgi.ini": ("www/project/static.ini", "[uwsgi]\n")}


def check(sandbox: Sandbox, name: str) -> tuple[Ended, list[tuple[str, str]]]:
    """What --check says of a file, and the options in it, expanded."""
    ended = run_command("uwsgi", "--check", "--include", name, cwd=sandbox.directory, environment=sandbox.environment)
    lines = ended.text.partition("\nto know:")[0].partition("\nthe server would not start:")[0].splitlines()
    found = [re.match(r"^[^ ]+:\d+: ([^ :]+)(?: = (.*?))?: ", line) for line in lines]
    return ended, [(one[1], one[2] or "") for one in found if one]


def test_all_of_them_are_here() -> None:
    assert len(FILES) >= 94


@pytest.mark.parametrize("name", FILES)
def test_a_public_file_is_understood_and_starts_and_answers(sandbox: Sandbox, name: str) -> None:
    (sandbox.directory / name).write_text(sandbox.rewrite(name, (CORPUS / name).read_text()))
    if name in INCLUDED:
        path, text = INCLUDED[name]
        (sandbox.root / "site" / path).parent.mkdir(parents=True)
        (sandbox.root / "site" / path).write_text(text)
    ended, pairs = check(sandbox, name)
    unknown = re.findall(r":\d+: ([^:]*?)(?: = .*)?: unknown option, ignored", ended.text)
    assert unknown == STRANGERS.get(name, []), ended.text
    sandbox.furnish(pairs)
    options = dict(pairs)
    arguments = ["uwsgi", "--include", name, "--processes", "2"]
    if int(options.get("cheaper", 1)) > 1:
        arguments += ["--cheaper", "1"]
    listeners = sandbox.listeners(pairs)
    if "emperor" in options:
        # It serves nothing itself: its vassal does.
        arguments = ["uwsgi", "--include", name]
        port = free_port()
        listeners = [("http-socket", ("127.0.0.1", port))]
        vassals = Path(options["emperor"]).parent
        vassals.mkdir(parents=True)
        (vassals / "given.py").write_text(APPLICATION)
        (vassals / "app.ini").write_text(f"[uwsgi]\nhttp-socket = 127.0.0.1:{port}\nwsgi-file = {vassals}/given.py\n")
    elif not listeners:
        # As its project gives it on the command line.
        port = free_port()
        arguments += ["--http-socket", f"127.0.0.1:{port}"]
        listeners.append(("http-socket", ("127.0.0.1", port)))
    if not {"module", "wsgi-file", "wsgi", "file", "mount", "emperor"} & options.keys():
        sandbox.furnish([("wsgi-file", "given.py")])
        arguments += ["--wsgi-file", "given.py"]
    if options.get("protocol") == "http":
        listeners = [(option.replace("socket", "http"), where) for option, where in listeners]
    path = options["mount"].partition("=")[0] if "mount" in options else "/"
    if "daemonize" in options:
        with daemon(*arguments, cwd=sandbox.directory, environment=sandbox.environment) as starter:
            assert starter.exit_code == 0, starter
            for option, where in listeners:
                assert wait_until(partial(is_open, where), 60.0), f"nobody listens on {where}"
                assert_answers(option, where, path)
        return
    server = Server(*arguments, cwd=sandbox.directory, environment=sandbox.environment, wait="nothing")
    server.addresses.update({f"{option} {where}": where for option, where in listeners})
    server.start()
    try:
        for option, where in listeners:
            assert wait_until(lambda where=where: is_open(where) or server.process.poll() is not None, 60.0)
            assert_answers(option, where, path)
    except (AssertionError, OSError) as failed:
        raise AssertionError(f"{failed}\n{server.log[-4000:]}") from failed
    finally:
        # The files without die-on-term stop too: TERM means stop here.
        exit_code = server.stop()
    assert exit_code == 0, server.log


def is_open(where: Address) -> bool:
    try:
        RawClient(where).close()
    except OSError:
        return False
    return True


def ask(where: Address, wire: str, path: str) -> bytes:
    with RawClient(where) as client:
        if wire == "http":
            client.send(f"GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n".encode())
        else:
            variables = {"REQUEST_METHOD": "GET", "PATH_INFO": path, "REQUEST_URI": path, "QUERY_STRING": ""}
            client.send(packet({**variables, "SERVER_NAME": "test", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1"}))
        return client.read_to_end()


def assert_answers(option: str, where: Address, path: str) -> None:
    answer = ask(where, "http" if option.startswith("http") else "uwsgi", path)
    assert b" 200 OK\r\n" in answer and answer.endswith(b"sandbox\n"), f"{option} {where}: {answer!r}"
