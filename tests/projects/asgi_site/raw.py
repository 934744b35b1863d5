"""A raw ASGI application: what it is asked for in the path, it does, and says what it saw."""

import asyncio
import contextlib
import contextvars
import gc
import json
import os
import time

marker = contextvars.ContextVar("marker", default="unset")
arrived = 0
all_there = None


def journal(line):
    with open(os.environ["JOURNAL"], "a") as file:
        file.write(line + "\n")


async def answer(send, value, status=200, headers=()):
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    await send({"type": "http.response.start", "status": status, "headers": [*headers]})
    await send({"type": "http.response.body", "body": body})


async def read(receive):
    body, events = b"", 0
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            return body, events, False
        events += 1
        body += event.get("body", b"")
        if not event.get("more_body", False):
            return body, events, True


def plain(value):
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        return await lifespan(scope, receive, send)
    await globals()["do_" + scope["path"].strip("/").split("/")[0].replace("-", "_")](scope, receive, send)


async def lifespan(scope, receive, send):
    scope["state"]["shared"] = ["from lifespan"]
    scope["state"]["number"] = 1
    while True:
        event = await receive()
        journal(event["type"])
        if event["type"] == "lifespan.startup" and os.environ.get("FAIL") == "startup":
            await send({"type": "lifespan.startup.failed", "message": "the database is down"})
            return
        await send({"type": event["type"] + ".complete"})
        if event["type"] == "lifespan.shutdown":
            return


async def do_(scope, receive, send):
    await answer(send, b"hello")


async def do_scope(scope, receive, send):
    kinds = {key: type(value).__name__ for key, value in scope.items()}
    shown = {key: plain(value) for key, value in scope.items()}
    await answer(send, {"kinds": kinds, "scope": shown})


async def do_state(scope, receive, send):
    scope["state"]["number"] += 1
    scope["state"]["shared"].append("more")
    await answer(send, plain(scope["state"]))


async def do_echo(scope, receive, send):
    body, events, _ = await read(receive)
    await answer(send, body, headers=[(b"x-events", b"%d" % events)])


async def do_pieces(scope, receive, send):
    """Answers each piece of the body as soon as it is there."""
    await send({"type": "http.response.start", "status": 200})
    more = True
    while more:
        event = await receive()
        more = event.get("more_body", False)
        await send({"type": "http.response.body", "body": event["body"] + b"|", "more_body": True})
    await send({"type": "http.response.body"})


async def do_unread(scope, receive, send):
    await answer(send, b"not read")


async def do_task(scope, receive, send):
    task = asyncio.current_task()
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(0.01):
            await asyncio.sleep(10)
    except TimeoutError:
        timed_out = True
    except AttributeError:
        timed_out = None  # Python 3.10 has no asyncio.timeout.
    seen = marker.get()
    marker.set("set by a request")
    await answer(
        send,
        {"task": isinstance(task, asyncio.Task), "loop": type(loop).__module__, "timeout": timed_out, "seen": seen},
    )


async def do_receive_ways(scope, receive, send):
    """Every way in which frameworks call `receive`; none may lose an event."""
    receive()  # never awaited
    receive().close()
    first = await asyncio.create_task(receive())
    waiting = asyncio.ensure_future(receive())
    _, pending = await asyncio.wait({waiting}, timeout=0.05)
    waiting.cancel()
    cancelled = False
    try:
        await waiting
    except asyncio.CancelledError:
        cancelled = True
    timed_out = False
    try:
        await asyncio.wait_for(receive(), 0.05)
    except asyncio.TimeoutError:
        timed_out = True
    started, _ = await asyncio.gather(send({"type": "http.response.start", "status": 200}), asyncio.sleep(0))
    result = {
        "first": plain(first),
        "pending": len(pending),
        "cancelled": cancelled,
        "timed_out": timed_out,
        "started": started,
    }
    await asyncio.create_task(send({"type": "http.response.body", "body": json.dumps(result).encode()}))
    after = await receive()
    journal("after the answer: " + after["type"])


async def do_wait_for_disconnect(scope, receive, send):
    await read(receive)
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"begun", "more_body": True})
    event = await receive()
    journal("saw " + event["type"])
    again = await receive()
    journal("and again " + again["type"])


async def do_send_until_gone(scope, receive, send):
    await send({"type": "http.response.start", "status": 200})
    try:
        while True:
            await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
            await asyncio.sleep(0)
    except OSError as error:
        journal("send raised an OSError: " + type(error).__name__)
        raise


async def do_truncated(scope, receive, send):
    _, _, complete = await read(receive)
    journal(f"complete: {complete}")


async def do_wrong(scope, receive, send):
    """Sends what may not be sent and says what came of it."""
    start = {"type": "http.response.start", "status": 200, "headers": []}
    wrong = [
        ("no dict", "text"),
        ("no type", {}),
        ("unknown type", {"type": "http.response.nothing"}),
        ("body first", {"type": "http.response.body", "body": b""}),
        ("no status", {"type": "http.response.start"}),
        ("status text", {"type": "http.response.start", "status": "200"}),
        ("status 99", {"type": "http.response.start", "status": 99}),
        ("interim", {"type": "http.response.start", "status": 100}),
        ("header str", {"type": "http.response.start", "status": 200, "headers": [("a", "b")]}),
        ("header triple", {"type": "http.response.start", "status": 200, "headers": [(b"a", b"b", b"c")]}),
        ("header injection", {"type": "http.response.start", "status": 200, "headers": [(b"a", b"b\r\nc: d")]}),
        ("header name", {"type": "http.response.start", "status": 200, "headers": [(b"a b", b"c")]}),
        ("trailers first", {"type": "http.response.trailers", "headers": []}),
    ]
    raised = {}

    async def attempt(name, event):
        try:
            await send(event)
        except Exception as error:
            raised[name] = type(error).__name__

    for name, event in wrong:
        await attempt(name, event)
    await send(start)
    await attempt("start twice", start)
    await attempt("body text", {"type": "http.response.body", "body": "text"})
    await send({"type": "http.response.body", "body": json.dumps(raised).encode()})
    await attempt("body after the end", {"type": "http.response.body", "body": b"more"})
    journal("after the end: " + raised["body after the end"])


