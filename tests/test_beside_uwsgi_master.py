"""Side by side with uWSGI 2.0.31 itself: what hooks, commands, attached daemons and touched files leave behind.

Each row is an ini file for both servers; when it has done its work both are stopped, and the files that were written have to be the
same, and the exit codes. Left out: what uWSGI does several times while it stays root (as-root, as-user), which is done once here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from harness import SAFETY_SECONDS, Server
from harness.original_uwsgi import PENSTOCK, UWSGI, missing
from harness.processes import wait_until

APPLICATION = "def application(environ, start_response):\n    start_response('200 OK', [])\n    return [b'x']\n"


@pytest.fixture(autouse=True)
def original() -> None:
    if reason := missing():
        pytest.skip(reason)


@dataclass
class Row:
    """Lines of the configuration, and the file that is there when they have had their effect."""

    text: str
    done: str
    # Further files that are compared.
    files: tuple[str, ...] = ()
    # Scripts beside it.
    scripts: dict[str, str] = field(default_factory=dict)
    # Files that are touched, one after the other, once it serves.
    touched: tuple[str, ...] = ()
    # The server ends by itself.
    ends: bool = False

    def __str__(self) -> str:
        return self.text.replace("\n", "; ")[:70]


SCRIPT = {"d.sh": "trap 'echo int >> told; exit' INT\ntrap 'echo term >> told; exit' TERM\ntouch up\nwhile :; do sleep 0.1; done\n"}
ROWS = [
    Row("hook-as-user = write:f a  b\nhook-as-user = append:f   c\nhook-post-app = create:done", "done", ("f",)),
    Row("hook-as-root = safeexec:exit 3\nexec-post-app = echo 'a  b' \"$0\" > done", "done"),
    Row("hook-pre-app = exec:echo one >> f\nexec-pre-app = echo two >> f\nexec-post-app = touch done", "done", ("f",)),
    Row("hook-accepting1 = exec:echo $PPID > /dev/null; echo one >> done", "done"),
    Row("hook-post-fork = append:f x\nhook-accepting1 = create:done\nprocesses = 1", "done", ("f",)),
    Row("exec-as-user-atexit = echo end >> f\nhook-as-user-atexit = append:f hook\nexec-post-app = touch done", "done", ("f",)),
    Row("env = A=b\nunenv = HOME\nexec-post-app = echo $A $HOME > done", "done"),
    Row("attach-daemon = sh d.sh", "up", ("told",), SCRIPT),
    Row("attach-daemon2 = cmd=sh d.sh,stopsignal=2", "up", ("told",), SCRIPT),
    Row("attach-daemon2 = cmd=sh d.sh,touch=t,stopsignal=2", "told", (), SCRIPT, ("t",)),
    Row("attach-daemon2 = cmd=pwd > ../done,chdir=sub", "done", (), {"sub/x": ""}),
    Row("attach-control-daemon = sh -c 'sleep 1; echo x >> done'", "done", ends=True),
    Row("smart-attach-daemon = d.pid,1 sh d.sh", "done", (), {"d.sh": "echo run >> done\n(exec sleep 3) & echo $! > d.pid\n"}),
    Row("touch-exec = t echo ran >> done", "done", touched=("t",)),
    Row("hook-touch = t append:done x", "done", touched=("t",)),
]


def left_by(row: Row, command: list[str], place: Path) -> tuple[int, dict[str, str | None]]:
    place.mkdir()
    (place / "app.py").write_text(APPLICATION)
    (place / "x.ini").write_text(f"[uwsgi]\nmaster = true\nmodule = app\n{row.text}\n")
    for name, text in row.scripts.items():
        (place / name).parent.mkdir(exist_ok=True)
        (place / name).write_text(text)
    server = Server("--http-socket", "{tcp}", "x.ini", cwd=place)
    server.command = [*command, *server.command[1:]]
    server.start()
    try:
        if row.touched:
            # The first look is at the files as they were at the start.
            assert wait_until(lambda: "spawned uWSGI worker" in server.log, SAFETY_SECONDS), server.log
        for name in row.touched:
            (place / name).touch()
        assert wait_until((place / row.done).exists, SAFETY_SECONDS), server.log
        exit_code = server.wait() if row.ends else server.stop(2)
    finally:
        if server.is_running:
            server.kill()
    files = (row.done, *row.files)
    return exit_code, {name: (place / name).read_text() if (place / name).exists() else None for name in files}


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_what_is_left_is_what_uwsgi_leaves(tmp_path: Path, row: Row) -> None:
    theirs = left_by(row, [UWSGI], tmp_path / "theirs")
    ours = left_by(row, PENSTOCK, tmp_path / "ours")
    shown = str(tmp_path / "theirs"), str(tmp_path / "ours")
    assert str(ours).replace(shown[1], "HERE") == str(theirs).replace(shown[0], "HERE")
