"""The commands people type, typed literally, in projects as people have them; and what the options mean.

A port that stands in a command (or is the default) is used when nobody else has it just now, else it is rewritten.
"""

from __future__ import annotations

import os
import re
import shlex
import stat
from pathlib import Path

import pytest
from harness import SAFETY_SECONDS, ConnectionEnded, RawClient, Server, StartServer
from harness.command import daemon, run_command
from harness.processes import free_port, port_is_free, wait_until
from projects import copy_of

DEFAULT_PORT = 8000


def literally(line: str, cwd: Path) -> Server:
    """A server for one line as typed into a shell, with assignments in front; not started yet."""
    named = re.search(r"127\.0\.0\.1:(\d+)", line)
    port = int(named[1]) if named else DEFAULT_PORT
    environment = {}
    if not port_is_free("127.0.0.1", port):
        port = free_port()
        if named:
            line = line.replace(named[0], f"127.0.0.1:{port}")
        elif "--bind=127.0.0.1 " in line:
            line = line.replace("--bind=127.0.0.1 ", f"--bind=127.0.0.1:{port} ")
        elif "-c gunicorn.conf.py" in line:
            environment["DEMO_BIND"] = f"127.0.0.1:{port}"
        else:
            line = f"{line} -b 127.0.0.1:{port}"
    words = shlex.split(line)
    while "=" in words[0]:
        name, _, value = words.pop(0).partition("=")
        environment[name] = value
    assert words.pop(0) == "penstock"
    server = Server(*words, cwd=cwd, environment=environment)
    server.addresses["tcp"] = ("127.0.0.1", port)
    return server


def assert_workers(server: Server, count: int) -> None:
    """One master and that many workers."""
    assert wait_until(lambda: len(server.processes()) == 1 + count, SAFETY_SECONDS), server.processes()


def number_in(path: Path) -> int:
    """The process id in a pidfile."""
    return int(path.read_text())


# The lines of the README.


@pytest.mark.parametrize(
    ("project", "line", "workers", "answer"),
    [
        ("plain", "penstock gunicorn -w 4 demo:app", 4, "hello from demo"),
        (
            "django_site",
            "penstock gunicorn -b 127.0.0.1:8000 -w 2 --threads 4 myproject.wsgi "
            "--env DJANGO_SETTINGS_MODULE=myproject.settings.set_prod",
            2,
            "index in prod",
        ),
        ("plain", 'GUNICORN_CMD_ARGS="--bind=127.0.0.1 --workers=3" penstock gunicorn app:app', 3, "hello from demo"),
        ("plain", "penstock gunicorn -c gunicorn.conf.py demo:app", 2, "hello from demo"),
        (
            "filed",
            "penstock uwsgi --http 127.0.0.1:3031 --file demo/wsgi.py --master --workers 2",
            2,
            "filed as wsgi in filed",
        ),
        ("plain", "penstock demo:app", None, "hello from demo"),
    ],
    ids=lambda value: value.partition("penstock ")[2][:24] if isinstance(value, str) and "penstock" in value else "",
)
def test_the_command_serves_as_typed(tmp_path: Path, project: str, line: str, workers: int | None, answer: str) -> None:
    with literally(line, copy_of(project, tmp_path)) as server:
        assert server.get("/").body.decode() == answer
        if workers is not None:
            assert_workers(server, workers)
        assert server.stop() == 0


