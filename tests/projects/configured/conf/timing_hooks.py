import time


def pre_request(worker, req):
    req.started = time.monotonic()
    worker.log.debug("%s %s", req.method, req.path)


def post_request(worker, req, environ, resp):
    took = time.monotonic() - req.started
    worker.log.info("%s %s %s %.3f", req.method, req.path, resp.status, took)
