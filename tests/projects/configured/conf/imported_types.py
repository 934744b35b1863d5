import gunicorn.arbiter
import gunicorn.workers.base

worker_class = "gthread"
workers = 2
threads = 10


def on_starting(server: gunicorn.arbiter.Arbiter) -> None:
    server.log.info("starting as %s", server.pid)


def post_fork(server: gunicorn.arbiter.Arbiter, worker: gunicorn.workers.base.Worker) -> None:
    worker.log.info("forked %s of %s", worker.age, server.cfg.workers)
