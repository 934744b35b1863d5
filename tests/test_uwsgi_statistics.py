"""uWSGI's ``stats``: the document, those who read it (uwsgitop, a Prometheus exporter), and those who are told."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from harness import Server, StartServer
from harness.processes import free_port, wait_until

APPLICATION = """\
import time
from pathlib import Path

def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/raise":
        raise RuntimeError("as asked")
    if path == "/wait":
        Path("waiting").touch()
        while not Path("go").exists():
            time.sleep(0.01)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"x" * 100]
"""

# The document of uWSGI 2.0.31 with a master, and no optional subsystem: names of its members, in order.
TOP = [
    "version",
    "listen_queue",
    "listen_queue_errors",
    "signal_queue",
    "load",
    "pid",
    "uid",
    "gid",
    "cwd",
    "locks",
    "sockets",
    "workers",
]
SOCKET = ["name", "proto", "queue", "max_queue", "shared", "can_offload"]
WORKER = [
    "id",
    "pid",
    "accepting",
    "requests",
    "delta_requests",
    "exceptions",
    "harakiri_count",
    "signals",
    "signal_queue",
    "status",
    "rss",
    "vsz",
    "running_time",
    "last_spawn",
    "respawn_count",
    "tx",
    "avg_rt",
    "apps",
    "cores",
]
# Members of what is there only where it is asked for.
DAEMON = ["cmd", "pid", "respawns"]
CACHE = [
    *("name", "hash", "hashsize", "keysize", "max_items", "blocks", "blocksize", "items", "hits", "miss", "full"),
    "last_modified_at",
]
SPOOLER = ["dir", "pid", "tasks", "respawns", "running"]
CRON = ["minute", "hour", "day", "month", "week", "command", "unique", "legion", "pid", "started_at"]

# uWSGI's metrics: name, type, and the last part of the oid.
CORE_METRICS = "routed_signals 0 1,unrouted_signals 0 2,busy_workers 1 3,idle_workers 1 4,overloaded 0 5"
WORKER_METRICS = (
    "requests 0 1,delta_requests 2 2,failed_requests 0 13,respawns 0 14,avg_response_time 1 8,total_tx 0 9,"
    "rss_size 1 11,vsz_size 1 12,running_time 0 13"
)
THREAD_METRICS = "requests 0 1,write_errors 0 3,routed_requests 0 4,static_requests 0 5,offloaded_requests 0 6,exceptions 0 7,read_errors 0 8"
TOTAL_METRICS = "total_tx 0 100,total_rss 1 101,total_vsz 1 102,avg_response_time 1 103,total_running_time 0 104"


def reference_metrics(workers: int, threads: int) -> dict[str, tuple[int, str]]:
    """Type and oid of each metric that uWSGI 2.0.31 has with one socket, in its order."""
    found: dict[str, tuple[int, str]] = {}

    def add(prefix: str, oid: str, metrics: str) -> None:
        for name, kind, last in (metric.split() for metric in metrics.split(",")):
            found[prefix + name] = (int(kind), f"{oid}.{last}")

    add("core.", "5", CORE_METRICS)
    for worker in range(workers + 1):
        add(f"worker.{worker}.", f"3.{worker}", WORKER_METRICS)
        for thread in range(threads if worker else 0):
            add(f"worker.{worker}.core.{thread}.", f"3.{worker}.2.{thread}", THREAD_METRICS)
    add("core.", "5", TOTAL_METRICS)
    add("socket.0.", "7.0", "listen_queue 1 1")
    add("", "5", "rss_size 3 101,vsz_size 3 102")
    return found


APPLICATIONS = ["id", "modifier1", "mountpoint", "startup_time", "requests", "exceptions", "chdir"]
CORE = [
    "id",
    "requests",
    "static_requests",
    "routed_requests",
    "offloaded_requests",
    "write_errors",
    "read_errors",
    "in_request",
    "vars",
    "req_info",
]

CONFIGURATION = """[uwsgi]
http-socket = {tcp}
wsgi-file = app.py
master = true
static-map = /static=files
route = ^/rule return:403
"""


def written(directory: Path, more: str = "") -> str:
    (directory / "app.py").write_text(APPLICATION)
    (directory / "files").mkdir()
    (directory / "files/a.txt").write_text("file")
    (directory / "uwsgi.ini").write_text(CONFIGURATION.replace("{tcp}", "$(ADDRESS)") + more)
    return "uwsgi.ini"


def started(start_server: StartServer, directory: Path, more: str = "", **environment: str) -> Server:
    file = written(directory, more)
    return start_server("uwsgi", file, cwd=directory, environment={"ADDRESS": "{tcp}", **environment})


def read_all(address: tuple[str, int] | str) -> bytes:
    """What a socket sends to whoever connects."""
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    with closing(socket.socket(family)) as client:
        client.settimeout(60)
        client.connect(address)
        return b"".join(iter(lambda: client.recv(65536), b""))


def document(server: Server) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(read_all(server.addresses["tcp2"]))
    return parsed


def test_the_document_has_every_key_in_uwsgis_order(start_server: StartServer, tmp_path: Path) -> None:
    server = started(start_server, tmp_path, "processes = 2\nthreads = 3\nstats = $(STATS)\n", STATS="{tcp2}")
    found = document(server)
    assert list(found) == TOP
    assert found["version"] == "2.0.31"
    assert found["pid"] == server.process.pid
    assert found["cwd"] == str(tmp_path)
    assert [list(one) for one in found["locks"]] == [
        ["user 0"],
        ["signal"],
        ["filemon"],
        ["timer"],
        ["rbtimer"],
        ["cron"],
        ["rpc"],
        ["snmp"],
    ]
    assert [list(one) for one in found["sockets"]] == [SOCKET]
    assert found["sockets"][0]["name"] == "{}:{}".format(*server.address)
    assert found["sockets"][0]["proto"] == "http"
    assert found["sockets"][0]["max_queue"] > 0
    assert [worker["id"] for worker in found["workers"]] == [1, 2]
    for worker in found["workers"]:
        assert list(worker) == WORKER
        assert [list(core) for core in worker["cores"]] == [CORE] * 3
        assert worker["rss"] > 0
        assert worker["vsz"] > worker["rss"]
        assert worker["respawn_count"] == 1
        assert abs(worker["last_spawn"] - time.time()) < 3600


def test_what_is_asked_for_beside_has_its_part_of_the_document(start_server: StartServer, tmp_path: Path) -> None:
    more = """processes = 2
