"""An ASGI application beside the WSGI one: ``/raise`` raises, ``/query`` is the query string, everything else greets."""


async def app(scope, receive, send):
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    if scope["path"] == "/raise":
        raise RuntimeError("on purpose")
    body = scope["query_string"] if scope["path"] == "/query" else b"hello"
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
