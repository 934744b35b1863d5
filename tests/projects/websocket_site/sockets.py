"""A raw ASGI application whose path says what its WebSockets do. What it is told goes into the journal.

It uses no framework, so that every event and every exception of `send` can be seen.
"""

from __future__ import annotations

import asyncio
import json
import os
from typing import Any

JOURNAL = os.environ.get("JOURNAL", os.devnull)
STATE: dict[str, Any] = {}


def note(line: str) -> None:
    with open(JOURNAL, "a", encoding="utf-8") as file:
        file.write(line + "\n")


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        while True:
            event = await receive()
            await send({"type": event["type"] + ".complete"})
            if event["type"] == "lifespan.shutdown":
                return
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})
        return
    await PATHS[scope["path"].split("/")[1]](scope, receive, send)


async def connected(receive: Any, send: Any, **accept: Any) -> None:
    event = await receive()
    assert event == {"type": "websocket.connect"}, event
    await send({"type": "websocket.accept", **accept})


async def echo(scope: Any, receive: Any, send: Any) -> None:
    await connected(receive, send)
    while (event := await receive())["type"] == "websocket.receive":
        assert set(event) == {"type", "text"} or set(event) == {"type", "bytes"}, event
        await send({**event, "type": "websocket.send"})
    note(f"disconnect {event['code']} {event['reason']}")
    assert await receive() == event, "the end is told again"


async def tell_scope(scope: Any, receive: Any, send: Any) -> None:
    await connected(receive, send)
    shown = {key: value for key, value in scope.items() if key not in ("headers", "state")}
    await send({"type": "websocket.send", "text": json.dumps(shown, default=lambda value: value.decode("latin-1"))})
    await send({"type": "websocket.close"})


async def subprotocol(scope: Any, receive: Any, send: Any) -> None:
    chosen = scope["path"].split("/")[2]
    try:
        await connected(receive, send, subprotocol=chosen, headers=[(b"X-One", b"1"), (b"x-one", b"2")])
    except ValueError as error:
        note(f"ValueError {error}")
        await connected_again(send)
    await send({"type": "websocket.close", "code": 3001, "reason": "as agreed ✓"})


async def connected_again(send: Any) -> None:
    for bad in ([(b"sec-websocket-protocol", b"x")], [(b"x", b"a\r\nb: c")], [(b"a b", b"c")]):
        try:
            await send({"type": "websocket.accept", "headers": bad})
        except ValueError as error:
            note(f"ValueError {error}")
    await send({"type": "websocket.accept"})


async def refuse(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.close", "code": 4000, "reason": "not seen"})
    note(json.dumps(await receive()))
    await raises(send, {"type": "websocket.accept"})


async def deny(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    assert "websocket.http.response" in scope["extensions"]
    headers = [(b"content-type", b"application/json"), (b"www-authenticate", b"Basic")]
    await send({"type": "websocket.http.response.start", "status": 401, "headers": headers})
    if scope["path"].endswith("pieces"):
        await send({"type": "websocket.http.response.body", "body": b'{"why": ', "more_body": True})
        await send({"type": "websocket.http.response.body", "body": b'"nobody"}'})
    else:
        await send({"type": "websocket.http.response.body", "body": b'{"why": "nobody"}'})


async def raise_first(scope: Any, receive: Any, send: Any) -> None:
    raise RuntimeError("before the handshake")


async def return_first(scope: Any, receive: Any, send: Any) -> None:
    await receive()


async def raise_later(scope: Any, receive: Any, send: Any) -> None:
    await connected(receive, send)
    await receive()
    raise RuntimeError("in the middle")


async def return_later(scope: Any, receive: Any, send: Any) -> None:
    await connected(receive, send)
    await send({"type": "websocket.send", "text": "bye"})


async def close_with(scope: Any, receive: Any, send: Any) -> None:
    await connected(receive, send)
    event = json.loads((await receive())["text"])
    try:
        await send({"type": "websocket.close", **event})
    except ValueError as error:
        await send({"type": "websocket.send", "text": f"ValueError {error}"})
        await send({"type": "websocket.close"})
    note(json.dumps(await receive()))
    await raises(send, {"type": "websocket.send", "text": "late"})


async def wrong(scope: Any, receive: Any, send: Any) -> None:
    """Sends what may not be sent; the answers are the exceptions."""
    await receive()
    await raises(send, {"type": "websocket.send", "text": "early"})
    await raises(send, {"type": "http.response.start", "status": 200})
    await raises(send, {"type": "websocket.http.response.body"})
    await send({"type": "websocket.accept"})
    for event in (
        {"type": "websocket.accept"},
        {"type": "websocket.send"},
        {"type": "websocket.send", "text": "a", "bytes": b"b"},
        {"type": "websocket.send", "text": b"bytes"},
        {"type": "websocket.send", "bytes": "text"},
        {"type": "websocket.send", "text": "\ud800"},
        {"type": "websocket.close", "code": 1006},
        {"type": "websocket.close", "reason": "x" * 124},
        {"type": "websocket.nonsense"},
        {},
        None,
    ):
        await raises(send, event)
    await send({"type": "websocket.send", "text": "still here", "bytes": None})
    await send({"type": "websocket.close"})


async def raises(send: Any, event: Any) -> None:
    try:
        await send(event)
    except Exception as error:
        note(f"{type(error).__mro__[-4 if isinstance(error, OSError) else 0].__name__}: {error}")
    else:
        note(f"{event} was taken")


async def stream(scope: Any, receive: Any, send: Any) -> None:
    """Sends as fast as it may; how much was taken goes into the journal."""
    await connected(receive, send)
    block = b"x" * 65536
    sent = 0
    try:
        for _ in range(4096):
            await asyncio.wait_for(send({"type": "websocket.send", "bytes": block}), 2)
            sent += len(block)
    except (TimeoutError, asyncio.TimeoutError):
        note(f"stalled after {sent}")
        await receive()
    except OSError as error:
        note(f"{type(error).__name__} after {sent}")
        return
    note("sent everything")


async def hold(scope: Any, receive: Any, send: Any) -> None:
    """Receives nothing until its client is told so by HTTP: see `release`."""
    await connected(receive, send)
    await STATE.setdefault("released", asyncio.Event()).wait()
    count = 0
    while (await receive())["type"] == "websocket.receive":
        count += 1
    note(f"received {count}")


async def release(scope: Any, receive: Any, send: Any) -> None:
    await connected(receive, send)
    STATE.setdefault("released", asyncio.Event()).set()
    await send({"type": "websocket.close"})


async def push(scope: Any, receive: Any, send: Any) -> None:
    """Sends and never receives."""
    await connected(receive, send)
    try:
        while True:
            await send({"type": "websocket.send", "text": "tick"})
            await asyncio.sleep(0.01)
    except OSError as error:
        note(f"{type(error).__name__}")
        raise


async def receive_in_task(scope: Any, receive: Any, send: Any) -> None:
    """Receives in a task that is cancelled and started anew, as applications with timeouts do."""
    await connected(receive, send)
    for _ in range(3):
        task = asyncio.create_task(receive())
        done, _ = await asyncio.wait({task}, timeout=0.01)
        if not done:
            task.cancel()
    receive()
    await send({"type": "websocket.send", "text": "ready"})
    await send({"type": "websocket.send", "text": (await asyncio.wait_for(receive(), 60))["text"]})
    await send({"type": "websocket.close"})


PATHS = {
    name.replace("_", "-"): value
    for name, value in list(globals().items())
    if asyncio.iscoroutinefunction(value) and name not in ("app", "connected", "connected_again", "raises")
}
