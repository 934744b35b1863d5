"""The life of the processes: signals, reloads, deadlines, recycling, daemons, and what they leave behind (nothing)."""

from __future__ import annotations

import grp
import os
import pwd
import random
import re
import signal
import stat
import threading
import time
from pathlib import Path

import pytest
from harness import SAFETY_SECONDS, ConnectionEnded, RawClient, Server, StartServer
from harness.command import daemon
from harness.processes import free_port, port_is_free, wait_until
from load import Load

GUNICORN = ("gunicorn", "-b", "{tcp}")
UWSGI = ("uwsgi", "--http-socket", "{tcp}", "--master")
NATIVE = ("-b", "{tcp}")
DIALECTS = {
    "gunicorn": (*GUNICORN, "demo:app"),
    "uwsgi": (*UWSGI, "--module", "demo:app"),
    "native": (*NATIVE, "demo:app"),
}


def workers_of(server: Server) -> set[int]:
    """Process ids of the children of the master."""
    return {pid for pid in server.processes() if pid != server.pid and parent_of(pid) == server.pid}


def parent_of(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return -1


def wait_for_workers(server: Server, count: int) -> set[int]:
    assert wait_until(lambda: len(workers_of(server)) == count, SAFETY_SECONDS), (server.processes(), server.log)
    return workers_of(server)


def wait_for_replacement(server: Server, old: set[int]) -> None:
    """Wait until none of the old workers is left and others are there."""
    replaced = wait_until(lambda: bool(workers_of(server)) and not old & workers_of(server), SAFETY_SECONDS)
    assert replaced, f"{old} were not replaced: {server.processes()}\n{server.log}"


def wait_for_version(server: Server, version: str) -> None:
    """Wait until only that version answers: several times, as several workers may."""

    def all_new() -> bool:
        return all(server.get("/version").body.decode() == version for _ in range(8))

    assert wait_until(all_new, SAFETY_SECONDS, every=0.05), server.log


class SlowRequest:
    """A request that takes its time, on a thread of its own."""

    def __init__(self, server: Server, target: str) -> None:
        self._client = server.connect(timeout=SAFETY_SECONDS)
        self.result: str = "unfinished"
        self._target = target
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with self._client:
            try:
                answer = self._client.get(self._target)
                self.result = f"{answer.status} {answer.body.decode('latin-1')}"
            except (ConnectionEnded, OSError) as error:
                self.result = f"lost: {error}"

    def finish(self) -> str:
        self._thread.join(SAFETY_SECONDS)
        return self.result


def start_slow_request(server: Server, seconds: float) -> SlowRequest:
    """A slow request that has reached the application."""
    request = SlowRequest(server, f"/sleep?{seconds}")
    server.wait_for_log(f"begun to sleep {seconds}")
    return request


# Stopping.


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("name", ["TERM", "INT", "QUIT"])
def test_a_stop_signal_ends_everything_with_code_0(
    plain: Path, start_server: StartServer, dialect: str, name: str
) -> None:
    server = start_server(*DIALECTS[dialect], cwd=plain)
    with server.connect() as idle:
        assert idle.get("/").status == 200
        assert server.stop(getattr(signal, f"SIG{name}")) == 0
        idle.expect_end()


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_graceful_stop_finishes_the_request_in_progress(plain: Path, start_server: StartServer, dialect: str) -> None:
    server = start_server(*DIALECTS[dialect], cwd=plain)
    slow = start_slow_request(server, 1.0)
    assert server.stop(signal.SIGTERM) == 0
    assert slow.finish().startswith("200 slept in")


def test_the_graceful_timeout_bounds_the_wait(plain: Path, start_server: StartServer) -> None:
    server = start_server(*GUNICORN, "--graceful-timeout", "1", "demo:app", cwd=plain)
    slow = start_slow_request(server, 20)
    assert server.stop(signal.SIGTERM) == 0
    assert slow.finish().startswith("lost")


def test_a_quick_stop_does_not_wait_for_requests(plain: Path, start_server: StartServer) -> None:
    server = start_server(*GUNICORN, "demo:app", cwd=plain)
    slow = start_slow_request(server, 20)
    assert server.stop(signal.SIGQUIT) == 0
    assert not slow.finish().startswith("200 slept")


def test_a_second_signal_hurries_a_graceful_stop(plain: Path, start_server: StartServer) -> None:
    server = start_server(*GUNICORN, "demo:app", cwd=plain)
    slow = start_slow_request(server, 20)
    os.kill(server.pid, signal.SIGTERM)
    server.wait_for_log("Handling signal: term")
    assert server.stop(signal.SIGINT) == 0
    assert not slow.finish().startswith("200 slept")


@pytest.mark.parametrize("dialect", ["gunicorn", "uwsgi"])
def test_a_signal_in_the_first_moments_is_obeyed(plain: Path, dialect: str) -> None:
    seed = 20261124
    print(f"seed {seed}")
    chance = random.Random(seed)
    for number in range(15):
        delay = chance.choice([chance.uniform(0, 0.05), chance.uniform(0, 0.3)])
        hup = number % 3 == 2
        server = Server(*DIALECTS[dialect], cwd=plain, wait="nothing")
        server.start()
        time.sleep(delay)
        started = "before"
        if hup and server.log:
            # HUP before the interpreter has installed anything is the system's affair: it kills any process.
            started = "after"
            os.kill(server.pid, signal.SIGHUP)
            assert wait_until(lambda: answers(server), SAFETY_SECONDS), (number, delay, server.log)  # noqa: B023
        code = server.stop(signal.SIGTERM)
        # Before the server's first line the process is still Python starting up, and TERM's own effect is right.
        assert code == 0 or (code == -signal.SIGTERM and not server.log), (number, delay, started, code, server.log)


def answers(server: Server) -> bool:
    try:
        return server.get("/").status == 200
    except (OSError, ConnectionEnded):
        return False


def test_start_request_and_stop_many_times_on_one_port(plain: Path) -> None:
    first = Server(*GUNICORN, "demo:app", cwd=plain)
    host, port = first.address
    with first:
        assert first.get("/").status == 200
    for _ in range(5):
        again = Server("gunicorn", "-b", f"{host}:{port}", "demo:app", cwd=plain)
        again.addresses["tcp"] = (host, port)
        with again:
            assert again.get("/").status == 200
            assert again.stop() == 0


# More and fewer workers.


def test_ttin_and_ttou_change_the_number_of_workers(plain: Path, start_server: StartServer) -> None:
    server = start_server(*GUNICORN, "-w", "2", "demo:app", cwd=plain)
    first = wait_for_workers(server, 2)
    os.kill(server.pid, signal.SIGTTIN)
    assert first < wait_for_workers(server, 3)
    for expected in (2, 1):
        os.kill(server.pid, signal.SIGTTOU)
        wait_for_workers(server, expected)
    # Not below one.
    os.kill(server.pid, signal.SIGTTOU)
    server.wait_for_log("ttou")
    assert wait_until(lambda: server.log.count("Handling signal: ttou") == 3, SAFETY_SECONDS)
    wait_for_workers(server, 1)
    assert server.get("/").status == 200


# Reloading.


@pytest.mark.parametrize("dialect", DIALECTS)
def test_hup_loads_new_code_and_keeps_the_master(plain: Path, start_server: StartServer, dialect: str) -> None:
    (plain / "VERSION").write_text("one")
    server = start_server(*DIALECTS[dialect], cwd=plain)
    old = wait_for_workers(server, len(workers_of(server)))
    (plain / "VERSION").write_text("two")
    os.kill(server.pid, signal.SIGHUP)
    wait_for_replacement(server, old)
    wait_for_version(server, "two")
    assert server.process.poll() is None


def test_hup_reads_the_configuration_again(plain: Path, start_server: StartServer) -> None:
    config = plain / "gunicorn.conf.py"
    config.write_text("workers = 1\nraw_env = ['COLOUR=blue']\n")
    server = start_server(*GUNICORN, "demo:app", cwd=plain)
    old = wait_for_workers(server, 1)
    config.write_text("workers = 3\nraw_env = ['COLOUR=red']\n")
    os.kill(server.pid, signal.SIGHUP)
    wait_for_replacement(server, old)
    wait_for_workers(server, 3)
    assert server.get("/environment?COLOUR").body == b"red"


def test_a_slow_request_survives_a_reload(plain: Path, start_server: StartServer) -> None:
    (plain / "VERSION").write_text("one")
    server = start_server(*GUNICORN, "demo:app", cwd=plain)
    slow = SlowRequest(server, "/until?may-end")
    server.wait_for_log("begun to wait for may-end")
    (plain / "VERSION").write_text("two")
    os.kill(server.pid, signal.SIGHUP)
    # The new code serves while the old worker still works.
    wait_for_version(server, "two")
    assert slow.result == "unfinished"
    (plain / "may-end").touch()
    assert slow.finish().startswith("200 waited in")


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    "fault", ["raise RuntimeError('broken on purpose')\n", "def broken(:\n", "import os; os._exit(9)\n"]
)
def test_a_reload_with_broken_code_keeps_the_old_workers(
    plain: Path, start_server: StartServer, dialect: str, fault: str
) -> None:
    (plain / "VERSION").write_text("one")
    good = (plain / "demo.py").read_text()
    server = start_server(*DIALECTS[dialect], cwd=plain)
    old = workers_of(server)
    (plain / "demo.py").write_text(fault)
    os.kill(server.pid, signal.SIGHUP)
    told = re.compile("(?i)reload failed")
    assert wait_until(lambda: told.search(server.log) is not None, SAFETY_SECONDS), server.log
    assert server.get("/version").body == b"one"
    assert old <= workers_of(server)

    (plain / "demo.py").write_text(good)
    (plain / "VERSION").write_text("two")
    os.kill(server.pid, signal.SIGHUP)
    wait_for_replacement(server, old)
    wait_for_version(server, "two")


