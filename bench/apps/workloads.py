"""WSGI applications for side_by_side.py, one callable per workload."""

import itertools
import time

BODY_10K = b"x" * 10240
BODY_1M = b"x" * (1 << 20)
CHUNK_4K = b"x" * 4096
TEXT = ("Content-Type", "text/plain")


def hello(environ, start_response):
    """13 bytes."""
    start_response("200 OK", [TEXT, ("Content-Length", "13")])
    return [b"Hello, World!"]


def body_10k(environ, start_response):
    """10 KiB."""
    start_response("200 OK", [TEXT, ("Content-Length", "10240")])
    return [BODY_10K]


def body_1m(environ, start_response):
    """1 MiB in one piece."""
    start_response("200 OK", [TEXT, ("Content-Length", str(1 << 20))])
    return [BODY_1M]


def stream(environ, start_response):
    """64 blocks of 4 KiB, length not announced."""
    start_response("200 OK", [TEXT])
    return (CHUNK_4K for _ in range(64))


def sleep5(environ, start_response):
    """5 ms of waiting, as for a database."""
    time.sleep(0.005)
    return hello(environ, start_response)


def every(count, seconds):
    """Every count-th request waits that long; the others are quick."""
    numbers = itertools.count(1)

    def application(environ, start_response):
        if next(numbers) % count == 0:
            time.sleep(seconds)
        return hello(environ, start_response)

    return application


mixed = every(10, 0.005)
one_in_100_slow = every(100, 0.5)


def flask_json():
    """A Flask application with one JSON route at /."""
    from flask import Flask, jsonify

    application = Flask(__name__)
    application.add_url_rule("/", "index", lambda: jsonify(message="Hello, World!"))
    return application