threads = 2
stats = $(STATS)
cache2 = name=c,items=10,blocksize=64
metric = foo
metric = name=bar,type=gauge,initial_value=-3
spooler = spool
attach-daemon = sleep 1000
cron = -1 -1 -1 -1 -1 true
unique-cron = 59 -2 31 12 7 false
locks = 1
"""
    file = written(tmp_path, more)
    application = (tmp_path / "app.py").read_text()
    (tmp_path / "app.py").write_text(
        application + "\nimport uwsgi\nuwsgi.cache_set('k', 'v')\nuwsgi.spooler = lambda task: uwsgi.SPOOL_OK\n"
        "uwsgi.register_signal(1, 'workers', print)\nuwsgi.add_timer(1, 1)\n"
        "uwsgi.post_fork_hook = lambda: uwsgi.mule_id() or uwsgi.i_am_the_spooler() or uwsgi.metric_inc('foo')\n"
        "if uwsgi.worker_id() == 1:\n    uwsgi.spool(a='b')\n"
    )
    server = start_server("uwsgi", file, cwd=tmp_path, environment={"ADDRESS": "{tcp}", "STATS": "{tcp2}"})

    def part(name: str) -> list[dict[str, Any]]:
        return list(document(server)[name])

    found = document(server)
    assert list(found) == [
        *TOP[: TOP.index("locks")], "daemons", "locks", "caches", "metrics", "sockets", "workers", "spoolers", "crons"
    ]  # fmt: skip
    assert [next(iter(lock)) for lock in found["locks"]] == [
        *("user 0", "user 1", "signal", "filemon", "timer", "rbtimer", "cron", "rpc", "snmp", "cache_c", "metrics"),
        f"spooler on {tmp_path}/spool",
    ]
    (cache,) = found["caches"]
    assert list(cache) == CACHE
    assert (cache["name"], cache["max_items"], cache["items"], cache["blocksize"]) == ("c", 10, 1, 64)
    own = {name: (metric["type"], metric["oid"]) for name, metric in found["metrics"].items()}
    assert list(own.items()) == [*reference_metrics(2, 2).items(), ("foo", (0, "")), ("bar", (1, ""))]
    assert found["metrics"]["bar"] == {"type": 1, "oid": "", "value": -3}
    assert wait_until(lambda: document(server)["metrics"]["foo"]["value"] == 2, 60.0)
    (daemon,) = found["daemons"]
    assert list(daemon) == DAEMON and daemon["cmd"] == "sleep 1000"
    assert wait_until(lambda: part("daemons")[0]["pid"] > 0, 60.0)
    (spooler,) = found["spoolers"]
    assert list(spooler) == SPOOLER
    assert wait_until(lambda: part("spoolers")[0]["tasks"] == 1, 60.0)
    os.kill(part("spoolers")[0]["pid"], signal.SIGKILL)
    assert wait_until(lambda: part("spoolers")[0]["respawns"] == 1, 60.0)
    assert [list(cron) for cron in found["crons"]] == [CRON] * 2
    when = [[cron[key] for key in ("minute", "hour", "day", "month", "week", "unique")] for cron in found["crons"]]
    assert when == [[-1, -1, -1, -1, -1, 0], [59, -2, 31, 12, 7, 1]]
    assert wait_until(lambda: all(worker["signals"] > 0 for worker in part("workers")), 60.0)


def test_it_says_who_holds_a_lock(start_server: StartServer, tmp_path: Path) -> None:
    file = written(tmp_path, "processes = 2\nlocks = 1\nstats = $(STATS)\nmodule = app\n")
    more = (
        "\nimport uwsgi\ndef application(environ, start_response):\n"
        "    start_response('200 OK', [])\n    getattr(uwsgi, environ['PATH_INFO'][1:])(1)\n    return [b'%d' % uwsgi.worker_id()]\n"
    )
    (tmp_path / "app.py").write_text(APPLICATION + more)
    server = start_server("uwsgi", file, cwd=tmp_path, environment={"ADDRESS": "{tcp}", "STATS": "{tcp2}"})

    def holders() -> list[int]:
        return [next(iter(lock.values())) for lock in document(server)["locks"]][:2]

    assert holders() == [0, 0]
    with server.connect() as client:
        number = int(client.get("/lock").body)
        pid = document(server)["workers"][number - 1]["pid"]
        assert holders() == [0, pid]
        # The same connection is served by the same thread.
        client.get("/unlock")
        assert holders() == [0, 0]
        client.get("/lock")
        os.kill(pid, signal.SIGKILL)
        assert wait_until(lambda: holders() == [0, 0], 60.0)


def test_requests_are_counted_by_what_became_of_them(start_server: StartServer, tmp_path: Path) -> None:
    server = started(start_server, tmp_path, "stats = $(STATS)\n", STATS="{tcp2}")
    # An answer leaves before it is booked.
    assert wait_until(lambda: document(server)["workers"][0]["requests"] == 1, 60)
    before = document(server)["workers"][0]
    with server.connect() as client:
        for path, status in [("/", 200), ("/static/a.txt", 200), ("/rule", 403), ("/raise", 500)]:
            assert client.get(path).status == status
    assert wait_until(lambda: document(server)["workers"][0]["requests"] == before["requests"] + 4, 60)
    assert wait_until(lambda: document(server)["workers"][0]["exceptions"] == 1, 60)
    worker = document(server)["workers"][0]
    assert list(worker["apps"][0]) == APPLICATIONS
    assert worker["exceptions"] == 1
    assert worker["apps"][0]["exceptions"] == 1
    assert worker["apps"][0]["requests"] == worker["requests"] - 2
    assert worker["cores"][0]["static_requests"] == 1
    assert worker["cores"][0]["routed_requests"] == 1
    assert worker["tx"] > before["tx"] + 200
    assert worker["status"] == "idle"
    assert worker["cores"][0]["in_request"] == 0


def test_a_request_in_progress_is_shown_without_what_is_secret(start_server: StartServer, tmp_path: Path) -> None:
    server = started(start_server, tmp_path, "threads = 2\nstats = $(STATS)\n", STATS="{tcp2}")
    with server.connect() as client:
        client.send(b"GET /wait?a=b HTTP/1.1\r\nHost: a\r\nCookie: secret\r\nConnection: close\r\n\r\n")
        assert wait_until((tmp_path / "waiting").exists, 60)
        worker = document(server)["workers"][0]
        (tmp_path / "go").touch()
        assert client.read_response().status == 200
    assert worker["status"] == "busy"
    busy = [core for core in worker["cores"] if core["in_request"]]
    assert [core["vars"] for core in busy] == [
        ["REQUEST_METHOD=GET", "REQUEST_URI=/wait?a=b", "REMOTE_ADDR=127.0.0.1", ""]
    ]
    assert abs(busy[0]["req_info"]["request_start"] - time.time()) < 3600


@pytest.mark.parametrize("threads", [1, 2])
def test_requests_that_wait_for_a_thread_are_part_of_the_listen_queue(
    start_server: StartServer, tmp_path: Path, threads: int
) -> None:
    server = started(start_server, tmp_path, f"stats = $(STATS)\nthreads = {threads}\n", STATS="{tcp2}")
    assert document(server)["listen_queue"] == 0
    clients = [server.connect(timeout=60.0) for _ in range(threads + 3)]
    try:
        for client in clients:
            client.send(b"GET /wait HTTP/1.1\r\nHost: t\r\n\r\n")
        assert wait_until(lambda: document(server)["listen_queue"] == 3, 60.0), document(server)
        (tmp_path / "go").touch()
        assert [client.read_response().status for client in clients] == [200] * len(clients)
        assert wait_until(lambda: document(server)["listen_queue"] == 0, 60.0), document(server)
    finally:
        for client in clients:
            client.close()


def test_numbers_outlive_the_process_that_counted_them(start_server: StartServer, tmp_path: Path) -> None:
    server = started(start_server, tmp_path, "stats = $(STATS)\n", STATS="{tcp2}")
    first = document(server)["workers"][0]
    os.kill(first["pid"], 9)
    assert wait_until(lambda: document(server)["workers"][0]["pid"] not in (0, first["pid"]), 60)
    second = document(server)["workers"][0]
    assert second["respawn_count"] == 2
    assert second["requests"] >= first["requests"]
    assert second["delta_requests"] == 0


def test_the_shapes_of_the_document_and_its_unix_socket(start_server: StartServer, tmp_path: Path) -> None:
    more = "stats = stats.sock\nstats-http = true\nstats-minified = true\nstats-no-cores = true\nvacuum = true\n"
    server = started(start_server, tmp_path, more)
    head, _, text = read_all(str(tmp_path / "stats.sock")).partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"HTTP/1.0 200 OK"
    assert b"Content-Type: application/json" in lines
    assert b"Access-Control-Allow-Origin: *" in lines
    assert b"\t" not in text
    assert "cores" not in json.loads(text)["workers"][0]
    server.stop()
    assert not (tmp_path / "stats.sock").exists()


def test_whoever_takes_nothing_keeps_nobody_else_waiting(start_server: StartServer, tmp_path: Path) -> None:
    server = started(start_server, tmp_path, "stats = $(STATS)\n", STATS="{tcp2}")
    silent = []
    for _ in range(80):
        client = socket.create_connection(server.addresses["tcp2"], 60)  # type: ignore[arg-type]
        silent.append(client)
    assert list(document(server)) == TOP
    with server.connect() as client:
        assert client.get("/").status == 200
    for client_socket in silent:
        client_socket.close()


def screens(command: list[str]) -> Iterator[str]:
    """What a program shows on a terminal, more and more of it."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update(TERM="xterm", LINES="40", COLUMNS="200")
        os.execv(command[0], command)
    shown = b""
    deadline = time.monotonic() + 60
    try:
        while time.monotonic() < deadline:
            if select.select([terminal], [], [], 1)[0]:
                try:
                    shown += os.read(terminal, 65536)
                except OSError:
                    break
                yield shown.decode(errors="replace")
        raise AssertionError(f"{command} showed nothing of the kind: {shown!r}")
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        os.close(terminal)


