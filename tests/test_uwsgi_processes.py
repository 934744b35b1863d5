"""uWSGI's processes: what Unix signals mean to them, the codes they exit with, what the system holds them to, starts that fail."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import pytest
from harness import SAFETY_SECONDS, Server, StartServer
from harness.command import run_command
from harness.processes import free_port, wait_until


def start(start_server: StartServer, plain: Path, *words: str) -> Server:
    return start_server("uwsgi", "--http-socket", "{tcp}", "--module", "demo:app", *words, cwd=plain)


SAYS = {
    signal.SIGHUP: "gracefully (RE)spawned uWSGI master process",
    signal.SIGUSR1: "requests: ",
    signal.SIGUSR2: "worker 1",
    signal.SIGTSTP: "*** PAUSE (press start to resume",
}


@pytest.mark.parametrize("number", SAYS, ids=lambda number: number.name)
def test_a_signal_to_the_master_has_uwsgis_meaning(start_server: StartServer, plain: Path, number: int) -> None:
    server = start(start_server, plain)
    server.wait_for_log("spawned uWSGI worker 1 ")
    before = server.log.count(SAYS[number])
    os.kill(server.pid, number)
    assert wait_until(lambda: server.log.count(SAYS[number]) > before, SAFETY_SECONDS), server.log
    if number == signal.SIGTSTP:
        os.kill(server.pid, number)
        server.wait_for_log("resuming workers")
    assert server.get("/").status == 200
    assert server.stop() == 0


IGNORED = [signal.SIGWINCH, signal.SIGTTIN, signal.SIGTTOU, signal.SIGPIPE, signal.SIGURG]


@pytest.mark.parametrize("number", IGNORED, ids=lambda number: number.name)
def test_a_signal_without_a_meaning_changes_nothing(start_server: StartServer, plain: Path, number: int) -> None:
    server = start(start_server, plain)
    worker = server.get("/worker").body
    os.kill(server.pid, number)
    os.kill(server.pid, signal.SIGUSR1)
    server.wait_for_log("requests: ")
    assert server.get("/worker").body == worker
    assert server.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT], ids=lambda number: number.name)
def test_a_signal_that_stops_ends_with_code_0_and_the_files_are_gone(
    start_server: StartServer, plain: Path, number: int
) -> None:
    server = start(start_server, plain, "--pidfile=u.pid", "--vacuum", "--die-on-term")
    assert server.stop(number) == 0
    assert "goodbye to uWSGI." in server.log and "VACUUM: pidfile removed." in server.log
    assert not (plain / "u.pid").exists()


def test_term_reloads_where_die_on_term_is_switched_off(start_server: StartServer, plain: Path) -> None:
    (plain / "u.ini").write_text("[uwsgi]\ndie-on-term = false\n")
    server = start(start_server, plain, "--ini", "u.ini")
    os.kill(server.pid, signal.SIGTERM)
    server.wait_for_log("gracefully (RE)spawned uWSGI master process")
    assert server.stop(signal.SIGINT) == 0


ENDS = {
    "kill": "DAMN ! worker 1 (pid: {}) died, killed by signal 9 :( trying respawn ...",
    "exit": "DAMN ! worker 1 (pid: {}) died :( trying respawn ...",
}


@pytest.mark.parametrize("way", ENDS)
def test_a_worker_that_dies_is_told_of_and_replaced(start_server: StartServer, plain: Path, way: str) -> None:
    server = start(start_server, plain)
    worker = int(server.get("/worker").body)
    if way == "kill":
        os.kill(worker, signal.SIGKILL)
    else:
        with server.connect() as client:
            client.send(b"GET /die?3 HTTP/1.1\r\nHost: test\r\n\r\n")
            server.wait_for_log("DAMN !")
    server.wait_for_log(ENDS[way].format(worker))
    server.wait_for_log("Respawned uWSGI worker 1 (new pid: ")
    assert int(server.get("/worker").body) != worker


def test_a_reload_may_be_a_stop(start_server: StartServer, plain: Path) -> None:
    server = start(start_server, plain, "--exit-on-reload")
    os.kill(server.pid, signal.SIGHUP)
    assert server.wait() == 0


def test_each_worker_is_tied_to_its_processors(start_server: StartServer, plain: Path) -> None:
    usable = sorted(os.sched_getaffinity(0))
    server = start(start_server, plain, "--processes=2", "--cpu-affinity=1")
    for number in (1, 2):
        server.wait_for_log(f"mapped worker {number} to CPUs: {usable[(number - 1) % len(usable)]}\n")
    worker = int(server.get("/worker").body)
    assert len(os.sched_getaffinity(worker)) == 1
    assert os.sched_getaffinity(server.pid) == set(usable)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), b"0 True True"),
        (("--optimize", "1"), b"1 False True"),
        (("--optimize", "2"), b"2 False True"),
        (("--no-site",), b"0 True False"),
        (("--no-site", "-O1"), b"1 False False"),
    ],
)
def test_python_leaves_out_what_it_is_told_to(
    start_server: StartServer, tmp_path: Path, options: tuple[str, ...], expected: bytes
) -> None:
    (tmp_path / "optimized.py").write_text(
        "import sys\n\n\n"
        "def application(environ, start_response):\n"
        "    start_response('200 OK', [('Content-Type', 'text/plain')])\n"
        "    return [f'{sys.flags.optimize} {__debug__} {not sys.flags.no_site}'.encode()]\n"
    )
    server = start_server("uwsgi", "--http-socket", "{tcp}", "--module", "optimized", *options, cwd=tmp_path)
    assert server.get("/").body == expected
    os.kill(server.pid, signal.SIGHUP)
    server.wait_for_log("gracefully (RE)spawned uWSGI master process")
    assert server.get("/").body == expected


def test_a_worker_may_map_no_more_than_its_limit(start_server: StartServer, plain: Path) -> None:
    server = start(start_server, plain, "--limit-as=4096", "--limit-nproc=5000")
    limits = Path(f"/proc/{int(server.get('/worker').body)}/limits").read_text()
    wanted = {"Max address space": 4096 << 20, "Max processes": 5000}
    for name, value in wanted.items():
        line = next(line for line in limits.splitlines() if line.startswith(name))
        assert str(value) in line.split(), line


def test_a_start_waits_for_what_it_needs(start_server: StartServer, plain: Path) -> None:
    words = ["--wait-for-dir=there", "--wait-for-file=there/file"]
    command = ["uwsgi", "--http-socket", "{tcp}", "--module", "demo:app", *words]
    server = start_server(*command, cwd=plain, wait="nothing")
    server.wait_for_log('running "wait for there" (asap)...')
    assert "spawned" not in server.log
    (plain / "there").mkdir()
    (plain / "there/file").touch()
    server.wait_for_log("spawned uWSGI worker 1 ")


SAID = {
    "listen = 999999": "is more than net.core.somaxconn allows",
    "cap = setgid": "capabilities setgid",
    "thunder-lock = true": "spawned uWSGI worker 1",
    "no-orphans = true": "spawned uWSGI worker 1",
}


@pytest.mark.parametrize("option", SAID)
def test_an_option_that_need_not_stop_a_start_does_not(start_server: StartServer, plain: Path, option: str) -> None:
    (plain / "u.ini").write_text(f"[uwsgi]\n{option}\n")
    server = start(start_server, plain, "--ini", "u.ini")
    server.wait_for_log(SAID[option])
    assert server.get("/").status == 200


def test_workers_leave_when_their_master_is_killed(start_server: StartServer, plain: Path) -> None:
    server = start(start_server, plain, "--processes=2", "--no-orphans")
    os.kill(server.pid, signal.SIGKILL)
    server.wait()  # proves that nothing is left
    assert "the master disconnected from this worker" in server.log


def test_two_sockets_on_one_port_end_the_start(plain: Path) -> None:
    port = free_port()
    words = ["--http-socket", f"127.0.0.1:{port}", "--socket", f"127.0.0.1:{port}", "--module", "demo:app"]
    ended = run_command("uwsgi", *words, cwd=plain)
    assert ended.exit_code == 1 and f"127.0.0.1:{port}" in ended.text, ended
    assert ended.processes() == {}


def test_a_port_that_is_taken_ends_the_start(plain: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = run_command("uwsgi", "--http-socket", f"127.0.0.1:{port}", "--module", "demo:app", cwd=plain)
    assert ended.exit_code == 1 and str(port) in ended.text, ended


# Nobody may make files in /proc, root included.
UNWRITABLE = {
    "--http-socket=/proc/u.sock": "/proc/u.sock",
    "--http-socket=127.0.0.1:0 --pidfile=/proc/u.pid": "/proc/u.pid",
    "--http-socket=127.0.0.1:0 --master-fifo=/proc/u.fifo": "/proc/u.fifo",
    "--http-socket=127.0.0.1:0 --logto=/proc/u.log": "/proc/u.log",
    "--http-socket=nowhere/u.sock": "nowhere/u.sock",
    "--http-socket=127.0.0.1:0 --pidfile=nowhere/u.pid": "nowhere/u.pid",
    "--http-socket=127.0.0.1:0 --master-fifo=nowhere/u.fifo": "nowhere/u.fifo",
    "--http-socket=127.0.0.1:0 --logto=nowhere/u.log": "nowhere/u.log",
    "--http-socket=127.0.0.1:0 --chdir=nowhere": "nowhere",
    "--http-socket=127.0.0.1:0 --master-fifo=demo.py": "it exists and is no named pipe",
    "--http-socket=127.0.0.1:0 --uid=nobody-of-this-name": "user nobody-of-this-name not found.",
    "--http-socket=127.0.0.1:0 --gid=nobody-of-this-name": "group nobody-of-this-name not found.",
}


@pytest.mark.parametrize("line", UNWRITABLE)
def test_a_place_that_cannot_be_used_ends_the_start_and_is_named(plain: Path, line: str) -> None:
    ended = run_command("uwsgi", *line.split(), "--module", "demo:app", cwd=plain)
    assert ended.exit_code == 1 and UNWRITABLE[line] in ended.text, ended
    assert ended.processes() == {}


def test_nonsense_in_the_fifo_is_said_and_harms_nothing(start_server: StartServer, plain: Path) -> None:
    server = start(start_server, plain, "--master-fifo=f")
    with (plain / "f").open("wb") as pipe:
        pipe.write(bytes(range(128, 256)) + b"\0\x07zZ!~\n9")
    for said in ("the FIFO command 'z' is ignored", "the FIFO command '!' is ignored", "there is no FIFO 9"):
        server.wait_for_log(said)
    assert server.get("/").status == 200
    assert server.stop() == 0


def test_who_works_beside_the_workers_keeps_none_of_the_masters_sockets(start_server: StartServer, plain: Path) -> None:
    (plain / "mule.py").write_text(
        "import os, pathlib, uwsgi\n"
        "links = [os.readlink(link) for link in pathlib.Path('/proc/self/fd').iterdir() if link.is_symlink()]\n"
        "pathlib.Path('kept').write_text('\\n'.join(links))\n"
        "uwsgi.mule_get_msg()\n"
    )
    server = start(start_server, plain, "--mule=mule.py", "--stats={unix}", "--master-fifo=f")
    kept = plain / "kept"
    assert wait_until(lambda: kept.exists() and kept.read_text() != "", SAFETY_SECONDS), server.log
    port = f":{server.address[1]:04X}"
    tcp = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
    unix = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()]
    inodes = [line[9] for line in tcp if line[1].endswith(port) and line[3] == "0A"]
    inodes += [line[6] for line in unix if line[-1] == server.addresses["unix"]]
    assert len(inodes) == 2
    assert not {f"socket:[{inode}]" for inode in inodes} & set(kept.read_text().split()), kept.read_text()
    assert str(plain / "f") not in kept.read_text()
