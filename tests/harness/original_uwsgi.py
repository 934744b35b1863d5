"""The real uWSGI beside which the uwsgi dialect is tested: where it is, what its build can do, and what it needs.

`make test` builds it into an environment of its own (.venv/uwsgi), since its uwsgidecorators would stand in the way of ours.
``PENSTOCK_ORIGINAL_UWSGI`` names another one.
"""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from pathlib import Path

VERSION = "2.0.31"
UWSGI = os.environ.get("PENSTOCK_ORIGINAL_UWSGI", str(Path(sys.prefix) / "uwsgi" / "bin" / "uwsgi"))
PENSTOCK = [str(Path(sys.executable).parent / "penstock"), "uwsgi"]


@functools.cache
def missing() -> str | None:
    """Why there is nothing to compare with, in one line; None when there is."""
    try:
        version = subprocess.run([UWSGI, "--version"], capture_output=True, text=True, check=True, timeout=60).stdout
    except (OSError, subprocess.SubprocessError):
        return f"no uWSGI {VERSION} at {UWSGI}: `make test` builds it where there is a C compiler"
    return None if version.strip() == VERSION else f"{UWSGI} is {version.strip()}: the tables are those of {VERSION}"


@functools.cache
def options() -> frozenset[str]:
    """The options of this build: json, xml and internal routing depend on what was there when it was built."""
    text = subprocess.run([UWSGI, "--help"], capture_output=True, text=True, check=True, timeout=60).stdout
    words = (line.split()[0] for line in text.splitlines() if line.startswith("    -"))
    return frozenset(word.rpartition("--")[2] for word in words)