def test_a_reload_with_a_broken_configuration_keeps_everything(plain: Path, start_server: StartServer) -> None:
    config = plain / "gunicorn.conf.py"
    config.write_text("workers = 1\n")
    server = start_server(*GUNICORN, "demo:app", cwd=plain)
    old = workers_of(server)
    config.write_text("workers = = 2\n")
    os.kill(server.pid, signal.SIGHUP)
    assert wait_until(lambda: "gunicorn.conf.py" in server.log, SAFETY_SECONDS), server.log
    assert server.get("/").status == 200
    assert workers_of(server) == old


def test_preload_imports_once_in_the_master(plain: Path, start_server: StartServer) -> None:
    server = start_server(*GUNICORN, "-w", "2", "--preload", "demo:app", cwd=plain)
    wait_for_workers(server, 2)
    assert server.get("/facts").json()["imported_by"] == server.pid


def test_without_preload_each_worker_imports(plain: Path, start_server: StartServer) -> None:
    server = start_server(*GUNICORN, "demo:app", cwd=plain)
    facts = server.get("/facts").json()
    assert facts["imported_by"] == facts["pid"]
    assert facts["ppid"] == server.pid


def test_fork_hooks_of_python_run_in_parent_and_child(plain: Path, start_server: StartServer) -> None:
    server = start_server(*GUNICORN, "-w", "1", "--preload", "demo:app", cwd=plain)
    (first,) = wait_for_workers(server, 1)
    assert server.get("/forks").json() == [f"before in {server.pid}", f"child {first}"]
    os.kill(first, signal.SIGKILL)
    wait_for_replacement(server, {first})
    (second,) = wait_for_workers(server, 1)
    assert server.get("/forks").json() == [
        f"before in {server.pid}",
        f"parent {server.pid}",
        f"before in {server.pid}",
        f"child {second}",
    ]


