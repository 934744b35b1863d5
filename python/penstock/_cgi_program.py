"""Runs a WSGI application for the one CGI request in this process's environment."""

from __future__ import annotations

import wsgiref.handlers
from typing import Any


class _Handler(wsgiref.handlers.CGIHandler):
    """The standard library's handler, with what PEP 3333 wants of an environ where a web server leaves it away."""

    # A process serves one request, whatever the web server does with others.
    wsgi_run_once = True
    environ: dict[str, Any]

    def setup_environ(self) -> None:
        super().setup_environ()
        for key in ("SCRIPT_NAME", "PATH_INFO", "QUERY_STRING"):
            self.environ.setdefault(key, "")
        # Libraries take it for a setting ("httpoxy").
        self.environ.pop("HTTP_PROXY", None)


def run(application: Any) -> None:
    """Answer the request on standard output."""
    _Handler().run(application)
