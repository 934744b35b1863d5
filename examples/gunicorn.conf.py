"""A gunicorn configuration as it is, with every hook that Penstock calls.

``penstock gunicorn -c examples/gunicorn.conf.py flask_app:app``; every setting: docs/compatibility/gunicorn.md.
"""

import os

chdir = os.path.dirname(os.path.abspath(__file__))
bind = "127.0.0.1:8000"
workers = 2
keepalive = 5
accesslog = "-"


# In the master, in this order.


def nworkers_changed(server, new_value, old_value):
    """The number of workers was set; `old_value` is None at the start."""
    server.log.info("workers: %s, before: %s", new_value, old_value)


def on_starting(server):
    """No socket is open yet."""
    server.log.info("starting %s", server.proc_name)


def when_ready(server):
    """Sockets are open, no worker is forked."""
    server.log.info("ready at %s", server.cfg.bind)


def pre_fork(server, worker):
    """A worker is about to be forked."""
    server.log.info("forking worker of age %s", worker.age)


def child_exit(server, worker):
    """A worker has ended."""
    server.log.info("worker %s has ended", worker.pid)


def on_reload(server):
    """A HUP was obeyed; workers that are forked from now on see this configuration."""
    server.log.info("reloading")


def on_exit(server):
    """All workers are gone."""
    server.log.info("the end of %s", server.pid)


# In each worker.


def post_fork(server, worker):
    """Right after the fork, before the application is imported: the place to open connections of one's own."""
    server.log.info("worker %s of master %s", worker.pid, worker.ppid)


def post_worker_init(worker):
    """The worker has its application."""
    worker.log.info("worker %s has its application", worker.pid)


def worker_exit(server, worker):
    """The worker is on its way out: the place to close what `post_fork` opened."""
    server.log.info("worker %s leaves", worker.pid)
