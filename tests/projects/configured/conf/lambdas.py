when_ready = lambda server: server.log.info("ready")  # noqa: E731
pre_request = lambda worker, req: worker.log.debug("%s %s", req.method, req.path)  # noqa: E731
post_request = lambda worker, req, environ, resp: worker.log.debug("%s", resp.status)  # noqa: E731
