"""Too much of everything: requests, descriptors, log lines. Served on, said once a minute, recovered."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from harness import SAFETY_SECONDS, StartServer
from harness.faults import SystemFaults
from harness.processes import free_port, port_is_free, wait_until
from load import Load


def test_requests_beyond_the_queue_get_503_with_retry_after(plain: Path, start_server: StartServer) -> None:
    server = start_server(
        "-b", "{tcp}", "--threads", "2", "--request-queue", "3",
        "--access-log", "-", "--access-log-format", "%(U)s took %(D)s waited %(Q)s", "demo:app", cwd=plain,
    )  # fmt: skip
    go = plain / "go"
    held = [server.connect(timeout=SAFETY_SECONDS) for _ in range(5)]
    try:
        for number, client in enumerate(held):
            client.send(b"GET /until?%s HTTP/1.1\r\nHost: t\r\n\r\n" % str(go).encode())
            if number < 2:
                # Both threads are taken before anything waits.
                assert wait_until(lambda: server.log.count("begun to wait") == number + 1, SAFETY_SECONDS)  # noqa: B023
        refused = []

        def is_full() -> bool:
            # The first ones may come before the last of those that wait, and would wait as well: they are let go.
            with server.connect(timeout=1) as client:
                try:
                    answer = client.get("/worker")
                except TimeoutError:
                    return False
            refused.append(answer)
            return answer.status == 503

        assert wait_until(is_full, SAFETY_SECONDS)
        refused += [server.get("/worker") for _ in range(20)]
        assert {answer.status for answer in refused} == {503}
        assert {answer.value("Retry-After") for answer in refused} == {"1"}
        assert all(answer.closes() for answer in refused)
        go.touch()
        assert [client.read_response().status for client in held] == [200] * 5
    finally:
        for client in held:
            client.close()
    assert server.get("/worker").status == 200
    assert server.log.count("as many as --request-queue allows") == 1, server.log
    # An access line is written after its answer, and may follow a line that an application has not ended yet.
    assert wait_until(lambda: server.log.count("/until took") == 5, SAFETY_SECONDS), server.log
    waited = [int(number) for number in re.findall(r"/until took \d+ waited (\d+)\n", server.log)]
    # Three of five had to wait, longer than it takes to hand a request over.
    assert len(waited) == 5 and sum(each > 1000 for each in waited) >= 3, waited


def test_a_worker_out_of_descriptors_says_so_once_does_not_spin_and_recovers(
    plain: Path, start_server: StartServer
) -> None:
    (plain / "few.py").write_text(
        "import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (60, 60))\nfrom demo import app\n"
    )
    server = start_server("-b", "{tcp}", "few:app", cwd=plain)
    (worker,) = (pid for pid in server.processes() if pid != server.pid)
    silent = [server.connect(timeout=SAFETY_SECONDS) for _ in range(50)]
    try:
        server.wait_for_log("cannot accept connections on")
        # It cannot get rid of these: they might still send a request. It waits, and does not try all the time.
        before = cpu_ticks(worker)
        time.sleep(1)
        used = cpu_ticks(worker) - before
        assert used < os.sysconf("SC_CLK_TCK") / 2, f"it spins: {used} ticks in a second"
        for client in silent[:20]:
            client.close()
        # Three times what it can have open: those that have had their answer make room for the others.
        clients = [server.connect(timeout=SAFETY_SECONDS) for _ in range(120)]
        for client in clients:
            client.send(b"GET /worker HTTP/1.1\r\nHost: t\r\n\r\n")
        answers = [client.read_response().status for client in clients]
        for client in clients:
            client.close()
    finally:
        for client in silent:
            client.close()
    print(f"{len(answers)} requests, {answers.count(200)} answered")
    assert answers == [200] * 120
    assert server.get("/worker").status == 200
    assert server.log.count("cannot accept connections on") == 1, server.log


@pytest.mark.parametrize("number", [errno.ENOMEM, errno.ENOBUFS], ids=["ENOMEM", "ENOBUFS"])
def test_a_system_without_memory_for_connections_is_named_once_and_recovered_from(
    plain: Path, tmp_path: Path, start_server: StartServer, number: int
) -> None:
    faults = SystemFaults(tmp_path)
    server = start_server("-b", "{tcp}", "demo:app", cwd=plain, environment=faults.environment)
    (worker,) = (pid for pid in server.processes() if pid != server.pid)
    with server.connect() as kept, Load(server.address, kept=2, fresh=0) as load:
        load.wait_for_answers(50)
        assert kept.get("/worker").status == 200
        faults.set("accept", number)
        outside = [server.connect(timeout=SAFETY_SECONDS) for _ in range(30)]
        try:
            for client in outside:
                client.send(b"GET /worker HTTP/1.1\r\nHost: t\r\n\r\n")
            server.wait_for_log("cannot accept connections on")
            # Who is inside is served on, unless its connection had to make room; nobody tries all the time.
            before = cpu_ticks(worker)
            time.sleep(1)
            used = cpu_ticks(worker) - before
            assert used < os.sysconf("SC_CLK_TCK") / 2, f"it spins: {used} ticks in a second"
            faults.clear("accept")
            answers = [client.read_response().status for client in outside]
        finally:
            for client in outside:
                client.close()
        load.wait_for_answers(50)
    print(f"{os.strerror(number)}: 30 waited outside, {answers.count(200)} answered; {load}")
    assert answers == [200] * 30
    assert load.failures == [], str(load)
    assert server.log.count("cannot accept connections on") == 1, server.log


def test_a_master_that_cannot_fork_says_so_tries_again_and_recovers(
    plain: Path, tmp_path: Path, start_server: StartServer
) -> None:
    faults = SystemFaults(tmp_path)
    server = start_server("-b", "{tcp}", "-w", "2", "demo:app", cwd=plain, environment=faults.environment)
    assert wait_until(lambda: len(server.processes()) == 3, SAFETY_SECONDS)
    with Load(server.address, kept=2, fresh=2) as load:
        load.wait_for_answers(30)
        faults.set("fork", errno.ENOMEM)
        victim = next(pid for pid in server.processes() if pid != server.pid)
        os.kill(victim, 9)
        server.wait_for_log("cannot be started: Cannot allocate memory")
        load.wait_for_answers(50)
        # A reload cannot be had now; the old workers stay.
        os.kill(server.pid, 1)
        server.wait_for_log("Reload failed")
        load.wait_for_answers(50)
        faults.clear("fork")
        assert wait_until(lambda: len(server.processes()) == 3, SAFETY_SECONDS), server.log
        before = set(server.processes())
        os.kill(server.pid, 1)
        assert wait_until(
            lambda: len(server.processes()) == 3 and set(server.processes()) & before == {server.pid}, SAFETY_SECONDS
        ), server.log
        load.wait_for_answers(50)
    print(f"no fork for a while; {load}")
    # What was inside the worker that was killed.
    assert len(load.failures) <= load.connections, str(load)
    assert server.log.count("cannot be started: Cannot allocate memory") < 30, server.log


def test_an_application_out_of_memory_gets_its_error_and_others_are_served(
    plain: Path, start_server: StartServer
) -> None:
    (plain / "narrow.py").write_text(
        "import resource\n"
        "import demo\n"
        "size = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (size + (120 << 20), -1))\n"
        "def app(environ, start_response):\n"
        "    if environ['PATH_INFO'] == '/grow':\n"
        "        bytes(500 << 20)\n"
        "    return demo.app(environ, start_response)\n"
    )
    server = start_server("-b", "{tcp}", "--threads", "2", "narrow:app", cwd=plain)
    worker = server.get("/worker").body
    with Load(server.address, kept=3, fresh=2) as load:
        for _ in range(10):
            assert server.get("/grow").status == 500
        load.wait_for_answers(50)
    print(f"10 requests without memory; {load}")
    assert load.failures == [], str(load)
    assert server.get("/worker").body == worker
    assert "MemoryError" in server.log


def cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


@pytest.mark.parametrize("dialect", ["native", "gunicorn", "uwsgi"])
def test_a_full_disk_costs_log_lines_and_nothing_else(plain: Path, start_server: StartServer, dialect: str) -> None:
    arguments = {
        "native": ("-b", "{tcp}", "-w", "2", "--access-log", "/dev/full", "demo:app"),
        "gunicorn": ("gunicorn", "-b", "{tcp}", "-w", "2", "--access-logfile", "/dev/full", "demo:app"),
        "uwsgi": ("uwsgi", "--http-socket", "{tcp}", "--master", "-p", "2", "--logto", "/dev/full", "-w", "demo:app"),
    }[dialect]
    server = start_server(*arguments, cwd=plain)
    with Load(server.address, kept=3, fresh=2) as load:
        load.wait_for_answers(300)
    print(load)
    assert load.failures == [], str(load)
    if dialect != "uwsgi":
        # Where the error log is another file, it tells: each worker once.
        server.wait_for_log("lines of the access log were lost")
        assert 1 <= server.log.count("lines of the access log were lost") <= 2, server.log


@pytest.mark.parametrize("dialect", ["native", "uwsgi"])
def test_a_full_pipe_on_standard_output_costs_lines_and_recovers(plain: Path, dialect: str) -> None:
    """Nobody reads what the server prints; requests go on, and when somebody reads again, lines come again."""
    port = free_port("127.0.0.1")
    arguments = {
        "native": ["-b", f"127.0.0.1:{port}", "--access-log", "-", "demo:app"],
        "uwsgi": ["uwsgi", "--http-socket", f"127.0.0.1:{port}", "--master", "-w", "demo:app"],
    }[dialect]
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    command = [str(Path(sys.executable).with_name("penstock")), *arguments]
    process = subprocess.Popen(command, cwd=plain, stdout=writer, stderr=writer, start_new_session=True)
    os.close(writer)
    thread = None
    try:
        assert wait_until(lambda: not port_is_free("127.0.0.1", port), SAFETY_SECONDS)
        with Load(("127.0.0.1", port), kept=2, fresh=1) as load:
            load.wait_for_answers(300)
            seen: list[bytes] = []

            def read_on() -> None:
                while chunk := os.read(reader, 65536):
                    seen.append(chunk)

            thread = threading.Thread(target=read_on, daemon=True)
            thread.start()
            assert wait_until(lambda: b"".join(seen).count(b"/worker") > 100, SAFETY_SECONDS), b"".join(seen)[-500:]
            told = b" lines of the access log were lost"
            assert wait_until(lambda: told in b"".join(seen), SAFETY_SECONDS), b"".join(seen)[-2000:]
        print(load)
        assert load.failures == [], str(load)
    finally:
        process.terminate() if dialect == "native" else process.send_signal(2)
        assert process.wait(SAFETY_SECONDS) == 0
        if thread is not None:
            thread.join(SAFETY_SECONDS)
        os.close(reader)


def test_four_hundred_connections_at_once_are_all_answered(plain: Path, start_server: StartServer) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 1024:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    server = start_server("-b", "{tcp}", "-w", "2", "--backlog", "64", "demo:app", cwd=plain)
    clients = [server.connect(timeout=SAFETY_SECONDS) for _ in range(400)]
    try:
        for client in clients:
            client.send(b"GET /worker HTTP/1.1\r\nHost: t\r\n\r\n")
        answers = [client.read_response().status for client in clients]
    finally:
        for client in clients:
            client.close()
    print(f"{len(answers)} connections at once, {answers.count(200)} answered")
    assert answers == [200] * 400
