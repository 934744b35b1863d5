"""`--control-socket`: gunicorn's own gunicornc speaks to our master."""

from __future__ import annotations

import json
import socket
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from harness import Server, StartServer
from harness.processes import wait_until

APPLICATION = "def app(environ, start_response):\n    start_response('200 OK', [])\n    return [b'here']\n"


@pytest.fixture
def server(start_server: StartServer, tmp_path: Path) -> Server:
    (tmp_path / "app.py").write_text(APPLICATION)
    options = ("-b", "{tcp}", "-w", "2", "-n", "shop", "--control-socket", str(tmp_path / "deep" / "shop.ctl"))
    running = start_server("gunicorn", *options, "app:app", cwd=tmp_path)
    assert wait_until(lambda: all(worker["booted"] for worker in ask(running, "show workers")["workers"]), 60.0)
    return running


def path_of(server: Server) -> str:
    return server.command[server.command.index("--control-socket") + 1]


def run(server: Server, command: str, *options: str) -> subprocess.CompletedProcess[str]:
    """gunicorn's client, from its package."""
    arguments = [
        sys.executable,
        "-c",
        "import sys; from gunicorn.ctl.cli import main; sys.exit(main())",
        "-s",
        path_of(server),
    ]
    return subprocess.run([*arguments, *options, "-c", command], capture_output=True, text=True, timeout=60)


def ask(server: Server, command: str) -> Any:
    ended = run(server, command, "--json")
    assert ended.returncode == 0, ended.stderr + server.log
    return json.loads(ended.stdout)


def test_workers_listeners_settings_and_numbers_are_shown(server: Server) -> None:
    everything = ask(server, "show all")
    assert everything["arbiter"] == {"pid": server.pid, "type": "arbiter", "role": "master"}
    assert everything["web_worker_count"] == 2
    workers = ask(server, "show workers")
    assert [worker["age"] for worker in workers["workers"]] == [1, 2]
    assert {worker["pid"] for worker in workers["workers"]} < set(server.processes())
    host, port = server.address
    (listener,) = ask(server, "show listeners")["listeners"]
    assert (listener["address"], listener["type"]) == (f"http://{host}:{port}", "tcp")
    settings = ask(server, "show config")
    assert (settings["workers"], settings["proc_name"], settings["worker_class"]) == (2, "shop", "sync")
    assert settings["bind"] == [f"{host}:{port}"]
    numbers = ask(server, "show stats")
    assert (numbers["pid"], numbers["workers_current"], numbers["workers_spawned"]) == (server.pid, 2, 2)
    assert ask(server, "show dirty")["enabled"] is False


@pytest.mark.parametrize("command", ["show all", "show workers", "show stats", "show listeners", "show config", "help"])
def test_the_client_can_print_what_it_is_told(server: Server, command: str) -> None:
    ended = run(server, command)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip()


def test_the_number_of_workers_is_changed(server: Server) -> None:
    assert ask(server, "worker add 2") == {"added": 2, "previous": 2, "total": 4}
    assert wait_until(lambda: ask(server, "show workers")["count"] == 4, 60.0)
    assert ask(server, "worker remove 9") == {"removed": 3, "previous": 4, "total": 1}
    assert wait_until(lambda: ask(server, "show workers")["count"] == 1, 60.0)
    assert server.get("/").body == b"here"


def test_one_worker_is_told_to_leave_and_replaced(server: Server) -> None:
    pid = ask(server, "show workers")["workers"][0]["pid"]
    assert ask(server, f"worker kill {pid}") == {"success": True, "killed": pid}

    def is_replaced() -> bool:
        workers = ask(server, "show workers")["workers"]
        return len(workers) == 2 and pid not in {worker["pid"] for worker in workers}

    assert wait_until(is_replaced, 60.0)
    assert ask(server, "worker kill 1")["error"] == "Worker 1 not found"


def test_it_reloads_and_reopens(server: Server) -> None:
    assert ask(server, "reopen") == {"status": "reopening"}
    assert ask(server, "reload") == {"status": "reloading"}
    assert wait_until(lambda: ask(server, "show stats")["reloads"] == 1, 60.0)
    assert wait_until(lambda: ask(server, "show workers")["workers"][0]["age"] == 3, 60.0)


@pytest.mark.parametrize("mode", ["graceful", "quick"])
def test_it_stops_the_server_and_takes_the_socket_away(server: Server, mode: str) -> None:
    path = Path(path_of(server))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert ask(server, f"shutdown {mode}") == {"status": "shutting_down", "mode": mode}
    assert server.wait() == 0
    assert not path.exists()


def test_what_is_unknown_is_said_in_gunicorns_words(server: Server) -> None:
    ended = run(server, "dance")
    assert ended.returncode == 1
    assert "Invalid argument: Unknown command: dance" in ended.stderr


def test_what_is_no_request_closes_the_connection_and_nothing_else(server: Server) -> None:
    for nonsense in (b"\xff\xff\xff\xff", b"\x00\x00\x00\x02[]", b"\x00\x00\x00\x01\x00"):
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(60.0)
            client.connect(path_of(server))
            client.sendall(nonsense)
            assert client.recv(1) == b""
    held = [socket.socket(socket.AF_UNIX) for _ in range(40)]
    for client in held:
        client.connect(path_of(server))
    assert ask(server, "show stats")["workers_current"] == 2
    for client in held:
        client.close()


def test_without_the_option_there_is_none(start_server: StartServer, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APPLICATION)
    server = start_server(
        "gunicorn", "-b", "{tcp}", "app:app", cwd=tmp_path, environment={"XDG_RUNTIME_DIR": str(tmp_path)}
    )
    assert server.get("/").status == 200
    assert not (tmp_path / "gunicorn.ctl").exists()
    assert "ontrol" not in server.log