@pytest.mark.parametrize("kind", ["http", "http-socket"])
def test_an_ini_file_starts_a_daemon_that_reloads_and_stops_by_its_pidfile(tmp_path: Path, kind: str) -> None:
    plain = copy_of("plain", tmp_path)
    port = free_port()
    (plain / "VERSION").write_text("one")
    (tmp_path / "uwsgi.ini").write_text(
        f"[uwsgi]\n# our site\nchdir = {plain}\nmodule = demo:app\nmaster = true\nprocesses = 2\n"
        f"pidfile = uwsgi.pid\ndaemonize = {tmp_path}/uwsgi.log\n{kind} = 127.0.0.1:{port}\n"
        "vacuum = true\n"
    )
    address = ("127.0.0.1", port)

    def version() -> str:
        try:
            with RawClient(address) as client:
                return client.get("/version", "Connection: close").body.decode()
        except (OSError, ConnectionEnded):
            return ""

    with daemon("uwsgi", "--ini", "uwsgi.ini", cwd=tmp_path) as starter:
        assert starter.exit_code == 0, starter
        log = tmp_path / "uwsgi.log"
        assert wait_until(lambda: version() == "one", SAFETY_SECONDS), log.read_text() if log.exists() else starter
        pid = number_in(tmp_path / "uwsgi.pid")
        assert wait_until(lambda: len(starter.processes()) == 3, SAFETY_SECONDS), starter.processes()
        assert pid in starter.processes()
        assert os.getsid(pid) != os.getsid(0)

        (plain / "VERSION").write_text("two")
        reload = run_command("uwsgi", "--reload", "uwsgi.pid", cwd=tmp_path)
        assert reload.exit_code == 0, reload
        assert wait_until(lambda: version() == "two", SAFETY_SECONDS), log.read_text()
        assert number_in(tmp_path / "uwsgi.pid") == pid

        stop = run_command("uwsgi", "--stop", "uwsgi.pid", cwd=tmp_path)
        assert stop.exit_code == 0, stop
        assert wait_until(lambda: not starter.processes(), SAFETY_SECONDS), f"{starter.processes()}\n{log.read_text()}"
        assert port_is_free(*address)
        assert not (tmp_path / "uwsgi.pid").exists()
        assert stat.S_IMODE(log.stat().st_mode) == 0o640
        text = log.read_text()
        for line in ("*** Starting uWSGI", "spawned uWSGI master process (pid: ", "goodbye to uWSGI."):
            assert line in text


# Being called by another name.


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("gunicorn", ("-b", "{tcp}", "demo:app")),
        ("uwsgi", ("--http-socket", "{tcp}", "--master", "--module", "demo:app")),
    ],
)
def test_a_symlink_named_after_the_original_selects_its_dialect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start_server: StartServer, name: str, arguments: tuple[str, ...]
) -> None:
    penstock = Path(Server("x").command[0])
    link = tmp_path / name
    link.symlink_to(penstock)
    monkeypatch.setenv("PENSTOCK_COMMAND", str(link))
    server = start_server(name, *arguments, cwd=copy_of("plain", tmp_path))
    assert server.command[0] == str(link)
    assert server.command[1] != name
    assert server.get("/").body == b"hello from demo"
    assert ("Starting gunicorn" if name == "gunicorn" else "*** Starting uWSGI") in server.log


# Where gunicorn's options come from.


def test_the_command_line_beats_the_environment_which_beats_the_file(tmp_path: Path) -> None:
    plain = copy_of("plain", tmp_path)
    (plain / "gunicorn.conf.py").write_text("workers = 2\nthreads = 3\nkeepalive = 4\nbacklog = 100\n")
    shown = run_command(
        "gunicorn",
        "--print-config",
        "-w",
        "7",
        "demo:app",
        cwd=plain,
        environment={"GUNICORN_CMD_ARGS": "--workers=5 --threads 6", "WEB_CONCURRENCY": "9"},
    )
    assert shown.exit_code == 0, shown
    config = dict(re.findall(r"(?m)^(\w+) += (.*)$", shown.stdout))
    assert {name: config[name] for name in ("workers", "threads", "keepalive", "backlog")} == {
        "workers": "7",
        "threads": "6",
        "keepalive": "4",
        "backlog": "100",
    }


def test_print_config_shows_every_setting_as_gunicorn_does(tmp_path: Path) -> None:
    shown = run_command("gunicorn", "--print-config", "-m", "022", "demo:app", cwd=copy_of("plain", tmp_path))
    assert shown.exit_code == 0, shown
    lines = shown.stdout.splitlines()
    names = [line[:34].strip() for line in lines]
    assert len(lines) == 120
    assert names == sorted(names)
    assert all(line[34:37] == " = " for line in lines)
    for line in (
        "umask                              = 18",
        "proc_name                          = demo-from-file",
        "post_fork                          = <post_fork()>",
        "config                             = ./gunicorn.conf.py",
        'access_log_format                  = %(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s"',
        "pidfile                            = None",
    ):
        assert line in lines


def test_check_config_says_nothing_and_exits_with_0(tmp_path: Path) -> None:
    checked = run_command("gunicorn", "--check-config", "demo:app", cwd=copy_of("plain", tmp_path))
    assert (checked.exit_code, checked.text) == (0, "")


