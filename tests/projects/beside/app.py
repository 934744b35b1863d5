"""The application that is served by gunicorn and by Penstock side by side."""

import json
import os
import sys
import time


def environ_of(environ):
    plain = {key: value for key, value in environ.items() if isinstance(value, (str, bool, int, list, tuple))}
    return json.dumps(plain, sort_keys=True)


def app(environ, start_response):
    path, query = environ["PATH_INFO"], environ.get("QUERY_STRING", "")
    status, headers, body = "200 OK", [("Content-Type", "text/plain")], b"hello"
    if path == "/environ":
        body = environ_of(environ).encode("latin-1")
    elif path == "/keys":
        body = " ".join(sorted(environ)).encode()
    elif path == "/types":
        body = " ".join(sorted(f"{key}={type(value).__name__}" for key, value in environ.items())).encode()
    elif path == "/echo":
        body = environ["wsgi.input"].read()
    elif path == "/lines":
        body = b"|".join(environ["wsgi.input"])
    elif path == "/status":
        status = query.replace("%20", " ")
    elif path == "/pid":
        body = str(os.getpid()).encode()
    elif path == "/os":
        body = json.dumps({"cwd": os.getcwd(), "value": os.environ.get(query), "name": __name__}).encode()
    elif path == "/raise":
        raise RuntimeError("on purpose")
    elif path == "/raise-after":
        start_response(status, [*headers, ("Content-Length", "100")])(b"begun")
        raise RuntimeError("on purpose")
    elif path == "/exit":
        sys.exit(4)
    elif path == "/sleep":
        time.sleep(float(query))
    elif path == "/chunks":
        start_response(status, headers)
        return iter([b"one", b"", b"two"])
    elif path == "/print":
        print("printed to output")
        print("printed to error", file=sys.stderr)
        os.system("echo printed by a child")
        sys.stdout.flush()
        sys.stderr.flush()
    elif path == "/empty":
        body = b""
    elif path == "/many":
        headers += [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("X-Empty", "")]
    elif path == "/hop":
        headers += [("Connection", "close"), ("Keep-Alive", "timeout=9"), ("Transfer-Encoding", "chunked")]
    elif path == "/short":
        headers.append(("Content-Length", "99"))
    elif path == "/long":
        headers.append(("Content-Length", "2"))
    elif path == "/file":
        start_response(status, headers)
        return environ["wsgi.file_wrapper"](open(__file__, "rb"))
    elif path == "/bad-header":
        headers.append(("X-Bad", "a\r\nInjected: yes"))
    elif path == "/no-start":
        return [b"never"]
    elif path == "/not-bytes":
        start_response(status, headers)
        return ["text"]
    elif path == "/hints":
        environ["wsgi.early_hints"]([("Link", "</style.css>; rel=preload")])
    elif path == "/twice":
        start_response(status, headers)
    if path in ("/echo", "/environ", "/pid", "/os"):
        headers.append(("Content-Length", str(len(body))))
    start_response(status, headers)
    return [body]


application = app
none = None
not_callable = 7


def factory(word="plain", *, mark="."):
    def made(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [f"{word}{mark}".encode()]

    return made


def pasted(global_config, **settings):
    given = {key: value for key, value in global_config.items() if key not in ("here", "__file__")}
    return factory(json.dumps([given, settings], sort_keys=True))


def shouting(global_config):
    def wrap(inner):
        return lambda environ, start_response: [block.upper() for block in inner(environ, start_response)]

    return wrap


def failing_factory():
    raise ValueError("the factory fails")
