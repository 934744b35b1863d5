"""Faults of the system under a server, switched on and off while it runs: a wrong wall clock, calls that fail.

What is put under the server is `tests/preload/faults.c`, built here with the machine's C compiler.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parent.parent / "preload" / "faults.c"


class SystemFaults:
    """The switches, in a directory of their own; ``environment`` is the server's."""

    def __init__(self, directory: Path) -> None:
        compiler = shutil.which("cc") or shutil.which("gcc")
        if compiler is None:
            pytest.skip("needs a C compiler")
        self._directory = directory / "faults"
        self._directory.mkdir()
        library = self._directory / "faults.so"
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, SOURCE, "-ldl"], check=True)
        self.environment = {"LD_PRELOAD": str(library), "PENSTOCK_FAULTS": str(self._directory)}

    def set(self, name: str, number: int) -> None:
        """Switch a fault on."""
        # Nobody sees a file that is half written.
        new = self._directory / f"{name}.new"
        new.write_text(str(number))
        new.rename(self._directory / name)

    def clear(self, name: str) -> None:
        """Switch it off."""
        (self._directory / name).unlink()