def test_a_touched_file_reloads_uwsgi(plain: Path, start_server: StartServer) -> None:
    (plain / "VERSION").write_text("one")
    touched = plain / "reload.me"
    touched.write_text("")
    server = start_server(*UWSGI, "--module", "demo:app", "--touch-reload", str(touched), cwd=plain)
    old = workers_of(server)
    (plain / "VERSION").write_text("two")
    os.utime(touched, ns=(time.time_ns(), time.time_ns() + 2_000_000_000))
    wait_for_replacement(server, old)
    wait_for_version(server, "two")
    assert f"*** {touched} has been touched... grace them all !!! ***" in server.log


def test_a_changed_source_file_reloads_under_reload(plain: Path, start_server: StartServer) -> None:
    (plain / "VERSION").write_text("one")
    server = start_server(*GUNICORN, "--reload", "demo:app", cwd=plain)
    old = workers_of(server)
    source = plain / "demo.py"
    (plain / "VERSION").write_text("two")
    source.write_text(source.read_text() + "\n# changed\n")
    wait_for_replacement(server, old)
    wait_for_version(server, "two")
    assert "demo.py" in server.log


def test_uwsgi_reloads_on_term_only_where_that_is_written_out(plain: Path, start_server: StartServer) -> None:
    (plain / "VERSION").write_text("one")
    (plain / "site.ini").write_text("[uwsgi]\nmodule = demo:app\nmaster = true\ndie-on-term = false\n")
    server = start_server("uwsgi", "--ini", "site.ini", "--http-socket", "{tcp}", cwd=plain)
    old = workers_of(server)
    (plain / "VERSION").write_text("two")
    os.kill(server.pid, signal.SIGTERM)
    wait_for_replacement(server, old)
    wait_for_version(server, "two")
    assert server.stop(signal.SIGINT) == 0


