"""Penstock: an application server for Python, written in Rust.

Put ``penstock`` in front of the command you already run: ``penstock gunicorn -w 4 demo:app``.
"""

from penstock._core import __version__

__all__ = ["__version__"]