@pytest.mark.parametrize("http", [False, True])
def test_uwsgitop_shows_the_workers(start_server: StartServer, tmp_path: Path, http: bool) -> None:
    more = f"processes = 2\nstats = $(STATS)\nstats-http = {str(http).lower()}\n"
    server = started(start_server, tmp_path, more, STATS="{tcp2}")
    host, port = server.addresses["tcp2"]
    address = f"{'http://' if http else ''}{host}:{port}"
    uwsgitop = str(Path(sys.executable).parent / "uwsgitop")
    wanted = ["uwsgi-2.0.31", f"masterpid: {server.process.pid}", "LastSpwn", "idle"]
    for shown in screens([uwsgitop, address]):
        if all(word in shown for word in wanted):
            break


def test_a_prometheus_exporter_reads_it(start_server: StartServer, tmp_path: Path) -> None:
    collectors = pytest.importorskip("uwsgi_prometheus.collectors")
    server = started(start_server, tmp_path, "stats = $(STATS)\nstats-http = true\n", STATS="{tcp2}")
    host, port = server.addresses["tcp2"]
    collector = collectors.UWSGIStatsCollector(stats_url=f"http://{host}:{port}", timeout=60)
    samples = {sample.name: sample.value for family in collector.collect() for sample in family.samples}
    assert samples["uwsgi_requests_total"] >= 1
    assert samples["uwsgi_harakiris_total"] == 0
    assert samples["uwsgi_listen_queue_requests"] == 0


