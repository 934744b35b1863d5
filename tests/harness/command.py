"""Commands that end by themselves: refusals, ``--version``, ``uwsgi --stop``; and the processes of daemons.

Unlike ``Server`` nothing is expected of the outcome, but that it comes, and the processes it leaves can be told.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.processes import MARK, processes_of, wait_until
from harness.server import DISTURBING, command_for


@dataclass(frozen=True)
class Ended:
    """How a command ended and what it said."""

    command: list[str]
    exit_code: int
    stdout: str
    stderr: str
    # The mark in the environment of everything it started.
    mark: str

    @property
    def text(self) -> str:
        """Both outputs."""
        return self.stdout + self.stderr

    def processes(self) -> dict[int, str]:
        """The living processes that it left: id and command line."""
        return processes_of(-1, self.mark)

    def __str__(self) -> str:
        return f"{shlex.join(self.command)}: exit code {self.exit_code}\n--- its output ---\n{self.text[-6000:]}"


def run_command(
    *arguments: str,
    cwd: Path,
    environment: Mapping[str, str] | None = None,
    command: list[str] | None = None,
    timeout: float = 60.0,
) -> Ended:
    """Run ``penstock`` (or ``command``) with these arguments to its end; everything is killed when it has none."""
    mark = uuid.uuid4().hex
    inherited = {key: value for key, value in os.environ.items() if key not in DISTURBING}
    words = [*command, *arguments] if command else command_for(arguments)
    process = subprocess.Popen(
        words,
        cwd=cwd,
        env={**inherited, "PYTHONDONTWRITEBYTECODE": "1", **(environment or {}), MARK: mark},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        stdout, stderr = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired as expired:
        kill_all(mark)
        stdout, stderr = process.communicate()
        raise AssertionError(
            f"{shlex.join(words)} did not end within {timeout:.0f} s\n--- its output ---\n"
            + (stdout + stderr)[-6000:].decode(errors="replace")
        ) from expired
    return Ended(words, process.returncode, stdout.decode(errors="replace"), stderr.decode(errors="replace"), mark)


def kill_all(mark: str) -> None:
    """Kill every process with that mark, also those that are being forked meanwhile."""

    def none_left() -> bool:
        for pid in processes_of(-1, mark):
            os.kill(pid, signal.SIGKILL)
        return not processes_of(-1, mark)

    assert wait_until(none_left, 60.0), f"cannot kill {processes_of(-1, mark)}"


@contextmanager
def daemon(*arguments: str, cwd: Path, environment: Mapping[str, str] | None = None) -> Iterator[Ended]:
    """A server that goes into the background: its starter has ended; what is left of it is killed at the end."""
    ended = run_command(*arguments, cwd=cwd, environment=environment)
    try:
        yield ended
    finally:
        kill_all(ended.mark)
