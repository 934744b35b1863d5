"""Caches and tasks on a Redis server, in place of this machine's memory and directories: with a real one."""

from __future__ import annotations

import concurrent.futures
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness.command import run_command
from harness.processes import free_port, wait_until
from harness.redis import PROGRAM, Redis
from harness.uwsgi_api import StartServer, served

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no redis-server (Debian: apt-get install redis-server)")


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    (tmp_path / "redis").mkdir()
    server = Redis(tmp_path / "redis")
    yield server
    server.kill()


def machine(directory: Path, name: str) -> Path:
    """The directory of a server that has nothing in common with the others but Redis."""
    path = directory / name
    path.mkdir()
    return path


def test_two_machines_have_one_cache(start_server: StartServer, tmp_path: Path, redis: Redis) -> None:
    option = f"name=shared,backend={redis.url}"
    one = served(start_server, machine(tmp_path, "one"), "--cache2", option, "--cache2", "name=own,items=10")
    two = served(start_server, machine(tmp_path, "two"), "--cache2", option)
    assert (one.cache_set("key", b"\x00\xff"), one.cache_set("key", "other")) == (True, None)
    assert (two.cache_get("key"), two.cache_exists("key"), two.cache_get("none")) == (b"\x00\xff", True, None)
    assert (two.cache_update(b"key", "two"), one.cache_get("key", "shared")) == (True, b"two")
    assert (one.cache_inc("n", 5), two.cache_dec("n"), two.cache_mul("n", 10), one.cache_div("n", 8)) == (True,) * 4
    assert (one.cache_num("n"), two.cache_num("none"), two.cache_inc("key")) == (5, 0, None)
    assert (two.cache_mul("key"), one.cache_update("key", "three"), two.cache_inc("n"), one.cache_num("n")) == (
        *(None, True, True),
        6,
    )
    assert sorted(two.cache_keys()) == [b"key", b"n"]
    # The other cache is this server's own.
    assert (one.cache_set("key", "mine", 0, "own"), one.cache_get("key", "own")) == (True, b"mine")
    assert two.cache_get("key", "own") is None
    assert (two.cache_del("key"), two.cache_del("key"), one.cache_get("key")) == (True, None, None)
    assert (one.cache_clear(), two.cache_keys(), one.cache_keys("own")) == (True, [], [b"key"])
    assert one.cache_set("short", "x", 1) is True
    assert wait_until(lambda: two.cache_get("short") is None, 60.0)


def test_caches_of_other_names_and_other_keys_are_left_alone(
    start_server: StartServer, tmp_path: Path, redis: Redis
) -> None:
    assert redis.command("SET", "ax:kept", "1") == "+OK"
    options = [f"name={name},backend={redis.url},math_initial=3" for name in ("a*", "b")]
    api = served(start_server, tmp_path, *[word for option in options for word in ("--cache2", option)])
    assert all(api.cache_set("key", name, 0, name) for name in ("a*", "b"))
    assert (api.cache_keys("a*"), api.cache_clear("a*"), api.cache_keys("b")) == ([b"key"], True, [b"key"])
    assert redis.command("GET", "ax:kept") == "$1"
    assert (api.cache_inc("n", 2, 0, "b"), api.cache_num("n", "b")) == (True, 5)


def test_counters_lose_nothing(start_server: StartServer, tmp_path: Path, redis: Redis) -> None:
    more = "\n\ndef count(n):\n    return all(uwsgi.cache_inc('n') and uwsgi.cache_mul('m', 1) for _ in range(n))\n"
    api = served(start_server, tmp_path, "--processes", "3", "--cache2", f"name=c,backend={redis.url}", more=more)
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        assert all(pool.map(lambda _: api.count(100), range(6)))
    assert api.cache_num("n") == 600


def test_a_server_that_is_away_is_said_once_and_used_when_it_is_back(
    start_server: StartServer, tmp_path: Path, redis: Redis
) -> None:
    own = machine(tmp_path, "own")
    api = served(start_server, own, "--cache2", f"name=c,backend={redis.url}", "--cache2", "name=local,items=4")
    assert api.cache_set("key", "value") is True
    redis.kill()
    said = f"the cache c (redis://127.0.0.1:{redis.port}/0) cannot be asked: "
    for _ in range(3):
        assert (api.cache_get("key"), api.cache_update("key", "x"), api.cache_keys()) == (None, None, [])
    # What is here goes on.
    assert (api.cache_set("key", "here", 0, "local"), api.cache_get("key", "local")) == (True, b"here")
    assert api.server.log.count(said) == 1
    redis.start()
    assert wait_until(lambda: api.cache_get("key") == b"value", 60.0)
    api.server.wait_for_log("answers again")


