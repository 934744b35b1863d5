"""uWSGI's spooler: tasks on disk before they are acknowledged, done at least once whatever is killed."""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import time
from pathlib import Path

import pytest
from harness.processes import wait_until
from harness.uwsgi_api import Api, StartServer, served
from penstock._uwsgi import tasks

DONE = """

def done(task):
    open("done", "ab").write(b"%s %s\\n" % (task[b"name"], task.get(b"body", b"")))
    return uwsgi.SPOOL_OK


uwsgi.spooler = done
"""


def spooling(start_server: StartServer, directory: Path, *options: str, more: str = DONE) -> Api:
    return served(start_server, directory, "--spooler", "tasks", *options, more=more)


def done(directory: Path) -> list[str]:
    path = directory / "done"
    return path.read_text().splitlines() if path.exists() else []


def files(directory: Path) -> list[Path]:
    return sorted(path for path in (directory / "tasks").rglob("*") if path.is_file())


@pytest.mark.parametrize(
    "task",
    [{}, {b"": b""}, {b"name": b"value"}, {b"a": b"\x00" * 300, b"b": b"c"}, {b"name": b"x" * 65000}],
    ids=["empty", "empty-words", "one", "bytes", "large"],
)
def test_a_task_is_what_was_written_and_no_part_of_it_is_a_task(task: tasks.Task) -> None:
    content = tasks.encode(task)
    assert tasks.decode(content) == task
    assert tasks.decode(tasks.encode(task, b"body")) == {**task, b"body": b"body"}
    for length in {0, 1, 3, len(content) // 2, len(content) - 1} - {len(content)}:
        if length < len(content):
            with pytest.raises(tasks.NotATask):
                tasks.decode(content[:length])


def test_what_uwsgi_has_left_is_a_task() -> None:
    content = b"\x11\x0d\x00\x00" + b"\x03\x00key" + b"\x06\x00value!" + b"the body"
    assert tasks.decode(content) == {b"key": b"value!", b"body": b"the body"}
    for wrong in (b"", b"\x11", b"\x00\x00\x00\x00", b"\x11\x03\x00\x00abc", b"\x11\x02\x00\x00\x05\x00"):
        with pytest.raises(tasks.NotATask):
            tasks.decode(wrong)


def test_a_task_too_large_is_refused() -> None:
    for task in ({b"a": b"x" * 65536}, {b"a": b"x" * 40000, b"b": b"x" * 40000}):
        with pytest.raises(ValueError, match="use body"):
            tasks.encode(task)


def test_tasks_are_done_by_a_process_of_their_own(start_server: StartServer, tmp_path: Path) -> None:
    api = spooling(start_server, tmp_path, "--spooler-processes", "2")
    path = api.spool({b"name": b"first", b"body": b"some body"})
    assert path.startswith(os.fsencode(tmp_path / "tasks"))
    api.spool({"name": "second", "priority": 3})
    assert wait_until(lambda: sorted(done(tmp_path)) == ["first some body", "second "], 60.0)
    assert wait_until(lambda: not files(tmp_path), 60.0)
    assert (api.i_am_the_spooler(), api.spooler_jobs()) == (None, [])
    assert "is no directory of tasks" in api.spool({"name": "x", "spooler": "/elsewhere"})
    assert "a task holds text and bytes" in api.spool({"name": []})


def test_decorated_functions_are_given_tasks(start_server: StartServer, tmp_path: Path) -> None:
    more = """

@uwsgidecorators.spool
def plain(arguments):
    print(f"<plain {arguments['colour']} {arguments['body']}>", flush=True)


@uwsgidecorators.spool(pass_arguments=True)
def pickled(first, second=None):
    print(f"<pickled {first} {second}>", flush=True)


@uwsgidecorators.spoolraw
def raw(arguments):
    print("<raw>", flush=True)
    return uwsgi.SPOOL_OK if arguments["ok"] == "1" else uwsgi.SPOOL_IGNORE


def give(which):
    if which == "plain":
        return plain(colour="blue", body=b"long")
    if which == "pickled":
        return pickled.spool([1, 2], second={"a": 1})
    return raw.spool({"ok": "1"}, at=1)
"""
    api = spooling(start_server, tmp_path, more=more)
    for which in ("plain", "pickled", "raw"):
        api.give(which)
    for line in ("<plain blue long>", "<pickled [1, 2] {'a': 1}>", "<raw>"):
        api.server.wait_for_log(line)
    assert wait_until(lambda: not files(tmp_path), 60.0)


def test_a_task_is_tried_again_and_one_of_the_future_waits(start_server: StartServer, tmp_path: Path) -> None:
    more = """

def trying(task):
    with open("tries", "a") as file:
        file.write(task[b"name"].decode() + "\\n")
    if task[b"name"] == b"raises" and open("tries").read().count("raises") == 1:
        raise RuntimeError("at first")
    return uwsgi.SPOOL_RETRY if open("tries").read().count("again") < 3 else uwsgi.SPOOL_OK


uwsgi.spooler = trying
"""
    api = spooling(start_server, tmp_path, "--spooler-frequency", "1", more=more)
    api.spool({"name": "later", "at": str(int(time.time()) + 100_000)})
    api.spool({"name": "again"})
    api.spool({"name": "raises"})
    assert wait_until(lambda: len(files(tmp_path)) == 1, 60.0)
    tries = (tmp_path / "tries").read_text().split()
    assert tries.count("again") == 3
    assert tries.count("raises") >= 2
    assert "later" not in tries
    assert "RuntimeError: at first" in api.server.log
    assert len(api.spooler_jobs()) == 1


def test_tasks_are_done_by_priority_and_age(start_server: StartServer, tmp_path: Path) -> None:
    # Given while nobody does them.
    api = served(start_server, tmp_path, "--spooler-external", "tasks")
    for number, priority in ((1, None), (2, 5), (3, 1), (4, 5), (5, None)):
        api.spool({"name": str(number), **({"priority": priority} if priority else {})})
    api.server.stop()
    spooling(start_server, tmp_path)
    assert wait_until(lambda: len(done(tmp_path)) == 5, 60.0)
    assert [line.strip() for line in done(tmp_path)] == ["3", "2", "4", "1", "5"]


def test_a_corrupt_file_is_set_aside_and_named(start_server: StartServer, tmp_path: Path) -> None:
    (tmp_path / "tasks").mkdir()
    name = "uwsgi_spoolfile_on_host_1_0_1_1_1"
    (tmp_path / "tasks" / name).write_bytes(b"\x11\xff\xff\x00 half of it")
    api = spooling(start_server, tmp_path)
    api.spool({"name": "good"})
    assert wait_until(lambda: done(tmp_path) == ["good "], 60.0)
    assert f"{name} is no task: it has 11 of 65535 bytes of variables; it is set aside as" in api.server.log
    # Its file goes after its function has returned.
    assert wait_until(lambda: [path.name for path in files(tmp_path)] == [name], 60.0)
    assert (tmp_path / "tasks" / "corrupt" / name).exists()


def test_no_task_that_was_acknowledged_is_lost_by_kill_9(start_server: StartServer, tmp_path: Path) -> None:
    slow = DONE.replace('open("done"', 'import time; time.sleep(0.002); open("done"')
    given = 0
    for round_number in range(4):
        api = spooling(start_server, tmp_path, "--spooler-processes", "2", more=slow)
        for _ in range(25):
            assert api.spool({"name": str(given)})
            given += 1
        if round_number == 3:
            break
        # In the middle of some task, and in the middle of nothing, everybody dies.
        api.server.kill()
    assert wait_until(lambda: not files(tmp_path), 60.0)
    assert {int(line) for line in done(tmp_path)} == set(range(given))


def test_a_spooler_that_is_killed_is_there_again_and_does_its_task(start_server: StartServer, tmp_path: Path) -> None:
    more = """

def once_too_slow(task):
    print(f"<begun in {os.getpid()}>", flush=True)
    if not os.path.exists("begun"):
        open("begun", "w").close()
        import time
        time.sleep(600)
    return done(task)


uwsgi.spooler = once_too_slow
"""
    api = spooling(start_server, tmp_path, more=DONE + more)
    api.spool({"name": "slow"})
    assert wait_until(lambda: "<begun in" in api.server.log, 60.0)
    os.kill(int(re.findall(r"<begun in (\d+)>", api.server.log)[0]), signal.SIGKILL)
    assert wait_until(lambda: done(tmp_path) == ["slow "], 60.0)


def test_a_stop_lets_the_task_in_progress_end(start_server: StartServer, tmp_path: Path) -> None:
    more = """

def slowly(task):
    import time
    print("<begun>", flush=True)
    while not os.path.exists("go on"):
        time.sleep(0.01)
    return done(task)


uwsgi.spooler = slowly
"""
    api = spooling(start_server, tmp_path, more=DONE + more)
    api.spool({"name": "slow"})
    api.server.wait_for_log("<begun>")
    api.server.process.send_signal(signal.SIGTERM)
    api.server.wait_for_log("graceful shutdown triggered")
    (tmp_path / "go on").touch()
    assert api.server.wait() == 0
    assert done(tmp_path) == ["slow "]
    assert files(tmp_path) == []


def test_whatever_a_file_holds_it_is_a_task_or_said_to_be_none() -> None:
    chance = random.Random(20261128)
    whole = tasks.encode({b"name": b"value", b"": b"", b"x": b"y" * 300}, b"body")
    for _ in range(20_000):
        content = bytearray(whole[: chance.randrange(len(whole) + 1)])
        for _ in range(chance.randrange(4)):
            if content:
                content[chance.randrange(len(content))] = chance.randrange(256)
        with contextlib.suppress(tasks.NotATask):
            task = tasks.decode(bytes(content))
            assert sum(len(part) for pair in task.items() for part in pair) <= len(content) + len(b"body")
