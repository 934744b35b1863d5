from metrics import multiprocess

workers = 2
threads = 2


def child_exit(server, worker):
    multiprocess.mark_process_dead(worker.pid)
