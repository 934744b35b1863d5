"""Little projects as users have them, copied for each test into a directory of its own.

* ``plain``: ``demo.py`` and ``app.py``, applications without a framework that tell about the process they run in.
* ``hooked``: ``plain``'s ``demo.py`` with a configuration whose hooks write down what they see.
* ``filed``: ``demo/wsgi.py``, the same application in a file, for ``--file``.
* ``django_site``: a Django project, ``myproject``, with ``settings/set_prod.py``.
* ``flask_site``: ``site_app.py``, a Flask application.
* ``asgi_site``: ``raw.py``, an ASGI application without a framework, and sites in Starlette, FastAPI, Quart and Litestar.
* ``channels_site``: a Django project, ``mysite``, with Channels and its layer in memory.

They know nothing of Penstock.
"""

from __future__ import annotations

import shutil
from pathlib import Path

PROJECTS = Path(__file__).resolve().parent


def copy_of(name: str, directory: Path) -> Path:
    """A copy of that project under ``directory``; the server is started in it."""
    target = directory / name
    shutil.copytree(PROJECTS / name, target, ignore=shutil.ignore_patterns("__pycache__"))
    if name == "hooked":
        shutil.copy(PROJECTS / "plain" / "demo.py", target)
    return target
