"""The applications of `bench/memory.py`: raw ASGI and Starlette. `/census` tells what the worker's Python holds."""

import asyncio
import gc
import json

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


def census():
    gc.collect()
    return {"tasks": len(asyncio.all_tasks()), "objects": len(gc.get_objects())}


async def raw(scope, receive, send):
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    event = await receive()
    body = json.dumps(census()).encode() if scope["path"] == "/census" else b"hello " + event["body"]
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def hello(request):
    body = await request.body()
    return JSONResponse({"hello": request.path_params["name"], "body": len(body)})


async def behind(request):
    async def later():
        await asyncio.sleep(0)

    return Response("hello", background=BackgroundTask(later))


async def tell_census(request):
    return JSONResponse(census())


starlette = Starlette(
    routes=[
        Route("/census", tell_census),
        Route("/behind", behind, methods=["POST"]),
        Route("/{name}", hello, methods=["POST"]),
    ]
)