def test_a_server_that_never_was_there_does_not_keep_this_one_from_starting(
    start_server: StartServer, tmp_path: Path
) -> None:
    api = served(start_server, tmp_path, "--cache2", f"name=c,backend=redis://someone:secret@127.0.0.1:{free_port()}/0")
    assert api.cache_get("key") is None
    api.server.wait_for_log("the cache c (redis://127.0.0.1:")
    assert "secret" not in api.server.log


def test_what_is_no_address_is_refused(tmp_path: Path) -> None:
    for backend, reason in (
        ("memcached://x", "has to be redis://HOST:PORT/DATABASE"),
        ("rediss://u:secret@h/0", "rediss://h/0: connections to Redis are not encrypted"),
        ("redis://h:port/0", "the cache c (redis://h:port/0)"),
        (f"redis://h/0,store={tmp_path}/c", "give backend or store"),
    ):
        words = ("uwsgi", "--http-socket", "127.0.0.1:0", "--cache2", f"name=c,backend={backend}")
        result = run_command(*words, cwd=tmp_path)
        assert result.exit_code != 0 and reason in result.text and "secret" not in result.text, result


TASKS = """

def work(task):
    with open("%s", "a") as journal:
        print(task[b"what"].decode(), task.get(b"body", b"").decode(), file=journal, flush=True)
    if task[b"what"] == b"hang" and not os.path.exists("%s/go"):
        open("%s/hanging", "w").write(str(os.getpid()))
        import time
        time.sleep(600)
    if task[b"what"] == b"again" and not os.path.exists("%s/go"):
        open("%s/go", "w").close()
        return uwsgi.SPOOL_RETRY
    return uwsgi.SPOOL_OK


uwsgi.spooler = work
"""


def with_tasks(directory: Path) -> str:
    return TASKS.replace("%s/", f"{directory}/").replace("%s", str(directory / "journal"))


def journal(directory: Path) -> list[str]:
    path = directory / "journal"
    return path.read_text().splitlines() if path.exists() else []


def test_a_task_that_one_machine_gives_another_does(start_server: StartServer, tmp_path: Path, redis: Redis) -> None:
    url, more = f"{redis.url}?name=mails", with_tasks(tmp_path)
    giver = served(start_server, machine(tmp_path, "giver"), "--spooler-external", url, more=more)
    given = [giver.spool({"what": what, **how}) for what, how in (
        ("last", {}), ("second", {"priority": "9"}), ("first", {"priority": "3", "body": "large"}), ("later", {"at": 1 << 32}),
    )]  # fmt: skip
    assert sorted(giver.spooler_jobs()) == sorted(given)
    assert giver.spooler_get_task(given[2]) == {b"what": b"first", b"body": b"large"}
    assert redis.command("HSET", "mails:tasks", "000000000-corrupt", "xx") == ":1"
    assert redis.command("ZADD", "mails:due", "1", "000000000-corrupt") == ":1"
    doer = served(start_server, machine(tmp_path, "doer"), "--spooler", url, "--spooler-frequency", "1", more=more)
    assert wait_until(lambda: journal(tmp_path) == ["first large", "second ", "last "], 60.0), doer.server.log
    assert wait_until(lambda: giver.spooler_jobs() == [given[3]], 60.0)
    doer.server.wait_for_log("000000000-corrupt is no task: it does not begin like a task")
    assert redis.command("HLEN", "mails:corrupt") == ":1"
    giver.spool({"what": "again"})
    assert wait_until(lambda: journal(tmp_path)[3:] == ["again ", "again "], 60.0)


def test_a_task_whose_doer_is_killed_is_done_by_another(
    start_server: StartServer, tmp_path: Path, redis: Redis
) -> None:
    api = served(start_server, tmp_path, "--spooler", redis.url, more=with_tasks(tmp_path))
    assert api.spool({"what": "hang"})
    assert wait_until(lambda: (tmp_path / "hanging").exists() and (tmp_path / "hanging").read_text() != "", 60.0)
    (tmp_path / "go").touch()
    os.kill(int((tmp_path / "hanging").read_text()), signal.SIGKILL)
    assert wait_until(lambda: api.spooler_jobs() == [], 90.0)
    assert journal(tmp_path) == ["hang ", "hang "]


def test_no_task_is_acknowledged_that_the_server_does_not_have(
    start_server: StartServer, tmp_path: Path, redis: Redis
) -> None:
    api = served(start_server, tmp_path, "--spooler", redis.url, more=with_tasks(tmp_path))
    redis.kill()
    assert "OSError: the spooler spooler (redis://127.0.0.1:" in api.spool({"what": "lost"})
    redis.start()
    assert wait_until(lambda: "OSError" not in str(api.spool({"what": "kept"})), 60.0)
    assert wait_until(lambda: journal(tmp_path) == ["kept "], 60.0)
