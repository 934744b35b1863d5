import cProfile


def post_fork(server, worker):
    worker.profiler = cProfile.Profile() if worker.age < 0 else None
    worker.served = 0


def post_request(worker, req):
    worker.served += 1


def worker_exit(server, worker):
    worker.log.info("served %d of %d", worker.served, worker.nr)
