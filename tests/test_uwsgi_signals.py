"""uWSGI's numbered signals, timers, points in time and file monitors; mules, farms and calls by name."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest
from harness.processes import wait_until
from harness.uwsgi_api import StartServer, served

TELL = """

def tell(what):
    print(f"<{what} in worker {uwsgi.worker_id()} mule {uwsgi.mule_id()}>", flush=True)


for number, target in TARGETS.items():
    uwsgi.register_signal(number, target, lambda number: tell(f"signal {number}"))
"""


@pytest.mark.parametrize("threads", ["1", "2"])
def test_a_signal_reaches_those_it_is_meant_for(start_server: StartServer, tmp_path: Path, threads: str) -> None:
    targets = "{10: 'worker2', 11: 'workers', 12: 'mule1', 13: 'mules', 14: '', 15: 'farm_pair'}"
    options = ("--processes", "2", "--threads", threads, "--mules", "3", "--farm", "pair:2,3")
    api = served(start_server, tmp_path, *options, more=TELL.replace("TARGETS", targets))
    for number in (10, 11, 12, 13, 15):
        assert api.signal(number) is None
    assert api.signal(99) is None
    for number, places in (
        (10, ["worker 2 mule 0"]),
        (11, ["worker 1 mule 0", "worker 2 mule 0"]),
        (12, ["worker 0 mule 1"]),
        (13, ["worker 0 mule 1", "worker 0 mule 2", "worker 0 mule 3"]),
        (15, ["worker 0 mule 2", "worker 0 mule 3"]),
    ):
        for place in places:
            api.server.wait_for_log(f"<signal {number} in {place}>")
    api.signal(14)
    api.server.wait_for_log("<signal 14 in worker")
    assert len(re.findall("<signal 14 in", api.server.log)) == 1
    assert (api.signal_registered(14), api.signal_registered(77)) == (True, None)
    assert "is nobody that signals go to" in api.register_signal(20, "nobody", None)


def test_timers_cron_and_file_monitors_call_their_functions(start_server: StartServer, tmp_path: Path) -> None:
    more = """

def tell(what):
    print(f"<{what} in worker {uwsgi.worker_id()} mule {uwsgi.mule_id()}>", flush=True)


@uwsgidecorators.timer(1)
def ticking(number):
    tell("tick")


@uwsgidecorators.rbtimer(1, 2, target="mule")
def twice(number):
    tell("twice")


@uwsgidecorators.cron(-1, -1, -1, -1, -1, target="worker1")
def each_minute(number):
    tell("minute")


@uwsgidecorators.filemon("watched", target="workers")
def changed(number):
    tell("changed")


@uwsgidecorators.signal(30)
def thirty(number):
    tell(f"thirty {number}")
"""
    api = served(start_server, tmp_path, "--processes", "2", "--mule", more=more)
    api.server.wait_for_log("<minute in worker 1 mule 0>")
    api.signal(30)
    api.server.wait_for_log("<thirty 30 in worker")
    (tmp_path / "watched").write_text("something")
    for worker in (1, 2):
        api.server.wait_for_log(f"<changed in worker {worker} mule 0>")
    # Both workers have asked for the timer: it is one timer.
    assert wait_until(lambda: api.server.log.count("<twice in worker 0 mule 1>") == 2, 60.0)
    ticks = api.server.log.count("<tick in")
    assert wait_until(lambda: api.server.log.count("<tick in") >= ticks + 3, 60.0)
    assert api.server.log.count("<twice in worker 0 mule 1>") == 2


def test_timers_go_on_after_a_reload(start_server: StartServer, tmp_path: Path) -> None:
    more = "\n\n@uwsgidecorators.timer(1)\ndef ticking(number):\n    print(f'<tick {uwsgi.is_a_reload}>', flush=True)\n"
    api = served(start_server, tmp_path, more=more)
    api.server.wait_for_log("<tick False>")
    api.reload()
    api.server.wait_for_log("<tick True>")


def test_messages_reach_mules_and_farms_whole(start_server: StartServer, tmp_path: Path) -> None:
    (tmp_path / "mule.py").write_text(
        "import uwsgi\n"
        "while True:\n"
        "    message = uwsgi.mule_get_msg()\n"
        "    print(f'<mule {uwsgi.mule_id()} got {len(message)} of {message[:5]}>', flush=True)\n"
    )
    more = """

@uwsgidecorators.mulefunc(2)
def add(first, second=0):
    print(f"<{first} + {second} = {first + second} in mule {uwsgi.mule_id()}>", flush=True)


@uwsgidecorators.farm_loop("pair")
def of_the_farm(message):
    print(f"<farm got {message} in mule {uwsgi.mule_id()}>", flush=True)
"""
    options = ("--mule=mule.py", "--mule", "--mule", "--mule", "--farm", "pair:3,4")
    api = served(start_server, tmp_path, *options, more=more)
    assert api.mule_msg("first message", 1) is True
    assert api.mule_msg(b"x" * 2000, 1) is True
    api.server.wait_for_log("<mule 1 got 13 of b'first'>")
    api.server.wait_for_log("<mule 1 got 2000 of b'xxxxx'>")
    assert api.add(40, 2) is True
    api.server.wait_for_log("<40 + 2 = 42 in mule 2>")
    assert api.farm_msg("pair", "to one of you") is True
    api.server.wait_for_log("<farm got b'to one of you' in mule")
    assert "there is no mule 9" in api.mule_msg("nobody", 9)
    assert "only mules get messages" in api.mule_get_msg()
    assert (api.mule_id(), api.in_farm()) == (0, None)


def test_a_mule_that_is_killed_is_there_again(start_server: StartServer, tmp_path: Path) -> None:
    more = "\n\n@uwsgidecorators.mulefunc\ndef who():\n    print(f'<mule {os.getpid()}>', flush=True)\n"
    api = served(start_server, tmp_path, "--mule", more=more)
    api.who()
    assert wait_until(lambda: "<mule " in api.server.log, 60.0)
    first = int(re.findall(r"<mule (\d+)>", api.server.log)[0])
    os.kill(first, signal.SIGKILL)
    api.who()
    assert wait_until(lambda: len(set(re.findall(r"<mule (\d+)>", api.server.log))) == 2, 60.0)


def test_functions_are_called_by_their_names(start_server: StartServer, tmp_path: Path) -> None:
    more = "\n\n@uwsgidecorators.rpc('join')\ndef join(*parts):\n    return b'+'.join(parts)\n"
    api = served(start_server, tmp_path, more=more)
    assert api.rpc("", "join", "a", b"b") == b"a+b"
    assert (api.call("join", "x"), api.call("nothing"), api.rpc_list()) == (b"x", None, (b"join",))
    assert "is another server" in api.rpc("127.0.0.1:3031", "join")


def test_the_room_for_messages_is_as_configured(start_server: StartServer, tmp_path: Path) -> None:
    (tmp_path / "busy.py").write_text("import time\ntime.sleep(600)\n")
    more = "\n\ndef fill():\n    return next(n for n in range(10000) if not uwsgi.mule_msg(b'x' * 1000))\n"
    api = served(start_server, tmp_path, "--mule=busy.py", "--mule-msg-size=10000", more=more)
    # The kernel counts its own bookkeeping, and doubles what is asked for; its own size takes about a hundred.
    assert 2 < api.fill() < 40
