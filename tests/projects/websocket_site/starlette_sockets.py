"""WebSockets of Starlette: a room that echoes, one that is refused, one that is denied with a response."""

from __future__ import annotations

import json
import os

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect


async def home(_request: object) -> PlainTextResponse:
    return PlainTextResponse("ok")


async def room(websocket: WebSocket) -> None:
    await websocket.accept(subprotocol=websocket.scope["subprotocols"][0])
    name = websocket.query_params["name"]
    await websocket.send_json({"room": websocket.path_params["number"], "name": name})
    try:
        while True:
            text = await websocket.receive_text()
            if text.startswith("{") and json.loads(text)["binary"]:
                await websocket.send_bytes(b"\0\x01")
            else:
                await websocket.send_text(f"{name}: {text}")
    except WebSocketDisconnect as left:
        with open(os.environ["JOURNAL"], "a", encoding="utf-8") as file:
            file.write(f"left {left.code}\n")


async def private(websocket: WebSocket) -> None:
    await websocket.close()


async def denied(websocket: WebSocket) -> None:
    await websocket.send_denial_response(PlainTextResponse("a teapot", status_code=418))


app = Starlette(
    routes=[
        Route("/", home),
        WebSocketRoute("/room/{number:int}", room),
        WebSocketRoute("/private", private),
        WebSocketRoute("/denied", denied),
    ]
)