async def do_raise(scope, receive, send):
    raise RuntimeError("raised before the head")


async def do_raise_late(scope, receive, send):
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"begun", "more_body": True})
    raise RuntimeError("raised after the head")


async def do_exit(scope, receive, send):
    raise SystemExit("an application that exits")


async def do_nothing(scope, receive, send):
    return


async def do_unfinished(scope, receive, send):
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"begun", "more_body": True})


async def do_short(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"10")]})
    await send({"type": "http.response.body", "body": b"short"})


async def do_long(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
    await send({"type": "http.response.body", "body": b"longer than said"})


async def do_headers(scope, receive, send):
    headers = [(b"X-B", b"1"), (b"x-a", "ä".encode("latin-1")), (b"X-B", b"2"), (b"transfer-encoding", b"chunked")]
    await answer(send, b"headers", headers=headers)


async def do_no_content(scope, receive, send):
    await answer(send, b"", status=204)


async def do_stream(scope, receive, send):
    await send({"type": "http.response.start", "status": 200})
    for number in range(int(scope["query_string"] or 3)):
        await send({"type": "http.response.body", "body": b"block %d\n" % number, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def do_paced(scope, receive, send):
    """The second block only when the client has asked for it, by a file."""
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"first", "more_body": True})
    while not os.path.exists(os.environ["JOURNAL"] + ".go"):
        await asyncio.sleep(0.01)
    await send({"type": "http.response.body", "body": b"second"})


async def do_big(scope, receive, send):
    """More than any buffer holds; says how far it has come."""
    await send({"type": "http.response.start", "status": 200})
    for number in range(1024):
        await send({"type": "http.response.body", "body": b"%c" % (number % 251) * 65536, "more_body": True})
        journal(f"sent {number}")
    await send({"type": "http.response.body"})


async def do_queued(scope, receive, send):
    """Sends until the client has to read, and then sends nothing until it is told to go on."""
    await send({"type": "http.response.start", "status": 200})
    sent = 0
    with contextlib.suppress(asyncio.TimeoutError):
        while True:
            piece = {"type": "http.response.body", "body": b"x" * 65536, "more_body": True}
            sent += 65536
            await asyncio.wait_for(send(piece), 0.2)
    journal(f"queued {sent}")
    while not os.path.exists(os.environ["JOURNAL"] + ".go"):
        await asyncio.sleep(0.01)
    await send({"type": "http.response.body"})


async def do_path(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.pathsend", "path": __file__})


async def do_zerocopy(scope, receive, send):
    await send({"type": "http.response.start", "status": 200})
    with open(__file__, "rb") as file:
        await send({"type": "http.response.body", "body": b"<", "more_body": True})
        await send({"type": "http.response.zerocopysend", "file": file, "offset": 3, "count": 10, "more_body": True})
        await send({"type": "http.response.zerocopysend", "file": file.fileno(), "offset": 0, "count": 3})


async def do_trailers(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "trailers": True})
    await send({"type": "http.response.body", "body": b"body"})
    await send({"type": "http.response.trailers", "headers": [(b"x-sum", b"1")], "more_trailers": True})
    await send({"type": "http.response.trailers", "headers": [(b"x-end", b"2")]})


async def do_early_hint(scope, receive, send):
    await send({"type": "http.response.early_hint", "links": [b"</a.css>; rel=preload", b"</b.js>; rel=preload"]})
    await answer(send, b"after the hint")


async def do_meet(scope, receive, send):
    """Answers when as many requests as the query says are here together."""
    global arrived, all_there
    if all_there is None:
        all_there = asyncio.Event()
    arrived += 1
    if arrived == int(scope["query_string"]):
        all_there.set()
    await all_there.wait()
    await answer(send, b"met")


async def do_background(scope, receive, send):
    await answer(send, b"answered")
    await asyncio.sleep(0.1)
    journal("done in the background")


async def do_background_raises(scope, receive, send):
    await answer(send, b"answered")
    raise RuntimeError("raised after the answer")


async def do_block(scope, receive, send):
    time.sleep(3.5)
    await answer(send, b"unblocked")


async def do_sleep(scope, receive, send):
    try:
        await asyncio.sleep(float(scope["query_string"]))
    except asyncio.CancelledError:
        journal("cancelled")
        raise
    await answer(send, b"slept")


async def do_objects(scope, receive, send):
    gc.collect()
    await answer(send, len(gc.get_objects()))


def asgi2(scope):
    async def instance(receive, send):
        await app(scope, receive, send)

    return instance


class ClassBased:
    """ASGI 2 as a class."""

    def __init__(self, scope):
        self.scope = scope

    async def __call__(self, receive, send):
        await app(self.scope, receive, send)


def create_app():
    return app


async def no_lifespan(scope, receive, send):
    assert scope["type"] == "http", "this application knows HTTP only"
    await app(scope, receive, send)


def wsgi(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [("wsgi " + str(environ["wsgi.multithread"])).encode()]


def own_loop():
    loop = asyncio.new_event_loop()
    loop.set_debug(True)
    return loop
