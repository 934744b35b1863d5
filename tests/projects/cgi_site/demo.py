"""A WSGI application beside the scripts; it can also be a CGI program itself."""

import sys


def app(environ, start_response):
    if environ["PATH_INFO"] == "/raise":
        raise RuntimeError("raised by the application")
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    print("said on wsgi.errors", file=environ["wsgi.errors"])
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-Run-Once", str(environ["wsgi.run_once"]))])
    lines = [environ["REQUEST_METHOD"], environ["SCRIPT_NAME"] + "|" + environ["PATH_INFO"], environ["QUERY_STRING"]]
    return ["\n".join(lines).encode("latin-1"), b"\n", body]


async def asgi(scope, receive, send):
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"asgi"})


if __name__ == "__main__":
    sys.exit("not a script")
