"""``import uwsgi`` and ``uwsgidecorators`` in the processes that serve: information, hooks, locks, caches."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from harness.client import ConnectionEnded
from harness.command import run_command
from harness.processes import wait_until
from harness.uwsgi_api import APPLICATION, StartServer, served


def test_the_module_tells_of_the_server_it_runs_in(start_server: StartServer, tmp_path: Path) -> None:
    api = served(start_server, tmp_path, "--processes", "2", "--buffer-size", "8192", "--set", "colour=blue")
    assert api.version() == b"2.0.31"
    assert api.version_info() == (2, 0, 31, 0, b"")
    assert (api.numproc(), api.buffer_size(), api.mule_id(), api.cores()) == (2, 8192, 0, 1)
    assert api.masterpid() == api.server.pid
    assert api.worker_id() in (1, 2)
    assert api.opt()["processes"] == b"2"
    assert (api.is_a_reload(), api.i_am_the_spooler(), api.ready()) == (False, None, True)
    workers = api.workers()
    assert len(workers) == 2
    assert {worker["pid"] for worker in workers} <= set(api.server.processes())
    assert all(worker["rss"] > 0 for worker in workers)
    assert api.total_requests() >= 10
    resident, space = api.mem()
    assert 0 < resident < space
    assert api.seen() in ([1], [2])
    assert api.log("a line of the application") is True
    api.server.wait_for_log("a line of the application")
    assert "AttributeError" not in str(api.server.get("/version"))


def test_the_application_reloads_and_stops_its_server(start_server: StartServer, tmp_path: Path) -> None:
    more = "\n\ndef leaving():\n    print('this process ends', flush=True)\n\n\nuwsgi.atexit = leaving\n"
    api = served(start_server, tmp_path, more=more)
    before, answer = api.ask("reload")
    assert answer is True
    assert wait_until(lambda: api.ask("worker_id")[0] != before, 60.0)
    assert api.is_a_reload() is True
    api.server.wait_for_log("this process ends")
    assert api.stop() is True
    assert api.server.wait() == 0


def test_a_call_that_hangs_ends_its_process_and_the_next_one_is_served(
    start_server: StartServer, tmp_path: Path
) -> None:
    more = """

@uwsgidecorators.harakiri(5)
def hang(seconds):
    import time
    time.sleep(seconds)
    return "in time"
"""
    api = served(start_server, tmp_path, more=more)
    first, answer = api.ask("hang", 0)
    assert answer == "in time"
    with api.server.connect() as client, pytest.raises((ConnectionEnded, OSError)):
        client.get("/hang?(600,)")
    # The one that was in time is not counted any more.
    assert wait_until(lambda: api.ask("worker_id")[0] != first, 60.0)
    api.server.wait_for_log("HARAKIRI")
    assert "in hang" in api.server.log


def test_what_hangs_in_one_thread_is_ended_whatever_others_do(start_server: StartServer, tmp_path: Path) -> None:
    more = """

@uwsgidecorators.harakiri(3)
def hang(seconds):
    import time
    time.sleep(seconds)
    return "in time"
