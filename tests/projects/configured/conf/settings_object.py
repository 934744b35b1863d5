def post_worker_init(worker):
    threads = worker.cfg.settings["threads"].value
    worker.log.info("threads=%s bind=%s timeout=%s", threads, worker.cfg.bind, worker.cfg.timeout)


def when_ready(server):
    server.log.info("%s listens on %s with %d workers", server.proc_name, server.address, server.num_workers)
