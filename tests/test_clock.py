"""The wall clock jumps while requests are served: only what is written down as a time of day may notice."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
from harness import SAFETY_SECONDS, RawClient, Server, StartServer
from harness.faults import SystemFaults
from harness.processes import wait_until
from load import Load

DAY = 86_400

APPLICATION = """\
import asyncio, os, time


def wsgi(environ, start_response):
    target = environ["PATH_INFO"]
    if target.startswith("/until"):
        print("begun to wait", flush=True)
        while not os.path.exists(environ["QUERY_STRING"]):
            time.sleep(0.01)
    if target == "/forever":
        time.sleep(600)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]


async def asgi(scope, receive, send):
    if scope["type"] != "http":
        return
    if scope["path"].startswith("/until"):
        print("begun to wait", flush=True)
        while not os.path.exists(scope["query_string"]):
            await asyncio.sleep(0.01)
    if scope["path"] == "/forever":
        await asyncio.sleep(600)
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": str(os.getpid()).encode()})
"""

# Every limit on time that there is, each far from what the test takes and far less than the clock jumps.
COMMANDS = {
    "wsgi": ("-b", "{tcp}", "-w", "2", "--threads", "2", "-t", "300", "timing:wsgi"),
    "asgi": ("-b", "{tcp}", "-w", "2", "-t", "300", "timing:asgi"),
    "gunicorn": ("gunicorn", "-b", "{tcp}", "-w", "2", "-t", "300", "--keep-alive", "300", "--threads", "2", "timing:wsgi"),
    "uwsgi": (
        "uwsgi", "--http11-socket", "{tcp}", "--master", "-p", "2", "--threads", "2", "--harakiri", "300",
        "--max-worker-lifetime", "3600", "--add-header", "Connection: keep-alive", "-w", "timing:wsgi",
    ),
}  # fmt: skip


@pytest.mark.parametrize("command", list(COMMANDS))
def test_a_clock_that_jumps_ends_nothing_and_loses_nothing(
    tmp_path: Path, start_server: StartServer, command: str
) -> None:
    (tmp_path / "timing.py").write_text(APPLICATION)
    faults = SystemFaults(tmp_path)
    server = start_server(*COMMANDS[command], cwd=tmp_path, environment=faults.environment)
    assert wait_until(lambda: len(server.processes()) == 3, SAFETY_SECONDS), server.processes()
    before = set(server.processes())
    today = date_of(server)
    go = tmp_path / "go"
    idle, slow = server.connect(timeout=SAFETY_SECONDS), server.connect(timeout=SAFETY_SECONDS)
    with idle, slow, Load(server.address, kept=3, fresh=2) as load:
        assert idle.get("/worker").status == 200
        slow.send(b"GET /until?%s HTTP/1.1\r\nHost: t\r\n\r\n" % str(go).encode())
        server.wait_for_log("begun to wait")
        for days in (1, -2, 400, 0):
            faults.set("clock", days * DAY)
            # It is noticed where it should be.
            assert wait_until(lambda: is_about(date_of(server), today, days), SAFETY_SECONDS), days  # noqa: B023
            load.wait_for_answers(50)
        assert idle.get("/worker").status == 200
        go.touch()
        assert slow.read_response().status == 200
    print(f"{command}: the clock jumped 4 times; {load}")
    assert load.failures == [], str(load)
    assert set(server.processes()) == before, server.log


def date_of(server: Server) -> float | None:
    """The time of day as the server tells it; uWSGI's way is not to tell it."""
    value = server.get("/worker").value("Date")
    return parsedate_to_datetime(value).timestamp() if value else None


def is_about(now: float | None, then: float | None, days: int) -> bool:
    return now is None or then is None or abs(now - then - days * DAY) < DAY / 2


@pytest.mark.parametrize("days", [1, -1])
def test_a_deadline_holds_whatever_the_clock_says(tmp_path: Path, start_server: StartServer, days: int) -> None:
    (tmp_path / "timing.py").write_text(APPLICATION)
    faults = SystemFaults(tmp_path)
    server = start_server("-b", "{tcp}", "-t", "2", "timing:wsgi", cwd=tmp_path, environment=faults.environment)
    with RawClient(server.address, timeout=SAFETY_SECONDS) as client:
        client.send(b"GET /forever HTTP/1.1\r\nHost: t\r\n\r\n")
        faults.set("clock", days * DAY)
        assert client.read_response().status == 504
    assert "is interrupted after 2." in server.log