@pytest.mark.parametrize("application", ["nowhere:app", "demo:nothing"])
def test_check_config_exits_with_1_when_the_application_cannot_be_loaded(tmp_path: Path, application: str) -> None:
    checked = run_command("gunicorn", "--check-config", application, cwd=copy_of("plain", tmp_path))
    assert checked.exit_code == 1, checked
    assert re.search(r"nowhere|nothing", checked.stderr)


def test_a_configuration_file_anywhere_and_a_module_are_read(tmp_path: Path) -> None:
    plain = copy_of("plain", tmp_path)
    (tmp_path / "other.py").write_text("workers = 6\n")
    (plain / "conf_module.py").write_text("workers = 8\n")
    for given, workers in (("../other.py", "6"), ("file:../other.py", "6"), ("python:conf_module", "8")):
        shown = run_command(
            "gunicorn", "-c", given, "--print-config", "demo:app", cwd=plain, environment={"PYTHONPATH": str(plain)}
        )
        assert re.search(rf"(?m)^workers += {workers}$", shown.stdout), shown


# Help and versions.


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("gunicorn", "-h"), ["--bind", "--workers", "--graceful-timeout"]),
        (("gunicorn", "--help"), ["-w", "--threads"]),
        (("gunicorn", "--version"), ["gunicorn (version 27.0.1)"]),
        (("uwsgi", "-h"), ["--http-socket", "--processes", "--daemonize"]),
        (("uwsgi", "--help"), ["--harakiri", "--die-on-term"]),
        (("uwsgi", "--version"), ["2.0.31"]),
        (("-h",), ["gunicorn", "uwsgi"]),
        (("--version",), ["enstock"]),
    ],
    ids=" ".join,
)
def test_help_and_version_go_to_standard_output(tmp_path: Path, arguments: tuple[str, ...], words: list[str]) -> None:
    shown = run_command(*arguments, cwd=tmp_path)
    assert (shown.exit_code, shown.stderr) == (0, ""), shown
    for word in words:
        assert word in shown.stdout


# What the options do.


def test_hooks_run_in_their_process_and_in_gunicorns_order(tmp_path: Path, start_server: StartServer) -> None:
    hooks = tmp_path / "hooks"
    server = start_server(
        "gunicorn",
        "-c",
        "gunicorn.conf.py",
        "-b",
        "{tcp}",
        "demo:app",
        cwd=copy_of("plain", tmp_path),
        environment={"HOOKS": str(hooks)},
    )
    assert_workers(server, 2)
    assert wait_until(lambda: hooks.read_text().count("post_worker_init") == 2, SAFETY_SECONDS)
    workers = set(server.processes()) - {server.pid}
    server.wait_for_log("Demo is ready on")
    assert re.search(rf"(?m)^\[[^\]]+\] \[{server.pid}\] \[INFO\] Demo is ready on ", server.log)
    assert server.stop() == 0
    lines = hooks.read_text().splitlines()
    master = f"in {server.pid}"
    assert lines[0] == f"on_starting {master}"
    assert lines[1] == f"when_ready {server.pid} {master}"
    assert sorted(line for line in lines if line.startswith("pre_fork")) == [
        f"pre_fork 1 {master}",
        f"pre_fork 2 {master}",
    ]
    for name in ("post_fork", "post_worker_init", "worker_exit"):
        assert sorted(line for line in lines if line.startswith(name)) == sorted(
            f"{name} {worker} in {worker}" for worker in workers
        )
    assert lines[-1] == f"on_exit {master}"
    assert len(lines) == 11


def test_gunicorns_options_take_effect(tmp_path: Path, start_server: StartServer) -> None:
    plain = copy_of("plain", tmp_path)
    pidfile = tmp_path / "run.pid"
    server = start_server(
        *("gunicorn", "--bind", "{tcp}", "--bind={tcp2}", "-b", "unix:{unix}", "--threads", "2", "--workers=2"),
        *("--chdir", str(plain), "--pythonpath", f"{tmp_path},relative", "-e", "COLOUR=blue=green", "--env", "TASTE="),
        *("-p", str(pidfile), "-m", "027", "--backlog", "64", "--keep-alive", "7", "demo:app"),
        cwd=tmp_path,
    )
    with server.connect("tcp2") as client:
        facts = client.get("/facts").json()
        assert client.get("/environment?COLOUR").body == b"blue=green"
        assert client.get("/flags").json() == {
            "wsgi.multithread": True,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
        }
    assert facts["cwd"] == str(plain)
    assert str(tmp_path) in facts["path"]
    assert stat.S_IMODE((server.directory / "server.sock").stat().st_mode) == 0o750
    assert facts["ppid"] == server.pid
    assert pidfile.read_text() == f"{server.pid}\n"
    with server.connect("unix") as client:
        assert client.get("/").body == b"hello from demo"
    assert server.stop() == 0
    assert not pidfile.exists()