def test_usr1_does_not_stop_uwsgi(plain: Path, start_server: StartServer) -> None:
    server = start_server(*UWSGI, "--module", "demo:app", cwd=plain)
    for number in (signal.SIGUSR1, signal.SIGUSR2):
        os.kill(server.pid, number)
        assert server.get("/").status == 200
    assert server.process.poll() is None


# Workers that die, and masters.


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_killed_worker_is_replaced_and_the_log_says_so(plain: Path, start_server: StartServer, dialect: str) -> None:
    server = start_server(*DIALECTS[dialect], cwd=plain)
    victim = min(workers_of(server))
    os.kill(victim, signal.SIGKILL)
    wait_for_replacement(server, {victim})
    assert server.get("/").status == 200
    said = re.compile(rf"{victim}\)?.*(SIGKILL|signal 9)")
    assert wait_until(lambda: said.search(server.log) is not None, SAFETY_SECONDS), server.log


def test_a_worker_that_leaves_through_os_exit_is_replaced(plain: Path, start_server: StartServer) -> None:
    server = start_server(*GUNICORN, "demo:app", cwd=plain)
    old = workers_of(server)
    with server.connect() as client, pytest.raises(ConnectionEnded):
        client.get("/die?7")
    wait_for_replacement(server, old)
    assert server.get("/").status == 200
    server.wait_for_log("exited with code 7.")


def test_sys_exit_in_the_application_is_a_500(plain: Path, start_server: StartServer) -> None:
    server = start_server(*GUNICORN, "demo:app", cwd=plain)
    before = server.get("/worker").body
    assert server.get("/exit").status == 500
    assert server.get("/worker").body == before


@pytest.mark.parametrize("dialect", DIALECTS)
def test_workers_leave_when_the_master_is_killed(plain: Path, dialect: str) -> None:
    server = Server(*DIALECTS[dialect], cwd=plain)
    server.start()
    address = server.address
    os.kill(server.pid, signal.SIGKILL)
    server.process.wait()
    try:
        assert wait_until(lambda: not server.processes(), SAFETY_SECONDS), server.log
        # A process counts as ended when its first thread has; another may hold the socket for a moment longer.
        assert wait_until(lambda: port_is_free(*address), SAFETY_SECONDS), server.log
    finally:
        server.kill()


def test_children_of_the_application_keep_their_exit_status(plain: Path, start_server: StartServer) -> None:
    (plain / "children.py").write_text(
        "import subprocess, sys\n"
        "def app(environ, start_response):\n"
        "    codes = [subprocess.run([sys.executable, '-c', f'raise SystemExit({n})']).returncode for n in (0, 7)]\n"
        "    start_response('200 OK', [])\n"
        "    return [str(codes).encode()]\n"
    )
    server = start_server(*GUNICORN, "children:app", cwd=plain)
    assert server.get("/").body == b"[0, 7]"


# Deadlines and recycling.


def test_a_request_over_the_deadline_is_cut_and_named_in_the_log(plain: Path, start_server: StartServer) -> None:
    server = start_server(*GUNICORN, "-t", "1", "demo:app", cwd=plain)
    old = workers_of(server)
    slow = start_slow_request(server, 30)
    wait_for_replacement(server, old)
    assert not slow.finish().startswith("200")
    assert server.get("/").status == 200
    assert re.search(r"\[CRITICAL\] WORKER TIMEOUT \(pid:%d\)" % min(old), server.log), server.log
    assert "GET /sleep" in server.log


