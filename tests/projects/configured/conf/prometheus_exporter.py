import metrics

bind = "0.0.0.0:5000"
workers = 2
threads = 4
timeout = 120


def when_ready(server):
    metrics.start_when_ready(8080)


def child_exit(server, worker):
    metrics.multiprocess.mark_process_dead(worker.pid)
