"""Litestar: handlers, a lifespan, streams, and WebSockets in its three manners."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from litestar import Litestar, WebSocket, get, post, websocket, websocket_listener
from litestar.background_tasks import BackgroundTask
from litestar.datastructures import State
from litestar.exceptions import WebSocketDisconnect
from litestar.response import Response, Stream

done: list[str] = []


@dataclass
class Item:
    name: str
    price: float


@asynccontextmanager
async def lifespan(app: Litestar) -> AsyncIterator[None]:
    app.state.greeting = "from the lifespan"
    yield


@get("/")
async def home(state: State) -> dict[str, str]:
    return {"greeting": state.greeting}


@post("/items")
async def make(data: Item) -> dict[str, object]:
    return {"name": data.name, "total": data.price * 2}


@get("/plain", sync_to_thread=True)
def plain() -> str:
    return "from a thread"


@get("/stream")
async def stream() -> Stream:
    async def blocks() -> AsyncIterator[str]:
        for number in range(50):
            yield f"block {number}\n"

    return Stream(blocks())


@get("/background")
async def background() -> Response[str]:
    return Response("later", background=BackgroundTask(note, "ran"))


async def note(text: str) -> None:
    done.append(text)


@get("/done")
async def tell_done() -> list[str]:
    return done


@get("/fails")
async def fails() -> None:
    raise ValueError("a handler that fails")


@websocket_listener("/listener")
async def listener(data: dict[str, str]) -> dict[str, str]:
    return {"heard": data["said"]}


@websocket("/room/{number:int}")
async def room(socket: WebSocket, number: int) -> None:
    await socket.accept(subprotocols="chat")
    try:
        while True:
            await socket.send_bytes(await socket.receive_bytes() + b" in %d" % number)
    except WebSocketDisconnect as left:
        done.append(f"left {left.code}")


app = Litestar(
    route_handlers=[home, make, plain, stream, background, tell_done, fails, listener, room],
    lifespan=[lifespan],
)
