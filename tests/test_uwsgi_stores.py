"""What processes share beside caches, by ``import uwsgi``: the queue, shared areas, metrics."""

from __future__ import annotations

import concurrent.futures
from pathlib import Path

from harness.command import run_command
from harness.processes import wait_until
from harness.uwsgi_api import StartServer, served


def test_what_one_worker_pushes_another_pulls(start_server: StartServer, tmp_path: Path) -> None:
    api = served(start_server, tmp_path, "--processes", "2", "--queue", "4", "--queue-blocksize", "10")
    assert (api.queue_size(), api.queue_pull(), api.queue_last()) == (4, None, None)
    assert [api.queue_push(value) for value in ("one", b"\x00two", "x" * 11, "")] == [True, True, None, None]
    assert (api.queue_slot(), api.queue_get(1), api.queue_get(9), api.queue_last()) == (2, b"\x00two", None, b"\x00two")
    assert (api.queue_last(3), api.queue_set(3, "z"), api.queue_set(4, "z")) == ([b"\x00two", b"one", None], True, None)
    assert (api.queue_pop(), api.queue_pull(), api.queue_pull_slot()) == (b"\x00two", b"one", 1)
    pullers = set()

    def both_have_pulled() -> bool:
        assert api.queue_push("again") is True
        process, value = api.ask("queue_pull")
        assert value == b"again"
        pullers.add(process)
        return len(pullers) == 2

    assert wait_until(both_have_pulled, 60.0)


def test_a_stored_queue_survives_kill_9(start_server: StartServer, tmp_path: Path) -> None:
    options = ("--queue", "100", "--queue-store", "queue.store")
    api = served(start_server, tmp_path, *options)
    assert all(api.queue_push(f"value {number}") for number in range(50))
    api.server.kill()
    again = served(start_server, tmp_path, *options)
    assert [again.queue_pull() for _ in range(51)] == [f"value {number}".encode() for number in range(50)] + [None]
    again.server.stop()
    refused = run_command("uwsgi", "--http-socket", "127.0.0.1:0", "--queue", "7", "--queue-store", "queue.store", cwd=tmp_path)
    assert refused.exit_code == 1
    assert "the queue: it was made with other sizes" in refused.text


def test_areas_hold_bytes_and_numbers_of_each_width(start_server: StartServer, tmp_path: Path) -> None:
    api = served(start_server, tmp_path, "--processes", "2", "--sharedarea", "1", "--sharedarea", "size=10,file=area")
    assert api.sharedarea_write(0, 3, "hello") is None
    assert (api.sharedarea_read(0, 3, 5), api.sharedarea_read(1, 0)) == (b"hello", bytes(10))
    for width in (8, 16, 32, 64):
        api.ask(f"sharedarea_write{width}", 0, 100, -2)
        api.ask(f"sharedarea_inc{width}", 0, 100)
        assert api.ask(f"sharedarea_read{width}", 0, 100)[1] == -1
        api.ask(f"sharedarea_dec{width}", 0, 100, 9)
        assert api.ask(f"sharedarea_read{width}", 0, 100)[1] == -10
    assert api.sharedarea_wait(0, 1, 1) is None
    assert "10 bytes: 8 from 3 on are not there" in api.sharedarea_write64(1, 3, 1)
    assert "there is no shared area 2" in api.sharedarea_read8(2, 0)
    assert "NotImplementedError" in api.sharedarea_memoryview(0)
    assert [api.sharedarea_wlock(0), api.sharedarea_unlock(0)] == [None, None]


def test_nothing_that_workers_count_at_the_same_time_is_lost(start_server: StartServer, tmp_path: Path) -> None:
    more = """

def count(times):
    for _ in range(times):
        uwsgi.metric_inc("hits")
        uwsgi.sharedarea_inc32(0, 5)
    return True
"""
    options = ("--processes", "3", "--metric", "hits", "--metric", "name=level,type=gauge,initial_value=7")
    api = served(start_server, tmp_path, *options, "--sharedarea", "1", more=more)
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        assert all(pool.map(lambda _: api.count(500), range(6)))
    assert (api.metric_get("hits"), api.sharedarea_read32(0, 5)) == (3000, 3000)
    changes = [("inc", 3), ("dec", 4), ("mul", 5), ("div", 3), ("div", 0), ("set_max", 20), ("set_min", 15), ("set_max", 1)]
    assert all(api.ask(f"metric_{name}", "level", amount)[1] is True for name, amount in changes)
    assert (api.metric_get("level"), api.metric_set(b"level", -1), api.metric_get("level")) == (15, True, -1)
    assert (api.metric_get("none"), api.metric_inc("none")) == (0, None)


def test_a_full_cache_is_whole_whatever_happens_at_the_same_time(start_server: StartServer, tmp_path: Path) -> None:
    more = """

def churn(worker, cache):
    import random
    chance = random.Random(worker)
    for _ in range(400):
        key = "key%d" % chance.randrange(40)
        value = uwsgi.cache_get(key, cache)
        # A value says which key it belongs to, over its whole length.
        if value is not None and value != value[:5] * (len(value) // 5):
            return "torn: %r" % value
        if value is not None and value[:5] != ("%-5s" % key)[:5].encode():
            return "another key's: %r" % value
        uwsgi.cache_update(key, ("%-5s" % key)[:5] * chance.randrange(1, 60), 0, cache)
        if chance.random() < 0.1:
            uwsgi.cache_del(key, cache)
    return "whole"
"""
    caches = {
        "refusing": "name=refusing,items=8,blocksize=64,bitmap=1,blocks=20",
        "forgetting": "name=forgetting,items=8,blocksize=64,bitmap=1,blocks=20,purge_lru=1",
        "clearing": "name=clearing,items=8,blocksize=64,bitmap=1,blocks=20,clear_on_full=1",
    }
    options = [word for cache in caches.values() for word in ("--cache2", f"{cache},ignore_full=1")]
    api = served(start_server, tmp_path, "--processes", "3", *options, more=more)
    for name in caches:
        with concurrent.futures.ThreadPoolExecutor(6) as pool:
            said = set(pool.map(lambda worker, name=name: api.churn(worker, name), range(6)))
        assert said == {"whole"}
        assert len(api.cache_keys(name)) <= 8


def test_what_is_no_area_or_metric_is_refused_with_its_reason(tmp_path: Path) -> None:
    for option, reason in (
        (("--sharedarea", "fd=3"), "a shared area lies in memory or in a file"),
        (("--sharedarea", "0"), "has to have at least a page"),
        (("--metric", "name=a,collector=file,arg1=/x"), "metrics are not collected from elsewhere"),
        (("--metric", "name=a,type=thing"), "a metric is a counter, a gauge or absolute"),
        (("--queue-blocksize", "10"), "the queue has to have slots"),
    ):
        result = run_command("uwsgi", "--http-socket", "127.0.0.1:0", *option, cwd=tmp_path)
        assert result.exit_code != 0 and reason in result.text, (option, result)