def test_an_idle_worker_outlives_the_deadline(plain: Path, start_server: StartServer) -> None:
    server = start_server(*GUNICORN, "-t", "1", "demo:app", cwd=plain)
    old = workers_of(server)
    # Longer than the deadline and the master's round: there is nothing to poll for when nothing may happen.
    time.sleep(2.5)
    assert workers_of(server) == old
    assert server.get("/").status == 200


def test_harakiri_replaces_the_worker_and_names_the_request(plain: Path, start_server: StartServer) -> None:
    server = start_server(*UWSGI, "--module", "demo:app", "--harakiri", "1", cwd=plain)
    old = workers_of(server)
    slow = start_slow_request(server, 30)
    wait_for_replacement(server, old)
    assert slow.finish().startswith("lost")
    assert server.get("/").status == 200
    assert re.search(r"\*\*\* HARAKIRI ON WORKER 1 \(pid: %d, try: 1, graceful: \w+\) \*\*\*" % min(old), server.log)
    assert re.search(r"HARAKIRI \[core 0\] 127\.0\.0\.1 - GET /sleep\?30 since \d+", server.log), server.log


def test_recycling_under_load_loses_nothing(plain: Path, start_server: StartServer) -> None:
    server = start_server(
        *GUNICORN, "-w", "2", "--max-requests", "60", "--max-requests-jitter", "20", "demo:app", cwd=plain
    )
    with Load(server.address, kept=4, fresh=3) as load:
        load.wait_for_answers(1500, timeout=3 * SAFETY_SECONDS)
    print(load)
    assert load.failures == [], str(load)
    # How many each serves beyond its 60 depends on how long its replacement takes to be ready.
    assert len(load.answers) > 2 + 2, load.answers
    assert "Autorestarting worker after current request." in server.log


# Files, titles, rights.


def test_unix_sockets_get_their_mode(plain: Path, start_server: StartServer) -> None:
    for arguments, mode in (
        (("gunicorn", "-b", "unix:{unix}", "demo:app"), 0o777),
        (("gunicorn", "-b", "unix:{unix}", "-m", "007", "demo:app"), 0o770),
        (("uwsgi", "--http-socket", "{unix}", "--master", "--chmod-socket=660", "--module", "demo:app"), 0o660),
        (("uwsgi", "--http-socket", "{unix}", "--master", "--chmod-socket", "--module", "demo:app"), 0o666),
    ):
        server = start_server(*arguments, cwd=plain)
        path = Path(str(server.address))
        assert stat.S_IMODE(path.stat().st_mode) == mode, arguments
        assert stat.S_ISSOCK(path.stat().st_mode)


def test_gunicorn_removes_its_unix_socket_and_uwsgi_only_with_vacuum(plain: Path) -> None:
    for arguments, removed in (
        (("gunicorn", "-b", "unix:{unix}", "demo:app"), True),
        (("uwsgi", "--http-socket", "{unix}", "--master", "--vacuum", "--module", "demo:app"), True),
        (("uwsgi", "--http-socket", "{unix}", "--master", "--module", "demo:app"), False),
    ):
        path = plain / "site.sock"
        server = Server(*[argument.replace("{unix}", str(path)) for argument in arguments], cwd=plain)
        server.addresses["unix"] = str(path)
        with server:
            assert server.get("/").status == 200
            assert server.stop() == 0
        assert path.exists() != removed, arguments
        # A socket that nobody listens on is no obstacle to the next start.


def test_process_titles_are_the_originals(plain: Path, start_server: StartServer) -> None:
    server = start_server(*GUNICORN, "-n", "shop", "demo:app", cwd=plain)
    assert wait_until(lambda: title_of(server.pid) == "gunicorn: master [shop]", SAFETY_SECONDS), server.processes()
    (worker,) = workers_of(server)
    assert wait_until(lambda: title_of(worker) == "gunicorn: worker [shop]", SAFETY_SECONDS), server.processes()
    server = start_server(*UWSGI, "--module", "demo:app", "--auto-procname", cwd=plain)
    assert wait_until(lambda: title_of(server.pid) == "uWSGI master", SAFETY_SECONDS), server.processes()
    (worker,) = workers_of(server)
    assert wait_until(lambda: title_of(worker) == "uWSGI worker 1", SAFETY_SECONDS), server.processes()


def title_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()