def test_statsd_and_a_file_are_told(start_server: StartServer, tmp_path: Path) -> None:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as statsd:
        statsd.settimeout(60)
        statsd.bind(("127.0.0.1", 0))
        more = (
            f"stats-push = statsd:127.0.0.1:{statsd.getsockname()[1]},mine\n"
            "stats-push = file:path=told.json,freq=1,separator=;\nstats-pusher-default-freq = 1\n"
        )
        started(start_server, tmp_path, more)
        seen: dict[str, str] = {}
        while "mine.worker.1.core.0.requests" not in seen:
            name, _, value = statsd.recv(4096).decode().partition(":")
            seen[name] = value
        assert seen["mine.core.busy_workers"].endswith("|g")
        assert seen["mine.worker.1.requests"].endswith("|c")
    assert wait_until(lambda: ";" in told.read_text() if (told := tmp_path / "told.json").exists() else False, 60)
    assert list(json.loads((tmp_path / "told.json").read_text().split(";")[0])) == TOP


def test_carbon_is_told(start_server: StartServer, tmp_path: Path) -> None:
    with closing(socket.socket()) as carbon:
        carbon.settimeout(60)
        carbon.bind(("127.0.0.1", 0))
        carbon.listen()
        more = f"carbon = 127.0.0.1:{carbon.getsockname()[1]}\ncarbon-freq = 1\ncarbon-root = tests\ncarbon-id = a.b\n"
        started(start_server, tmp_path, more)
        with closing(carbon.accept()[0]) as peer:
            peer.settimeout(60)
            text = b"".join(iter(lambda: peer.recv(65536), b"")).decode()
    first = text.splitlines()[0].split(" ")
    assert first[0].startswith("tests.")
    assert first[0].endswith(".a_b.requests")
    assert abs(int(first[2]) - time.time()) < 3600


def test_a_carbon_that_is_not_there_is_told_of_once(start_server: StartServer, tmp_path: Path) -> None:
    server = started(start_server, tmp_path, f"carbon = 127.0.0.1:{free_port()}\ncarbon-freq = 1\n")
    assert wait_until(lambda: "statistics cannot be sent to carbon" in server.log, 60)
    with server.connect() as client:
        assert client.get("/").status == 200


def test_the_log_line_begins_with_the_memory(start_server: StartServer, tmp_path: Path) -> None:
    server = started(start_server, tmp_path, "memory-report = true\n")
    assert wait_until(lambda: "bytes/" in server.log, 60)
    line = next(line for line in server.log.splitlines() if "bytes/" in line)
    assert line.startswith("{address space usage: ")
    assert "} {rss usage: " in line
    assert "} [pid: " in line
