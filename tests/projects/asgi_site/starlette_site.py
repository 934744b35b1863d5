"""Starlette, as its documentation has it."""

import contextlib
import hashlib

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Route


@contextlib.asynccontextmanager
async def lifespan(app):
    yield {"greeting": "from the lifespan"}


class Timing(BaseHTTPMiddleware):
    """The middleware that calls `receive` and `send` in the least usual ways."""

    async def dispatch(self, request, call_next):
        response = await call_next(request)
        response.headers["x-middleware"] = "passed"
        return response


ran = []


async def home(request):
    return JSONResponse({"greeting": request.state.greeting, "query": dict(request.query_params), "ran": len(ran)})


async def upload(request):
    form = await request.form()
    content = await form["file"].read()
    return JSONResponse({"name": form["file"].filename, "sha256": hashlib.sha256(content).hexdigest()})


async def stream(request):
    async def blocks():
        for number in range(100):
            yield f"block {number}\n"

    return StreamingResponse(blocks(), media_type="text/plain")


async def file(request):
    return FileResponse(__file__)


async def background(request):
    return PlainTextResponse("later", background=BackgroundTask(ran.append, 1))


async def fails(request):
    raise ValueError("a view that fails")


app = Starlette(
    routes=[
        Route("/", home),
        Route("/upload", upload, methods=["POST"]),
        Route("/stream", stream),
        Route("/file", file),
        Route("/background", background),
        Route("/fails", fails),
    ],
    middleware=[Middleware(Timing)],
    lifespan=lifespan,
)
