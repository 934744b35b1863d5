import atexit
import logging

log = logging.getLogger(__name__)


def post_fork(server, worker):
    """Tracing has to be set up in each worker."""
    atexit.register(log.info, "flushed")


def worker_exit(server, worker):
    log.info("leaving")
