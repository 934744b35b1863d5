"""An application that does with ``uwsgi`` whatever it is asked to, and whoever asks it."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from harness.server import Server

StartServer = Callable[..., Server]

# Answers /NAME?[ARGUMENTS] by calling uwsgi.NAME with the arguments, a list in JSON; the answer is its repr.
APPLICATION = """\
import ast
import os
import uwsgi
import uwsgidecorators
from urllib.parse import unquote

seen = []


@uwsgidecorators.postfork
def forked():
    seen.append(uwsgi.worker_id())


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    name, query = environ["PATH_INFO"][1:], unquote(environ["QUERY_STRING"])
    value = globals()[name] if name in globals() else getattr(uwsgi, name or "version")
    try:
        answer = value(*ast.literal_eval(query or "()")) if callable(value) else value
    except Exception as error:
        answer = f"{type(error).__name__}: {error}"
    return [repr((os.getpid(), answer)).encode()]
"""


class Api:
    """What ``uwsgi`` answers in whichever worker is asked."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def ask(self, name: str, *arguments: Any) -> tuple[int, Any]:
        """The process that has answered, and its answer."""
        answer = self.server.get(f"/{name}?{quote(repr(arguments))}")
        assert answer.status == 200, answer
        process, value = ast.literal_eval(answer.body.decode())
        return process, value

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda *arguments: self.ask(name, *arguments)[1]


def served(start_server: StartServer, directory: Path, *options: str, more: str = "") -> Api:
    (directory / "app.py").write_text(APPLICATION + more)
    return Api(start_server("uwsgi", "--http-socket", "{tcp}", "--wsgi-file", "app.py", *options, cwd=directory))
