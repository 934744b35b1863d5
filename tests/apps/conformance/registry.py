"""Which application answers which path, and the journal of what happened in them.

The journal is a list of small dicts, kept in this process and taken (emptied) by ``GET /journal``. Every other call is
noted as ``{"call": method, "target": target}`` before the application is entered.
"""

import json
from urllib.parse import parse_qs
from wsgiref.validate import validator

TEXT = [("Content-Type", "text/plain")]

_applications = {}
_journal = []


def route(name, *, validated=True):
    """Register an application under ``/name``."""

    def register(function):
        _applications[name] = validator(function) if validated else function
        return function

    return register


def note(kind, value):
    """Tell the tests that something has happened."""
    _journal.append({kind: value})


def parameters(environ):
    """The query string as a dict of single values."""
    return {key: values[-1] for key, values in parse_qs(environ["QUERY_STRING"], keep_blank_values=True).items()}


def answer_json(start_response, document, status="200 OK"):
    """Answer with a JSON document in one block, without a Content-Length."""
    start_response(status, [("Content-Type", "application/json")])
    return [json.dumps(document).encode("ascii")]


class Watched:
    """An iterable that notes each ``close()``."""

    def __init__(self, blocks, name, *, raises=None):
        self._blocks = iter(blocks)
        self._name = name
        self._raises = raises

    def __iter__(self):
        return self

    def __next__(self):
        return next(self._blocks)

    def close(self):
        note("closed", self._name)
        if self._raises:
            raise self._raises


def application(environ, start_response):
    """Note the call, then let the registered application answer."""
    name = environ["PATH_INFO"].split("/")[1] if environ["PATH_INFO"].startswith("/") else ""
    if name == "journal":
        taken, _journal[:] = _journal[:], []
        return answer_json(start_response, taken)
    target = environ.get("RAW_URI") or environ.get("REQUEST_URI") or environ["PATH_INFO"]
    _journal.append({"call": environ["REQUEST_METHOD"], "target": target})
    return _applications.get(name, _applications["echo"])(environ, start_response)
