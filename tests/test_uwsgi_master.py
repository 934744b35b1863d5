"""What uWSGI's master does beside keeping workers: its FIFO, touched files, hooks, attached daemons, commands by the clock."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from harness import SAFETY_SECONDS, Server, StartServer
from harness.command import run_command
from harness.processes import wait_until


def start(start_server: StartServer, plain: Path, text: str) -> Server:
    """A server of an ini file with these options besides its socket and its application."""
    lines = [line.split(" = ", 1) for line in text.splitlines() if line]
    words = [word for name, value in lines for word in (f"--{name}={value}",)]
    return start_server("uwsgi", "--http-socket", "{tcp}", "--module", "demo:app", "--vacuum", *words, cwd=plain)


def write_to(fifo: Path, letters: str) -> None:
    with fifo.open("w") as pipe:
        pipe.write(letters)


FIFO_LINES = {
    "r": "gracefully (RE)spawned uWSGI master process",
    "R": "gracefully (RE)spawned uWSGI master process",
    "w": "Gracefully killing worker 1",
    "W": "buried after",
    "c": "chain reloading complete",
    "s": "requests: ",
    "P": "writing pidfile to",
    "+": "the number of workers is fixed: give cheaper",
    "Z": "the FIFO command 'Z' is ignored",
    "7": "there is no FIFO 7",
    "1": "active master fifo is now",
    "E": "the FIFO command 'E' is ignored",
}


@pytest.mark.parametrize("letter", FIFO_LINES)
def test_a_letter_in_the_fifo_is_a_command(start_server: StartServer, plain: Path, letter: str) -> None:
    server = start(start_server, plain, "master-fifo = a.fifo\nmaster-fifo = b.fifo\nprocesses = 2\npidfile = u.pid")
    before = server.log.count(FIFO_LINES[letter])
    write_to(plain / "a.fifo", letter + "\n")
    assert wait_until(lambda: server.log.count(FIFO_LINES[letter]) > before, SAFETY_SECONDS), server.log
    assert server.get("/").status == 200
    assert server.stop() == 0
    assert not (plain / "a.fifo").exists() and not (plain / "b.fifo").exists()


@pytest.mark.parametrize("letter", ["q", "Q"])
def test_the_fifo_stops_the_server(start_server: StartServer, plain: Path, letter: str) -> None:
    server = start(start_server, plain, "master-fifo = a.fifo")
    write_to(plain / "a.fifo", letter)
    assert server.wait() == 0
    assert "goodbye to uWSGI." in server.log


@pytest.mark.parametrize("way", ["fifo", "signal"])
def test_paused_workers_answer_when_they_go_on(start_server: StartServer, plain: Path, way: str) -> None:
    server = start(start_server, plain, "master-fifo = a.fifo")

    def pause_or_resume() -> None:
        if way == "fifo":
            write_to(plain / "a.fifo", "p")
        else:
            os.kill(server.pid, signal.SIGTSTP)

    pause_or_resume()
    server.wait_for_log("*** PAUSE (press start to resume")
    with server.connect() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
        assert client.is_silent(0.3)
        pause_or_resume()
        assert client.read_response().status == 200
    server.wait_for_log("resuming workers")


TOUCHES = {
    "touch-chain-reload = t": "*** t has been touched... chain reload !!! ***",
    "touch-workers-reload = t": "*** t has been touched... workers reload !!! ***",
    "touch-logreopen = t": "*** t has been touched... reopening log !!! ***",
    "touch-exec = t echo it is $((6 * 7))": "it is 42",
    "touch-mules-reload = t": "*** t has been touched... mules reload !!! ***",
    "touch-spoolers-reload = t": "*** t has been touched... spoolers reload !!! ***",
    "touch-logrotate = t": "*** t has been touched... rotating log !!! ***",
    "touch-signal = t 17": "[uwsgi-touch-signal] raising 17",
    "hook-touch = t print:it was touched": "it was touched",
}


@pytest.mark.parametrize("option", TOUCHES)
def test_a_touched_file_is_a_command(start_server: StartServer, plain: Path, option: str) -> None:
    server = start(start_server, plain, option)
    (plain / "t").touch()
    server.wait_for_log(TOUCHES[option])
    assert server.get("/").status == 200


def test_touched_processes_beside_the_workers_are_replaced(start_server: StartServer, plain: Path) -> None:
    server = start(
        start_server, plain, "mule = true\nspooler = tasks\ntouch-mules-reload = m\ntouch-spoolers-reload = s"
    )
    for line, name in (("spawned uWSGI mule 1 ", "m"), ("spawned uWSGI spooler 1 ", "s")):
        server.wait_for_log(line)
        before = server.log.count(line)
        (plain / name).touch()
        assert wait_until(lambda: server.log.count(line) > before, SAFETY_SECONDS), server.log  # noqa: B023


@pytest.mark.parametrize("way", ["touch", "fifo"])
def test_the_log_is_set_aside_on_request(start_server: StartServer, plain: Path, way: str) -> None:
    options = "logto = u.log\ntouch-logrotate = t\nmaster-fifo = a.fifo\nlog-backupname = old.log"
    start(start_server, plain, options)
    if way == "touch":
        (plain / "t").touch()
    else:
        write_to(plain / "a.fifo", "L")
    assert wait_until((plain / "old.log").exists, SAFETY_SECONDS)
    assert "spawned uWSGI master process" in (plain / "old.log").read_text()


def test_a_touched_file_raises_a_signal(start_server: StartServer, plain: Path) -> None:
    (plain / "heard.py").write_text(
        "import uwsgi\nfrom demo import app\nuwsgi.register_signal(17, '', lambda n: print('heard', n, flush=True))\n"
    )
    words = ["--http-socket", "{tcp}", "--module", "heard:app", "--touch-signal=t 17"]
    server = start_server("uwsgi", *words, cwd=plain)
    (plain / "t").touch()
    server.wait_for_log("heard 17")


WRONG = {
    "touch-signal = t": "has to be FILE NUMBER",
    "touch-signal = t 999": "'999' is no number of a signal",
    "hook-touch = t nosuch:x": "hook action not found: nosuch",
    "hook-touch = t unix_signal:1 stats": "can only be done at the server's start",
}


@pytest.mark.parametrize("option", WRONG)
def test_a_touch_that_makes_no_sense_is_refused(plain: Path, option: str) -> None:
    name, value = option.split(" = ", 1)
    ended = run_command("uwsgi", "--http-socket", "127.0.0.1:0", f"--{name}={value}", cwd=plain)
    assert ended.exit_code == 1 and WRONG[option] in ended.text, ended


def test_hooks_are_run_in_the_order_of_the_servers_life(start_server: StartServer, plain: Path) -> None:
    moments = ["asap", "pre-jail", "post-jail", "in-jail", "as-root", "as-user", "pre-app"]
    hooks = [f"hook-{moment} = append:order {moment}/" for moment in reversed(moments)]
    later = ["master-start", "post-fork", "accepting", "accepting1", "accepting-once", "post-app", "as-user-atexit"]
    hooks += [f"hook-{moment} = print:now {moment}" for moment in later]
    hooks += ["exec-asap = test $(cat order) = asap/", "exec-as-user-atexit = echo the shell has $((6 * 7))"]
    server = start(start_server, plain, "\n".join(hooks))
    assert (plain / "order").read_text() == "/".join(moments) + "/"
    server.wait_for_log("now post-app")
    assert server.stop() == 0
    places = [server.log.index(f"now {moment}\n") for moment in later[:2]]
    assert places == sorted(places)
    assert all(f"now {moment}\n" in server.log for moment in later)
    assert "the shell has 42" in server.log and 'running "print:now as-user-atexit" (atexit)...' in server.log


ACTIONS = [
    "mkdir:made",
    "create:made/a",
    "write:made/a one two",
    "append:made/a  three",
    "chmod:made/a 640",
    "chown:made/a {uid} {gid}",
    "cd:made",
    "wait_for_fs:a",
    "wait_for_file:a",
    "wait_for_dir:.",
    "exec:cat a > b",
    "unlink:a",
    "safeexec:false",
    "log:all done",
]


def test_each_action_of_a_hook_does_what_it_says(plain: Path) -> None:
    words = [f"--hook-asap={action.format(uid=os.getuid(), gid=os.getgid())}" for action in ACTIONS]
    ended = run_command("uwsgi", "--http-socket", "127.0.0.1:0", *words, "--hook-asap=exit:7", cwd=plain)
    assert ended.exit_code == 7, ended
    assert "all done" in ended.text and 'command "false" exited with non-zero code: 1' in ended.text
    assert (plain / "made/b").read_text() == "one two three" and not (plain / "made/a").exists()


FAILING = {
    "exec:exit 3": "exited with non-zero code: 3",
    "unlink:nothing": "cannot remove nothing",
    "write:nowhere/x y": "cannot write to nowhere/x",
    "cd:nowhere": "nowhere",
    "nosuch:x": "hook action not found: nosuch",
    "mount:a b c": "hook action not found: mount",
    "print": "invalid hook syntax, must be hook:args",
    "unix_signal:15 nosuch": 'unable to find function "nosuch"',
}


@pytest.mark.parametrize("action", FAILING)
def test_a_hook_that_fails_ends_the_start(plain: Path, action: str) -> None:
    words = ["--module", "demo:app", f"--hook-pre-app={action}"]
    ended = run_command("uwsgi", "--http-socket", "127.0.0.1:0", *words, cwd=plain)
    assert ended.exit_code == 1 and FAILING[action] in ended.text, ended
    assert ended.processes() == {}


def test_a_hook_that_fails_once_the_application_is_loaded_ends_the_start(plain: Path) -> None:
    words = ["--module", "demo:app", "--exec-post-app", "exit 3"]
    ended = run_command("uwsgi", "--http-socket", "127.0.0.1:0", *words, cwd=plain)
    assert ended.exit_code == 1 and 'command "exit 3" exited with non-zero code: 3\n' in ended.text, ended
    assert ended.processes() == {}


def test_a_signal_may_be_bound_to_another_function(start_server: StartServer, plain: Path) -> None:
    server = start(start_server, plain, "hook-master-start = unix_signal:1 gracefully_kill_them_all")
    os.kill(server.pid, signal.SIGHUP)
    assert server.wait() == 0
    assert "graceful shutdown triggered..." in server.log


def test_a_term_ends_a_start_that_waits_for_a_hook(tmp_path: Path, plain: Path) -> None:
    words = ["--module", "demo:app", "--hook-asap=exec:kill -TERM $PPID; sleep 600"]
    ended = run_command("uwsgi", "--http-socket", "127.0.0.1:0", *words, cwd=plain)
    assert ended.exit_code == 1 and "the server is to stop" in ended.text, ended
    assert ended.processes() == {}


def test_an_attached_daemon_is_started_again_and_ends_with_the_server(start_server: StartServer, plain: Path) -> None:
    server = start(start_server, plain, "attach-daemon = echo $$ >> pids; exec sleep 1000")
    pids = plain / "pids"
    assert wait_until(lambda: pids.exists() and len(pids.read_text().split()) == 1, SAFETY_SECONDS), server.log
    os.kill(int(pids.read_text()), signal.SIGKILL)
    assert wait_until(lambda: len(pids.read_text().split()) == 2, SAFETY_SECONDS), server.log
    assert "throttling" in server.log
    assert server.stop() == 0
    assert "[uwsgi-daemons] stopping daemon (pid: " in server.log


def test_a_smart_daemon_is_not_started_while_its_pidfile_names_a_living_process(
    start_server: StartServer, plain: Path
) -> None:
    (plain / "d.pid").write_text(f"{os.getpid()}\n")
    server = start(
        start_server,
        plain,
        "attach-daemon2 = cmd=touch started,pidfile=d.pid,freq=1\nsmart-attach-daemon = e.pid touch other",
    )
    assert wait_until((plain / "other").exists, SAFETY_SECONDS), server.log
    assert not (plain / "started").exists()
    (plain / "d.pid").unlink()
    assert wait_until((plain / "started").exists, SAFETY_SECONDS), server.log


def test_a_program_in_the_foreground_is_put_into_the_background_and_stays(start_server: StartServer, plain: Path) -> None:
    # Without the environment it is not taken for something that the server has left behind.
    option = "smart-attach-daemon2 = d.pid,1 env -i sleep 1000"
    pidfile = plain / "d.pid"

    def pid() -> int:
        return int(pidfile.read_text() or 0) if pidfile.exists() else 0

    server = start(start_server, plain, option)
    assert wait_until(lambda: pid() > 0, SAFETY_SECONDS), server.log
    first = pid()
    os.kill(first, signal.SIGKILL)
    assert wait_until(lambda: pid() not in (0, first), SAFETY_SECONDS), server.log
    second = pid()
    try:
        assert wait_until(lambda: b"sleep" in Path(f"/proc/{second}/cmdline").read_bytes(), SAFETY_SECONDS)
        assert server.stop() == 0
        again = start(start_server, plain, option)
        again.wait_for_log("spawned uWSGI worker 1 ")
        assert again.stop() == 0
        assert pid() == second and "spawning" not in again.log, "it lives, and is not started again"
    finally:
        os.kill(second, signal.SIGKILL)


def test_a_touched_file_and_a_reload_have_a_daemon_started_anew(start_server: StartServer, plain: Path) -> None:
    (plain / "d.sh").write_text("trap 'touch told; exit' USR1\necho $$ >> pids\nwhile :; do sleep 0.1; done\n")
    server = start(start_server, plain, "attach-daemon2 = cmd=sh d.sh,touch=other;touched,reloadsignal=10")
    pids = plain / "pids"

    def starts() -> int:
        return len(pids.read_text().split()) if pids.exists() else 0

    assert wait_until(lambda: starts() == 1, SAFETY_SECONDS), server.log
    (plain / "touched").touch()
    assert wait_until(lambda: starts() == 2, SAFETY_SECONDS), server.log
    assert 'touched has been touched... reloading daemon "sh d.sh"' in server.log
    assert not (plain / "told").exists()
    os.kill(server.pid, signal.SIGHUP)
    assert wait_until(lambda: starts() == 3 and (plain / "told").exists(), SAFETY_SECONDS), server.log
    assert server.stop() == 0


def test_a_daemon_ends_with_a_master_that_is_killed(start_server: StartServer, plain: Path) -> None:
    server = start(start_server, plain, "attach-daemon = touch there; exec sleep 1000")
    assert wait_until((plain / "there").exists, SAFETY_SECONDS), server.log
    os.kill(server.pid, signal.SIGKILL)
    server.wait()  # proves that nothing is left


def test_the_server_ends_with_a_daemon_that_it_cannot_be_without(start_server: StartServer, plain: Path) -> None:
    server = start(start_server, plain, "attach-control-daemon = while test ! -e end; do sleep 0.1; done")
    (plain / "end").touch()
    assert server.wait() == 0


def test_a_command_is_run_by_the_clock(start_server: StartServer, plain: Path) -> None:
    server = start(
        start_server,
        plain,
        "cron = -1 -1 -1 -1 -1 echo the clock says $((6 * 7))\nunique-cron = 61 -1 -1 -1 -1 echo never",
    )
    server.wait_for_log("the clock says 42")
    server.wait_for_log("exited after")
    assert 'echo never" (pid' not in server.log


@pytest.mark.parametrize("value", ["x -1 -1 -1 -1 echo", "-1 -1 echo", "-1"])
def test_a_timetable_that_makes_no_sense_is_refused(plain: Path, value: str) -> None:
    ended = run_command("uwsgi", "--http-socket", "127.0.0.1:0", f"--cron={value}", cwd=plain)
    assert ended.exit_code == 1 and "invalid cron syntax" in ended.text
