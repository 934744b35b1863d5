"""Applications that PasteDeploy describes: gunicorn's ``--paste FILE.ini#SECTION``, uWSGI's ``paste`` and the like."""

from __future__ import annotations

import os
from typing import Any


def load(spec: str, pairs: list[str]) -> Any:
    """The application of an ini file's section (``main`` when none is named), with NAME=VALUE pairs as its globals."""
    try:
        from paste.deploy import loadapp
    except ImportError:
        raise ImportError("--paste needs the package PasteDeploy: pip install PasteDeploy") from None
    path, _, section = spec.removeprefix("config:").partition("#")
    return loadapp(
        f"config:{os.path.abspath(path)}",
        name=section or "main",
        relative_to=os.getcwd(),
        global_conf=dict(pair.split("=", 1) for pair in pairs),
    )