def test_uwsgis_options_take_effect(tmp_path: Path, start_server: StartServer) -> None:
    plain = copy_of("plain", tmp_path)
    (tmp_path / "site.ini").write_text(
        f"[uwsgi]\nmaster = true\nbase = {tmp_path}\nchdir = %(base)/plain\nwsgi-file = demo.py\ncallable = app\n"
        "processes = 2\nthreads = 2\nenv = COLOUR=blue=green\npythonpath = %(base)\npidfile = %(base)/run.pid\n"
        "vacuum = 1\nbuffer-size = 8192\nlisten = 64\nmax-requests = 5000\nneed-app = true\n"
    )
    server = start_server("uwsgi", "--ini", "site.ini", "--http-socket", "{tcp}", cwd=tmp_path)
    with server.connect() as client:
        facts = client.get("/facts").json()
    assert server.get("/environment?COLOUR").body == b"blue=green"
    assert server.get("/flags").json() == {"wsgi.multithread": True, "wsgi.multiprocess": True, "wsgi.run_once": False}
    assert facts["cwd"] == str(plain)
    assert str(tmp_path) in facts["path"]
    assert facts["ppid"] == server.pid
    assert (tmp_path / "run.pid").read_text() == f"{server.pid}\n"
    assert server.stop() == 0
    assert not (tmp_path / "run.pid").exists()


def test_a_factory_is_called_with_its_arguments(tmp_path: Path, start_server: StartServer) -> None:
    plain = copy_of("plain", tmp_path)
    server = start_server("gunicorn", "-b", "{tcp}", "demo:make_app('hi', mark='?')", cwd=plain)
    assert server.get("/").body == b"hi?"


def test_port_and_web_concurrency_are_gunicorns_defaults(tmp_path: Path) -> None:
    shown = run_command(
        *("gunicorn", "--print-config", "demo:app"),
        cwd=copy_of("filed", tmp_path),
        environment={"PORT": "9123", "WEB_CONCURRENCY": "5", "PYTHONPATH": str(copy_of("plain", tmp_path))},
    )
    assert re.search(r"(?m)^bind += \['0\.0\.0\.0:9123'\]$", shown.stdout), shown
    assert re.search(r"(?m)^workers += 5$", shown.stdout)


def test_known_options_without_effect_are_named_and_the_server_starts(
    tmp_path: Path, start_server: StartServer
) -> None:
    plain = copy_of("plain", tmp_path)
    server = start_server("gunicorn", "-b", "{tcp}", "--http-parser", "python", "demo:app", cwd=plain)
    assert "http_parser" in server.log
    server = start_server(
        *("uwsgi", "--http-socket", "{tcp}", "--master", "--module", "demo:app", "--max-apps", "3", "-p", "2"), cwd=plain
    )
    assert "max-apps" in server.log


def test_several_ini_keys_that_nobody_knows_do_not_stop_uwsgi(tmp_path: Path, start_server: StartServer) -> None:
    plain = copy_of("plain", tmp_path)
    (plain / "uwsgi.ini").write_text("[uwsgi]\nmodule = demo:app\nmaster = true\nproccesses = 2\nour-own = yes\n")
    server = start_server("uwsgi", "--ini", "uwsgi.ini", "--http-socket", "{tcp}", cwd=plain)
    assert server.get("/").status == 200
    assert re.search(r"proccesses.*\bprocesses\b", server.log)


def test_start_banner_says_what_runs_where(tmp_path: Path, start_server: StartServer) -> None:
    plain = copy_of("plain", tmp_path)
    for arguments in (
        ("gunicorn", "-b", "{tcp}", "demo:app"),
        ("uwsgi", "--http-socket", "{tcp}", "--master", "--module", "demo:app"),
        ("-b", "{tcp}", "demo:app"),
    ):
        server = start_server(*arguments, cwd=plain)
        host, port = server.address
        assert f"{host}:{port}" in server.log
        assert "enstock" in server.log
