"""uWSGI's alarms: who is told, of what, and that they are told as uWSGI tells them where it can be tried."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import pytest
from harness import SAFETY_SECONDS, Server
from harness.beside import Both, ask, get
from harness.command import run_command
from harness.original_uwsgi import PENSTOCK, UWSGI, missing, options
from harness.processes import wait_until

APPLICATION = """\
import uwsgi

def rung(number):
    uwsgi.log(f"signal {number} has rung")

def told(message):
    uwsgi.log(f"the mule is told: {message.decode().strip()}")

uwsgi.register_signal(17, "worker", rung)
uwsgi.mule_msg_hook = told

def application(environ, start_response):
    name, _, text = environ["QUERY_STRING"].partition("&")
    if environ["PATH_INFO"] == "/alarm":
        uwsgi.alarm(name, text)
    elif environ["PATH_INFO"] == "/print":
        print(text, flush=True)
    elif environ["PATH_INFO"] == "/crash":
        import ctypes

        ctypes.string_at(0)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"answer"]
"""

ALARMS = """\
[uwsgi]
wsgi-file = app.py
master = true
die-on-term = true
mule = true
disable-logging = true
alarm = file cmd:text=`cat`; echo "$text" >> $(PLACE)/told
alarm = words log:from an alarm
alarm = bell signal:17
alarm = mule mule:1
alarm-segfault = file
"""
LINES = """\
alarm-log = file,words needle
not-alarm-log = file hay
alarm-log = file a stack
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(APPLICATION)
    return tmp_path


def server_of(place: Path, text: str, *more: str) -> Server:
    (place / "x.ini").write_text(text)
    return Server("uwsgi", "--http-socket", "{tcp}", "x.ini", *more, cwd=place, environment={"PLACE": "{directory}"})


def told(server: Server) -> str:
    path = server.directory / "told"
    return path.read_text() if path.exists() else ""


def test_an_alarm_of_the_application_is_told_as_it_was_asked_for(place: Path) -> None:
    with server_of(place, ALARMS) as server:
        for name in ("file", "words", "bell", "mule", "nobody"):
            ask(server, get(f"/alarm?{name}&to-{name}"))
        assert wait_until(lambda: told(server) == "to-file\n", SAFETY_SECONDS), told(server)
        server.wait_for_log("ALARM: from an alarm to-words")
        server.wait_for_log("signal 17 has rung")
        server.wait_for_log("the mule is told: to-mule")


def test_the_same_is_not_told_again_within_a_moment_and_something_else_is(place: Path) -> None:
    with server_of(place, ALARMS, "--alarm-freq", "60") as server:
        for text in ("a", "a", "a", "b", "b"):
            ask(server, get(f"/alarm?file&{text}"))
        # The commands run side by side.
        assert wait_until(lambda: sorted(told(server).split()) == ["a", "b"], SAFETY_SECONDS), told(server)


def test_lines_of_the_log_raise_alarms_whoever_writes_them(place: Path) -> None:
    with server_of(place, ALARMS + LINES) as server:
        for text in ("nothing", "a-needle-in-a-stack", "hay-and-needle", "hay-in-a%20stack"):
            ask(server, get(f"/print?&{text}"))
        os.kill(server.pid, signal.SIGUSR2)  # the master says something itself, which is none
        # The commands run side by side.
        assert wait_until(lambda: len(told(server).split()) >= 2, SAFETY_SECONDS), told(server)
        assert sorted(told(server).split()) == ["a-needle-in-a-stack", "hay-and-needle"]
        server.wait_for_log("ALARM: from an alarm a-needle-in-a-stack")


def test_a_worker_that_crashes_is_told_of(place: Path) -> None:
    with server_of(place, ALARMS) as server:
        with server.connect() as client:
            client.send(b"GET /crash HTTP/1.1\r\nHost: t\r\n\r\n")
            client.read_to_end()
        assert wait_until(lambda: "got Segmentation Fault !!!" in told(server), SAFETY_SECONDS), server.log
        server.wait_for_log("Fatal Python error: Segmentation fault")
        server.wait_for_log("in application")
        server.wait_for_log("!!! uWSGI process")


def test_an_accept_queue_that_is_full_is_told_of(place: Path) -> None:
    text = f"{ALARMS}alarm-backlog = file\nlisten = 1\n"
    with server_of(place, text) as server:
        workers = [pid for pid in server.processes() if pid != server.pid]
        clients = []
        try:
            for pid in workers:
                os.kill(pid, signal.SIGSTOP)
            for _ in range(4):
                client = socket.socket()
                client.setblocking(False)
                client.connect_ex(server.address)
                clients.append(client)
            assert wait_until(lambda: "full !!! (" in told(server), SAFETY_SECONDS), server.log
            assert told(server).startswith('listen queue of socket "')
            server.wait_for_log("*** uWSGI listen queue of socket")
        finally:
            for client in clients:
                client.close()
            for pid in workers:
                os.kill(pid, signal.SIGCONT)


@pytest.mark.skipif(bool(missing()), reason=missing() or "")
def test_alarms_are_told_as_uwsgi_tells_them(place: Path) -> None:
    # Where it is told to the log as well, uWSGI tells it of its own words for ever.
    lines = LINES.replace(",words", "") if "alarm-log" in options() else ""
    (place / "x.ini").write_text(ALARMS + lines)
    files = ("--http-socket", "{tcp}", "x.ini")
    with Both([[UWSGI], PENSTOCK], place, *files, environment={"PLACE": "{directory}"}) as both:

        def tell(server: Server) -> list[str]:
            for target in ("/alarm?file&one", "/alarm?file&one", "/alarm?file&two", "/alarm?none&three"):
                ask(server, get(target))
            ask(server, get("/print?&a-needle"))
            wanted = {"one", "two", "a-needle"} if lines else {"one", "two"}
            assert wait_until(lambda: wanted <= set(told(server).split()), SAFETY_SECONDS), told(server)
            return sorted(told(server).split())

        theirs, ours = both.each(tell)
    assert ours == theirs


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("alarm = nothing", "invalid alarm syntax"),
        ("alarm = a signal:x", "signal:x has to be signal:NUMBER"),
        ("alarm-log = none x", 'unable to find alarm "none"'),
    ],
)
def test_an_alarm_that_means_nothing_is_refused(place: Path, line: str, said: str) -> None:
    (place / "x.ini").write_text(f"[uwsgi]\nsocket = u.sock\n{line}\n")
    ended = run_command("uwsgi", "x.ini", cwd=place)
    assert ended.exit_code == 1 and said in ended.text, str(ended)
