"""The application of `bench/mixed.py`: `/5` takes 5 ms, as any number in the path does; `/` takes none."""

import time


def app(environ, start_response):
    wait = environ["PATH_INFO"].lstrip("/")
    if wait:
        time.sleep(int(wait) / 1000)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2")])
    return [b"ok"]
