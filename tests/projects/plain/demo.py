"""A WSGI application without a framework that tells about the process it runs in.

``/`` greets; ``/worker`` is the worker's process id; ``/version`` is the content of the file VERSION at import;
``/sleep?SECONDS`` takes its time, ``/until?FILE`` waits for that file, and both say in the log that they have begun;
``/die?CODE`` leaves through ``os._exit``; ``/raise`` raises; ``/echo`` gives the body back;
``/environment?NAME`` is an environment variable; ``/forks`` tells which fork hooks have run in this process;
``/query`` is the query string; ``/facts`` is what the process is.
"""

import json
import os
import sys
import time
from pathlib import Path

VERSION = Path("VERSION").read_text().strip() if Path("VERSION").exists() else "none"
IMPORTED_BY = os.getpid()
forks = []

os.register_at_fork(
    before=lambda: forks.append(f"before in {os.getpid()}"),
    after_in_parent=lambda: forks.append(f"parent {os.getpid()}"),
    after_in_child=lambda: forks.append(f"child {os.getpid()}"),
)


def facts():
    return {
        "pid": os.getpid(),
        "ppid": os.getppid(),
        "imported_by": IMPORTED_BY,
        "version": VERSION,
        "cwd": os.getcwd(),
        "path": sys.path,
        "umask": _umask(),
        "uid": os.getuid(),
        "gid": os.getgid(),
        "groups": os.getgroups(),
        "module": __name__,
        "prefix": sys.prefix,
    }


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def answer(environ):
    path, query = environ["PATH_INFO"], environ.get("QUERY_STRING", "")
    if path == "/worker":
        return str(os.getpid())
    if path == "/version":
        return VERSION
    if path == "/sleep":
        print(f"begun to sleep {query}", file=environ["wsgi.errors"])
        time.sleep(float(query))
        return f"slept in {os.getpid()}"
    if path == "/until":
        print(f"begun to wait for {query}", file=environ["wsgi.errors"])
        while not Path(query).exists():
            time.sleep(0.01)
        return f"waited in {os.getpid()}"
    if path == "/die":
        os._exit(int(query))
    if path == "/raise":
        raise RuntimeError("on purpose")
    if path == "/exit":
        sys.exit(5)
    if path == "/echo":
        return environ["wsgi.input"].read().decode("latin-1")
    if path == "/environment":
        return os.environ.get(query, "")
    if path == "/forks":
        return json.dumps(forks)
    if path == "/query":
        return query
    if path == "/facts":
        return json.dumps(facts())
    if path == "/flags":
        keys = ("wsgi.multithread", "wsgi.multiprocess", "wsgi.run_once")
        return json.dumps({key: environ[key] for key in keys})
    if path == "/say":
        print(query, file=environ["wsgi.errors"])
        return "said"
    return "hello from demo"


def app(environ, start_response):
    body = answer(environ).encode("latin-1")
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


application = app


def make_app(greeting, *, mark="!"):
    """A factory, for ``demo:make_app('x', mark='?')``."""

    def made(environ, start_response):
        body = f"{greeting}{mark}".encode()
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
        return [body]

    return made


not_callable = 42
