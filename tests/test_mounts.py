"""Several applications in one uwsgi server, and what is set up around them: mounts, imports, arguments, directories."""

from __future__ import annotations

from pathlib import Path

import pytest
from harness import Server, StartServer
from harness.command import run_command

APPLICATION = """\
import os
import sys


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    words = ["WHO", environ["SCRIPT_NAME"], environ["PATH_INFO"], ",".join(sys.argv), os.path.basename(os.getcwd())]
    return ["|".join(words).encode()]
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Applications that say their name and what they were called with."""
    for name in ["a", "b", "main"]:
        (tmp_path / f"{name}.py").write_text(APPLICATION.replace("WHO", name))
    (tmp_path / "old.wsgi").write_text(APPLICATION.replace("WHO", "old"))
    (tmp_path / "later").mkdir()
    return tmp_path


def answers(server: Server, targets: list[str]) -> list[str]:
    with server.connect() as client:
        return ["|".join(client.get(target).body.decode().split("|")[:3]) for target in targets]


TARGETS = ["/", "/a", "/a/", "/a/x", "/ab/x", "/b/y", "/b/c/z"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            ["--mount", "/a=a.py", "--mount", "/b=b:application", "--mount", "/b/c/=main", "--manage-script-name"],
            ["a||/", "a|/a|", "a|/a|/", "a|/a|/x", "a||/ab/x", "b|/b|/y", "main|/b/c|/z"],
        ),
        (
            ["--mount", "/a=a.py", "--mount", "/b=b", "--manage-script-name", "--no-default-app"],
            ["Internal Server Error", "a|/a|", "a|/a|/", "a|/a|/x", "Internal Server Error", "b|/b|/y", "b|/b|/c/z"],
        ),
        (
            ["--mount", "/a=a.py", "--mount", "/b=b"],
            ["a||/", "a||/a", "a||/a/", "a||/a/x", "a||/ab/x", "a||/b/y", "a||/b/c/z"],
        ),
        (
            ["--module", "main", "--mount", "/a=a.py", "--manage-script-name"],
            ["main||/", "a|/a|", "a|/a|/", "a|/a|/x", "main||/ab/x", "main||/b/y", "main||/b/c/z"],
        ),
        (
            ["--mount", "/=main", "--mount", "/a=a", "--manage-script-name", "--need-app"],
            ["main||/", "a|/a|", "a|/a|/", "a|/a|/x", "main||/ab/x", "main||/b/y", "main||/b/c/z"],
        ),
    ],
)
def test_a_path_chooses_the_application_mounted_there(
    start_server: StartServer, project: Path, arguments: list[str], expected: list[str]
) -> None:
    server = start_server("uwsgi", "--http-socket", "{tcp}", *arguments, cwd=project)
    assert answers(server, TARGETS) == expected


def test_arguments_and_directories_are_as_configured(start_server: StartServer, project: Path) -> None:
    server = start_server(
        *("uwsgi", "--http-socket", "{tcp}", "--wsgi-file", "old.wsgi"),
        *("--pyargv", "--one two", "--chdir2", "later"),
        cwd=project,
    )
    assert server.get("/x").body == b"old||/x|uwsgi,--one,two|later"


def test_imports_come_first_and_a_broken_one_is_only_reported(start_server: StartServer, project: Path) -> None:
    (project / "before.py").write_text("import sys\nprint('before', 'main' in sys.modules, flush=True)\n")
    (project / "broken.py").write_text("raise ValueError('broken on purpose')\n")
    server = start_server(
        *("uwsgi", "--http-socket", "{tcp}", "--module", "main"),
        *("--import", "broken", "--import", "before.py", "--import", "none"),
        cwd=project,
    )
    assert server.get("/").body.startswith(b"main|")
    for part in ["before False", "broken on purpose", "there is no module named 'none'"]:
        server.wait_for_log(part)


def test_a_mount_that_cannot_work_is_named(project: Path) -> None:
    (project / "asgi.py").write_text("async def application(scope, receive, send):\n    pass\n")
    for value, part in [
        ("/a", "has to be /PREFIX=MODULE"),
        ("example.org/a=a", "has to begin with /"),
        ("/a=none", "there is no module named 'none'"),
        ("/a=asgi", "have to be WSGI applications"),
    ]:
        ended = run_command("uwsgi", "--http-socket", "127.0.0.1:0", "--need-app", "--mount", value, cwd=project)
        assert ended.exit_code in (1, 22), value
        assert part in ended.text, ended
