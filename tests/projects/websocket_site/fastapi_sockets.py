"""The same with FastAPI: parameters by annotation, a dependency that refuses."""

from __future__ import annotations

import json
import os

from fastapi import Depends, FastAPI, WebSocket, WebSocketDisconnect, WebSocketException
from starlette.responses import PlainTextResponse

app = FastAPI()


def nobody() -> None:
    raise WebSocketException(code=1008)


@app.get("/")
async def home() -> str:
    return "ok"


@app.websocket("/room/{number}")
async def room(websocket: WebSocket, number: int, name: str) -> None:
    await websocket.accept(subprotocol=websocket.scope["subprotocols"][0])
    await websocket.send_json({"room": number, "name": name})
    try:
        async for text in websocket.iter_text():
            if text.startswith("{") and json.loads(text)["binary"]:
                await websocket.send_bytes(b"\0\x01")
            else:
                await websocket.send_text(f"{name}: {text}")
        await websocket.receive_text()
    except (WebSocketDisconnect, RuntimeError):
        with open(os.environ["JOURNAL"], "a", encoding="utf-8") as file:
            file.write("left 1000\n")


@app.websocket("/private")
async def private(websocket: WebSocket, _: None = Depends(nobody)) -> None:
    await websocket.accept()


@app.websocket("/denied")
async def denied(websocket: WebSocket) -> None:
    await websocket.send_denial_response(PlainTextResponse("a teapot", status_code=418))
