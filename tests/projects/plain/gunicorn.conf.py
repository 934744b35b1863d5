"""A configuration as people write it: settings, names that mean nothing to the server, and hooks.

The hooks write to the file that HOOKS names, one line each: name, process id, and what could be seen.
"""

import os

bind = os.environ.get("DEMO_BIND", "127.0.0.1:8000")
workers = 2
threads = 1
keepalive = 5
proc_name = "demo-from-file"
SOMETHING_OF_OUR_OWN = {"ignored": True}


def _note(*words):
    path = os.environ.get("HOOKS")
    if not path:
        return
    with open(path, "a") as file:
        file.write(" ".join([str(word) for word in words]) + f" in {os.getpid()}\n")


def on_starting(server):
    _note("on_starting")


def when_ready(server):
    server.log.info("Demo is ready on %s", bind)
    _note("when_ready", server.pid)


def pre_fork(server, worker):
    _note("pre_fork", worker.age)


def post_fork(server, worker):
    server.log.info("Demo worker spawned (pid: %s)", worker.pid)
    _note("post_fork", worker.pid)


def post_worker_init(worker):
    _note("post_worker_init", worker.pid)


def worker_exit(server, worker):
    _note("worker_exit", worker.pid)


def on_exit(server):
    _note("on_exit")