def test_workers_run_as_the_user_and_group_given(plain: Path, start_server: StartServer) -> None:
    # Only root can become somebody else; anybody can name himself. Preloaded, since the new user may not be able to
    # read the Python of a home directory.
    user, group = ("nobody", "65534") if os.getuid() == 0 else (str(os.getuid()), str(os.getgid()))
    server = start_server(*GUNICORN, "--preload", "-u", user, "-g", group, "demo:app", cwd=plain)
    facts = server.get("/facts").json()
    assert (facts["uid"], facts["gid"]) == ((65534, 65534) if os.getuid() == 0 else (os.getuid(), os.getgid()))
    assert os.getuid() != 0 or 0 not in facts["groups"]


def test_a_unix_socket_belongs_to_the_user_and_initgroups_gives_that_users_groups(
    plain: Path, start_server: StartServer
) -> None:
    person = pwd.getpwnam("nobody") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
    group = grp.getgrgid(person.pw_gid).gr_name
    words = ("--preload", "-u", person.pw_name, "-g", group, "--initgroups")
    server = start_server("gunicorn", "-b", "unix:{unix}", *words, "demo:app", cwd=plain)
    about = Path(str(server.address)).stat()
    assert (about.st_uid, about.st_gid) == (person.pw_uid, person.pw_gid)
    groups = server.get("/facts").json()["groups"]
    assert os.getuid() != 0 or set(groups) == set(os.getgrouplist(person.pw_name, person.pw_gid))


def test_gunicorn_goes_into_the_background(plain: Path, tmp_path: Path) -> None:
    host, port = "127.0.0.1", free_port()
    pidfile, log = tmp_path / "run.pid", tmp_path / "error.log"
    arguments = ("-b", f"{host}:{port}", "-D", "-p", str(pidfile), "--error-logfile", str(log), "demo:app")
    with daemon("gunicorn", *arguments, cwd=plain) as starter:
        assert (starter.exit_code, starter.text) == (0, ""), starter
        assert wait_until(lambda: pidfile.exists() and greets((host, port)), SAFETY_SECONDS), starter
        pid = int(pidfile.read_text())
        assert pid in starter.processes()
        assert (os.getsid(pid) != os.getsid(0)) and os.readlink(f"/proc/{pid}/fd/0") == "/dev/null"
        os.kill(pid, signal.SIGTERM)
        assert wait_until(lambda: not starter.processes(), SAFETY_SECONDS), starter.processes()
        assert not pidfile.exists()
        assert "Listening at: " in log.read_text()


def greets(address: tuple[str, int]) -> bool:
    try:
        with RawClient(address) as client:
            return client.get("/", "Connection: close").status == 200
    except (OSError, ConnectionEnded):
        return False


# Boot failures.


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("gunicorn", "nowhere:app"), 3),
        (("gunicorn", "-w", "4", "nowhere:app"), 3),
        (("gunicorn", "demo:nothing"), 4),
        (("gunicorn", "demo:not_callable"), 4),
        (("gunicorn", "--preload", "nowhere:app"), 1),
        (("uwsgi", "--master", "--need-app", "--module", "nowhere:app"), 22),
        (("uwsgi", "--master", "--need-app", "--module", "demo:nothing"), 22),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else str(value),
)
def test_a_start_without_application_ends_with_the_originals_code(
    plain: Path, arguments: tuple[str, ...], code: int
) -> None:
    name, *rest = arguments
    server = Server(name, "-b" if name == "gunicorn" else "--http-socket", "{tcp}", *rest, cwd=plain, wait="nothing")
    server.start()
    assert server.wait() == code, server.log


def test_uwsgi_without_need_app_serves_500(plain: Path, start_server: StartServer) -> None:
    server = start_server(*UWSGI, "--module", "nowhere", cwd=plain)
    assert server.get("/").status == 500
    assert "no python application found" in server.log


def test_time_to_the_first_answer_is_measured(plain: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = []
    for dialect, arguments in DIALECTS.items():
        times = []
        for _ in range(3):
            server = Server(*arguments, cwd=plain)
            began = time.monotonic()
            with server:
                times.append(time.monotonic() - began)
        lines.append(f"{dialect}: {sorted(times)[1] * 1000:.0f} ms from the command to the first answer")
    with capsys.disabled():
        print("\n" + "\n".join(lines))
