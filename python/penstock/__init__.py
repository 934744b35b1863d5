"""Penstock: an application server for Python, written in Rust.

Put ``penstock`` in front of the command you already run: ``penstock gunicorn -w 4 demo:app``. Or start it from Python:
``penstock.run("main:app", port=8000)``.
"""

from penstock._core import __version__
from penstock._deadline import DeadlineExceeded
from penstock._run import run

__all__ = ["DeadlineExceeded", "__version__", "offer_gunicorn", "run"]


def offer_gunicorn() -> None:
    """Have ``gunicorn.app.base.BaseApplication`` and the other names that programs embed gunicorn by serve on Penstock.

    Call it before they are imported. Configuration files of ``penstock gunicorn`` have the names anyway.
    """
    from penstock._gunicorn import names

    names.offer(first=True)