"""
    api = served(start_server, tmp_path, "--threads", "2", more=more)
    with api.server.connect() as client, pytest.raises((ConnectionEnded, OSError)):
        client.send(b"GET /hang?(600,) HTTP/1.1\r\nHost: a\r\n\r\n")
        # The end of another call takes back no time but its own.
        for _ in range(3):
            assert api.ask("hang", 0)[1] == "in time"
        client.read_response()
    api.server.wait_for_log("HARAKIRI")


def test_outside_of_a_server_there_is_no_such_module() -> None:
    result = subprocess.run([sys.executable, "-c", "import penstock, uwsgi"], capture_output=True, text=True)
    assert "ModuleNotFoundError: No module named 'uwsgi'" in result.stderr


def test_a_lock_keeps_other_workers_out_until_its_holder_is_killed(start_server: StartServer, tmp_path: Path) -> None:
    api = served(start_server, tmp_path, "--processes", "2", "--locks", "2")
    holder, _ = api.ask("lock", 2)
    # Its holder may go on serving; the other worker sees that it is taken as well.
    askers = set()

    def both_have_said_so() -> bool:
        process, is_locked = api.ask("is_locked", 2)
        assert is_locked is True
        askers.add(process)
        return len(askers) == 2

    assert wait_until(both_have_said_so, 60.0)
    assert api.is_locked(1) is False
    assert "ValueError: there is no lock 3" in api.lock(3)
    os.kill(holder, signal.SIGKILL)
    assert wait_until(lambda: api.is_locked(2) is False, 60.0)


def test_a_cache_is_the_same_in_every_worker(start_server: StartServer, tmp_path: Path) -> None:
    api = served(
        start_server, tmp_path, "--processes", "2", "--cache2", "name=main,items=100", "--cache2", "name=b,items=3"
    )
    assert api.cache_set("key", b"\x00one") is True
    assert api.cache_set(b"key", "two") is None
    readers = set()

    def both_have_read() -> bool:
        process, value = api.ask("cache_get", "key")
        assert value == b"\x00one"
        readers.add(process)
        return len(readers) == 2

    assert wait_until(both_have_read, 60.0)
    assert api.cache_update("key", "two", 0, "main") is True
    assert (api.cache_get("key"), api.cache_exists("key"), api.cache_exists("other")) == (b"two", True, None)
    assert (api.cache_get("key", "b"), api.cache_get("key", "none")) == (None, None)
    assert (api.cache_inc("n", 5), api.cache_dec("n"), api.cache_mul("n", 10), api.cache_div("n", 8)) == (True,) * 4
    assert (api.cache_num("n"), api.cache_num("none")) == (5, 0)
    assert sorted(api.cache_keys()) == [b"key", b"n"]
    assert (api.cache_del("key"), api.cache_del("key")) == (True, None)
    assert (api.cache_clear(), api.cache_keys()) == (True, [])
    assert "another server's" in api.cache_get("key", "main@127.0.0.1:4000")


def test_what_has_expired_is_swept(start_server: StartServer, tmp_path: Path) -> None:
    api = served(start_server, tmp_path, "--cache", "10")
    assert api.cache_set("short", "x", 1) is True
    assert api.cache_set("long", "x", 1000) is True
    assert wait_until(lambda: api.cache_keys() == [b"long"], 60.0)
    assert api.cache_get("short") is None


def test_a_full_cache_says_so_or_forgets_the_oldest(start_server: StartServer, tmp_path: Path) -> None:
    api = served(start_server, tmp_path, "--cache2", "name=a,items=2", "--cache2", "name=b,items=2,purge_lru=1")
    for name, expected in (("a", [True, True, None]), ("b", [True, True, True])):
        assert [api.cache_set(f"key{number}", "x", 0, name) for number in range(3)] == expected
    assert (sorted(api.cache_keys("a")), sorted(api.cache_keys("b"))) == ([b"key0", b"key1"], [b"key1", b"key2"])
    api.server.wait_for_log('*** DANGER cache "a" is FULL !!! ***')


def test_what_a_stored_cache_has_acknowledged_survives_kill_9(start_server: StartServer, tmp_path: Path) -> None:
    options = ("--processes", "2", "--cache2", "name=a,items=1000,store=cache.store,bitmap=1,blocksize=64")
    api = served(start_server, tmp_path, *options)
    for number in range(200):
        assert api.cache_update(f"key{number % 50}", f"{number} " * 20) is True
    api.server.kill()
    again = served(start_server, tmp_path, *options)
    assert len(again.cache_keys()) == 50
    for key in range(50):
        assert again.cache_get(f"key{key}") == f"{key + 150} ".encode() * 20


def test_a_cache_file_that_is_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "cache.store").write_text("precious")
    (tmp_path / "app.py").write_text(APPLICATION)
    result = run_command(
        "uwsgi",
        "--http-socket",
        "127.0.0.1:0",
        "--wsgi-file",
        "app.py",
        "--cache2",
        "name=a,items=5,store=cache.store",
        cwd=tmp_path,
    )
    assert result.exit_code == 1
    assert "the cache a cannot lie in the file" in result.text
    assert (tmp_path / "cache.store").read_text() == "precious"


def test_workers_tell_of_the_processes_before_them(start_server: StartServer, tmp_path: Path) -> None:
    before = time.time()
    api = served(start_server, tmp_path, "--processes", "2", "--cheaper", "1")
    (first, resting) = api.workers()
    assert [worker["id"] for worker in (first, resting)] == [1, 2]
    assert (first["respawn_count"], resting["respawn_count"], resting["pid"]) == (0, 0, 0)
    assert (resting["status"], resting["apps"], resting["last_spawn"]) == (b"cheap", (), 0)
    assert before - 1 <= first["last_spawn"] <= time.time()
    (app,) = first["apps"]
    assert (app["id"], app["mountpoint"], app["chdir"]) == (0, b"", b"")
    os.kill(first["pid"], signal.SIGKILL)
    assert wait_until(lambda: api.ask("worker_id")[0] != first["pid"], 60.0)
    (second, _) = api.workers()
    assert second["respawn_count"] == 1
    assert second["last_spawn"] >= first["last_spawn"]
    assert second["requests"] > first["requests"] >= second["delta_requests"]
    # The request that asks is not counted yet.
    assert api.total_requests() >= second["requests"] + 1


def test_signals_that_workers_have_heard_are_counted(start_server: StartServer, tmp_path: Path) -> None:
    api = served(start_server, tmp_path, more="\nuwsgi.register_signal(1, 'workers', print)\n")
    assert api.workers()[0]["signals"] == 0
    api.signal(1)
    assert wait_until(lambda: api.workers()[0]["signals"] == 1, 60.0)


def test_one_request_is_logged_where_none_are(start_server: StartServer, tmp_path: Path) -> None:
    api = served(start_server, tmp_path, "--disable-logging", "--log-format", "LINE %(uri)")
    api.log_this_request()
    api.version()
    api.server.stop()
    assert [line for line in api.server.log.splitlines() if line.startswith("LINE")] == [
        "LINE /log_this_request?%28%29"
    ]


def test_a_cache_that_cannot_be_filled_as_configured_is_named(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APPLICATION)
    (tmp_path / "large.txt").write_text("x" * 100)
    start = (
        "uwsgi",
        "--http-socket",
        "127.0.0.1:0",
        "--wsgi-file",
        "app.py",
        "--cache2",
        "name=a,items=2,blocksize=64",
    )
    for option, said in [
        (("--load-file-in-cache", "nothing.txt"), "nothing.txt cannot be put into a cache: No such file"),
        (("--load-file-in-cache", "large.txt"), "the cache a has no room for large.txt (100 bytes)"),
        (("--add-cache-item", "b key=value"), "'key' has no cache in memory to be in"),
    ]:
        result = run_command(*start, *option, cwd=tmp_path)
        assert (result.exit_code, said in result.text) == (1, True), result
