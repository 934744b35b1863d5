"""Stands in for the metrics libraries that configurations import."""


class multiprocess:
    @staticmethod
    def mark_process_dead(pid):
        assert isinstance(pid, int)


def start_when_ready(port):
    assert port > 0


def post_fork(server, worker):
    worker.log.info("imported by its dotted name in %s", worker.pid)


def when_ready(server):
    server.log.info("imported by its dotted name")
