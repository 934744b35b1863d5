"""gunicorn.conf.py as projects write them: each starts, serves and stops.

The files under projects/configured/conf have the shapes of public ones: environment look-ups, cpu counts, hooks of every
kind, loggers, uvicorn workers, names that mean nothing.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from harness import StartServer
from projects import PROJECTS, copy_of

CONFIGURATIONS = sorted(path.stem for path in (PROJECTS / "configured" / "conf").glob("*.py"))

# What the log says where there is something to see.
SAYS = {
    "every_hook": ["Worker spawned (pid: ", "Server is ready. Spawning workers"],
    "imported_types": ["starting as ", "forked 1 of 2"],
    "logconfig_dict": ["INFO gunicorn.error: Booting worker", "INFO gunicorn.access: 127.0.0.1 - - "],
    "logconfig_class": ["plain: Booting worker with pid"],
    "logger_json": ['"message": "Booting worker with pid', '"message": "- GET / HTTP/1.1"'],
    "callable_object": ["an object that is called", "and at the end"],
    "dotted_hook": ["imported by its dotted name in "],
    "timing_hooks": ["GET / 200 OK 0."],
    "profiler": ["served 2 of 2"],
    "settings_object": ["threads=1 bind=['", "with 1 workers"],
}


def test_there_are_forty_of_them() -> None:
    assert len(CONFIGURATIONS) >= 40


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_a_configuration_as_projects_write_it_serves(tmp_path: Path, start_server: StartServer, name: str) -> None:
    directory = copy_of("configured", tmp_path)
    shutil.copy(directory / "conf" / f"{name}.py", directory / "gunicorn.conf.py")
    application = "asgi_demo:app" if name.startswith("uvicorn") else "demo:app"
    hidden = str(Path(__file__).parent / "hidden")
    server = start_server(
        "gunicorn", "-b", "{tcp}", application, cwd=directory, environment={"PYTHONPATH": hidden}
    )
    response = server.get("/")
    assert (response.status, response.body) == (200, b"configured")
    assert server.stop() == 0
    assert "Traceback" not in server.log and "failed" not in server.log, server.log
    for text in SAYS.get(name, []):
        assert text in server.log, server.log


@pytest.mark.parametrize("name", ["timing_hooks", "logger_json", "logconfig_dict"])
def test_hooks_and_loggers_see_the_requests_of_an_asgi_application(
    tmp_path: Path, start_server: StartServer, name: str
) -> None:
    directory = copy_of("configured", tmp_path)
    shutil.copy(directory / "conf" / f"{name}.py", directory / "gunicorn.conf.py")
    server = start_server("gunicorn", "-k", "asgi", "-b", "{tcp}", "asgi_demo:app", cwd=directory)
    assert server.get("/").body == b"configured"
    assert server.stop() == 0
    assert "Traceback" not in server.log, server.log
    for text in SAYS[name]:
        assert text in server.log, server.log
    assert "without effect: pre_request" not in server.log
