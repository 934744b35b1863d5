"""Applications that the tests of uvicorn's command serve."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket


async def index(request: Request) -> Response:
    return PlainTextResponse("hello")


async def log(request: Request) -> Response:
    logging.getLogger("uvicorn.error").info("from %s", "the application")
    logging.getLogger("uvicorn").warning("something to look at")
    return PlainTextResponse("logged")


async def slow(request: Request) -> Response:
    logging.getLogger("uvicorn.error").info("slow begins")
    await asyncio.sleep(1)
    return PlainTextResponse("slow")


async def until_released(name: str) -> None:
    logging.getLogger("uvicorn.error").info("%s begins", name)
    while not os.path.exists("release"):
        await asyncio.sleep(0.02)


async def held(request: Request) -> Response:
    await until_released("held")
    return PlainTextResponse("held")


async def behind(request: Request) -> Response:
    return PlainTextResponse("behind", background=BackgroundTask(until_released, "behind"))


async def private(websocket: WebSocket) -> None:
    await websocket.close()


async def denied(websocket: WebSocket) -> None:
    await websocket.send_denial_response(PlainTextResponse("a teapot", status_code=418))


async def scope(request: Request) -> Response:
    keys = ("path", "root_path", "scheme", "client")
    return JSONResponse(
        {key: request.scope[key] for key in keys} | {"pid": os.getpid(), "set": os.environ.get("FROM_FILE")}
    )


async def broken(request: Request) -> Response:
    raise RuntimeError("on purpose")


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    yield


def create_app() -> Starlette:
    handlers = (index, log, slow, held, behind, scope, broken)
    routes = [Route("/" if handler is index else f"/{handler.__name__}", handler) for handler in handlers]
    websockets = [WebSocketRoute(f"/{handler.__name__}", handler) for handler in (private, denied)]
    return Starlette(routes=[*routes, *websockets], lifespan=lifespan)


app = create_app()


@asynccontextmanager
async def no_start(app: Starlette) -> AsyncIterator[None]:
    raise RuntimeError("the database is down")
    yield


failing = Starlette(lifespan=no_start)
