import resource

LIMIT_KIB = 10 * 1024 * 1024


def post_request(worker, req, environ, resp):
    if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > LIMIT_KIB:
        worker.log.warning("too much memory")
        worker.alive = False
