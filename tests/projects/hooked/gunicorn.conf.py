"""Every hook of gunicorn. Each writes a line to the file that HOOKS names: what it is called, where, and what it saw."""

import json
import os

PARENT = os.getpid()


def _note(name, **seen):
    seen["where"] = "master" if os.getpid() == PARENT else "worker"
    with open(os.environ["HOOKS"], "a") as file:
        file.write(json.dumps({"hook": name, **seen}) + "\n")


def on_starting(server):
    _note("on_starting", pid=server.pid == os.getpid(), sockets=len(server.LISTENERS))


def on_reload(server):
    _note("on_reload", workers=server.cfg.workers)


def when_ready(server):
    server.log.info("ready on %s", server.address)
    _note("when_ready", listeners=[str(listener) for listener in server.LISTENERS], workers=len(server.WORKERS))


def pre_fork(server, worker):
    worker.made_by_hook = "yes"
    _note("pre_fork", age=worker.age, pid=worker.pid)


def post_fork(server, worker):
    _note("post_fork", pid=worker.pid == os.getpid(), kept=worker.made_by_hook, ppid=worker.ppid == os.getppid())


def post_worker_init(worker):
    _note("post_worker_init", wsgi=callable(worker.wsgi), booted=worker.booted)


def worker_int(worker):
    _note("worker_int", alive=worker.alive)


def worker_abort(worker):
    _note("worker_abort", pid=worker.pid == os.getpid())


def pre_request(worker, req):
    if req.path == "/refused-by-hook":
        raise PermissionError("the hook says no")
    headers = dict(req.headers)
    _note("pre_request", method=req.method, path=req.path, query=req.query, uri=req.uri, x=headers.get("X-SEEN"))


def post_request(worker, req, environ, resp):
    _note("post_request", path=environ["PATH_INFO"], status=resp.status, sent=resp.sent, nr=worker.nr)
    if req.path == "/retire":
        worker.alive = False


def child_exit(server, worker):
    _note("child_exit", kept=worker.made_by_hook, gone=worker.pid not in server.WORKERS)


def worker_exit(server, worker):
    _note("worker_exit", kept=worker.made_by_hook)


def nworkers_changed(server, new, old):
    _note("nworkers_changed", new=new, old=old)


def on_exit(server):
    _note("on_exit", workers=len(server.WORKERS))
