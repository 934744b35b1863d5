"""The application in a file of its own, loaded by its path."""

import os


def application(environ, start_response):
    body = f"filed as {__name__.rpartition('_')[2]} in {os.path.basename(os.getcwd())}".encode()
    if environ["PATH_INFO"] == "/worker":
        body = str(os.getpid()).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
