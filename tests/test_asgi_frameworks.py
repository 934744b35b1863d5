"""Unmodified applications over HTTP and WebSocket, on asyncio and uvloop: Django Channels, Litestar, Quart; and, by httpx,
Starlette, FastAPI and Django.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from harness import SAFETY_SECONDS, Server, StartServer
from harness.processes import wait_until
from projects import copy_of
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect


@pytest.fixture(params=["asyncio", "uvloop"])
def loop(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def open_websocket(server: Server, path: str, **options: Any) -> ClientConnection:
    host, port = server.address
    waits = {"open_timeout": SAFETY_SECONDS, "close_timeout": SAFETY_SECONDS}
    options = {"origin": "http://chat.example", **waits, **options}
    return connect(f"ws://{host}:{port}{path}", **options)


def status_of_refusal(server: Server, path: str, **options: Any) -> int:
    with pytest.raises(InvalidStatus) as refused:
        open_websocket(server, path, **options)
    return refused.value.response.status_code


def receive_json(client: ClientConnection) -> Any:
    return json.loads(client.recv(SAFETY_SECONDS))


@pytest.fixture
def channels(tmp_path: Path, start_server: StartServer, loop: str) -> Server:
    directory = copy_of("channels_site", tmp_path)
    return start_server("uvicorn", "--port", "{port}", "--loop", loop, "mysite.asgi:application", cwd=directory)


def test_channels_brings_messages_from_one_websocket_and_from_a_view_to_all(channels: Server) -> None:
    with (
        open_websocket(channels, "/ws/room/blue") as ann,
        open_websocket(channels, "/ws/room/blue", subprotocols=["chat"]) as bob,
        open_websocket(channels, "/ws/room/red") as eve,
    ):
        assert [receive_json(client) for client in (ann, bob, eve)] == [{"visits": 0}] * 3
        assert bob.subprotocol == "chat"
        ann.send(json.dumps({"name": "Ann", "text": "hello"}))
        for client in (ann, bob):
            assert receive_json(client) == {"name": "Ann", "text": "hello"}
        assert channels.request("POST", "/say/blue", body="grüß".encode()).json() == {"said": "blue"}
        for client in (ann, bob):
            assert receive_json(client) == {"name": "view", "text": "grüß"}
        bob.close(1001)
        assert receive_json(ann) == {"name": "room", "text": "one left with 1001"}
        eve.send(json.dumps({"name": "Eve", "text": "alone"}))
        assert receive_json(eve) == {"name": "Eve", "text": "alone"}
    assert "Traceback" not in channels.log


def test_channels_sees_sessions_and_refuses_origins_and_rooms(channels: Server) -> None:
    answer = channels.get("/visits")
    assert answer.json() == {"visits": 1}
    cookie = answer.value("set-cookie").split(";")[0]
    with open_websocket(channels, "/ws/room/blue", additional_headers={"Cookie": cookie}) as client:
        assert receive_json(client) == {"visits": 1}
    assert status_of_refusal(channels, "/ws/room/closed") == 403
    assert status_of_refusal(channels, "/ws/room/blue", origin="http://other.example") == 403
    assert "Traceback" not in channels.log


def test_a_path_that_channels_has_no_route_for_is_an_exception_told_in_the_log(channels: Server) -> None:
    assert status_of_refusal(channels, "/ws/gone") == 500
    channels.wait_for_log("No route found for path 'ws/gone'")


def test_channels_runs_synchronous_consumers_in_threads(channels: Server) -> None:
    with open_websocket(channels, "/ws/threaded") as client:
        client.send("answered")
        assert client.recv(SAFETY_SECONDS) == "answered in a thread"
        client.send(b"\0\xff")
        assert client.recv(SAFETY_SECONDS) == b"\0\xff"
        client.send("bye")
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(SAFETY_SECONDS)
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4001, "as you wish")


def test_plain_django_has_no_websockets_and_goes_on(tmp_path: Path, start_server: StartServer, loop: str) -> None:
    directory = copy_of("django_site", tmp_path)
    server = start_server("--loop", loop, "-b", "{tcp}", "myproject.asgi:application", cwd=directory)
    assert status_of_refusal(server, "/hello/world/") == 500
    server.wait_for_log("Django can only handle ASGI/HTTP connections, not websocket.")
    assert server.get("/hello/world/").status == 200


def test_litestar(tmp_path: Path, start_server: StartServer, loop: str) -> None:
    directory = copy_of("asgi_site", tmp_path)
    server = start_server("--loop", loop, "-b", "{tcp}", "litestar_site:app", cwd=directory)
    assert server.get("/").json() == {"greeting": "from the lifespan"}
    body = json.dumps({"name": "pipe", "price": 2.5}).encode()
    answer = server.request("POST", "/items", "Content-Type: application/json", body=body)
    assert (answer.status, answer.json()) == (201, {"name": "pipe", "total": 5.0})
    assert server.request("POST", "/items", "Content-Type: application/json", body=b"{}").status == 400
    assert server.get("/plain").body == b"from a thread"
    assert server.get("/stream").body == b"".join(b"block %d\n" % number for number in range(50))
    assert server.get("/background").body == b"later"
    assert wait_until(lambda: server.get("/done").json() == ["ran"], SAFETY_SECONDS)
    assert server.get("/fails").status == 500
    assert server.get("/gone").status == 404


def test_litestar_websockets(tmp_path: Path, start_server: StartServer, loop: str) -> None:
    directory = copy_of("asgi_site", tmp_path)
    server = start_server("--loop", loop, "-b", "{tcp}", "litestar_site:app", cwd=directory)
    with open_websocket(server, "/listener") as client:
        client.send(json.dumps({"said": "ö"}))
        assert receive_json(client) == {"heard": "ö"}
    with open_websocket(server, "/room/7", subprotocols=["chat"]) as client:
        assert client.subprotocol == "chat"
        client.send(b"x" * 70_000)
        assert client.recv(SAFETY_SECONDS) == b"x" * 70_000 + b" in 7"
    assert wait_until(lambda: server.get("/done").json() == ["left 1000"], SAFETY_SECONDS)
    assert status_of_refusal(server, "/room/nan") == 403


def test_quart_websockets(tmp_path: Path, start_server: StartServer, loop: str) -> None:
    directory = copy_of("asgi_site", tmp_path)
    server = start_server("--loop", loop, "-b", "{tcp}", "quart_site:app", cwd=directory)
    with open_websocket(server, "/room/7", subprotocols=["chat"]) as client:
        assert client.subprotocol == "chat"
        assert client.response is not None and client.response.headers["X-Room"] == "7"
        client.send("hello")
        assert receive_json(client) == {"room": 7, "heard": "hello"}
        client.send(b"abc")
        assert client.recv(SAFETY_SECONDS) == b"cba"
        client.send("bye")
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(SAFETY_SECONDS)
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 4001
    assert status_of_refusal(server, "/private") == 401
    assert "Traceback" not in server.log


CONTENT = bytes(range(256)) * 2_000
DIGEST = hashlib.sha256(CONTENT).hexdigest()

# Project, application, and requests: method, path, options of httpx, and what the answer must be.
SITES: dict[str, tuple[str, list[tuple[str, str, dict[str, Any], Any]]]] = {
    "starlette_site:app": (
        "asgi_site",
        [
            ("GET", "/?q=1", {}, {"greeting": "from the lifespan", "query": {"q": "1"}, "ran": 0}),
            ("POST", "/upload", {"files": {"file": ("a.bin", CONTENT)}}, {"name": "a.bin", "sha256": DIGEST}),
            ("GET", "/stream", {}, "".join(f"block {number}\n" for number in range(100))),
        ],
    ),
    "fastapi_site:app": (
        "asgi_site",
        [
            ("GET", "/items/7?q=x", {}, {"id": 7, "q": "x", "dependency_thread": "other"}),
            ("POST", "/items", {"json": {"name": "a", "price": 2.5}}, {"name": "a", "total": 5.0}),
            ("POST", "/upload", {"files": {"file": ("b.bin", CONTENT)}}, {"name": "b.bin", "size": len(CONTENT)}),
            ("GET", "/missing", {}, {"detail": "no such thing"}),
        ],
    ),
    "quart_site:app": (
        "asgi_site",
        [
            ("GET", "/?name=Ann", {}, {"hello": "Ann"}),
            ("POST", "/echo", {"content": "grüß"}, "grüß"),
            ("GET", "/stream", {}, "".join(f"block {number}\n" for number in range(50))),
        ],
    ),
    "myproject.asgi:application": (
        "django_site",
        [
            ("POST", "/json", {"json": {"a": [1, 2]}}, {"got": {"a": [1, 2]}}),
            (
                "POST",
                "/upload",
                {"files": {"document": ("c.bin", CONTENT)}, "data": {"title": "t"}},
                {"name": "c.bin", "size": len(CONTENT), "sha256": DIGEST, "title": "t"},
            ),
            ("GET", "/stream", {}, "".join(f"line {number}\n" for number in range(1000))),
        ],
    ),
}


@pytest.mark.parametrize("application", SITES)
def test_httpx_gets_every_answer_on_a_few_connections(
    tmp_path: Path, start_server: StartServer, loop: str, application: str
) -> None:
    project, requests = SITES[application]
    lifespan = ["--lifespan", "off"] if project == "django_site" else []
    server = start_server(
        "uvicorn", "--port", "{port}", "--loop", loop, *lifespan, application, cwd=copy_of(project, tmp_path)
    )
    host, port = server.address

    async def ask_all() -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=5)
        async with httpx.AsyncClient(
            base_url=f"http://{host}:{port}", limits=limits, timeout=SAFETY_SECONDS, trust_env=False
        ) as client:
            asked = [client.request(method, path, **options) for method, path, options, _ in requests * 10]
            return await asyncio.gather(*asked)

    for response, (_, path, _, expected) in zip(asyncio.run(ask_all()), requests * 10, strict=True):
        answer = response.text if isinstance(expected, str) else response.json()
        assert answer == expected, (path, response)
    assert "Traceback" not in server.log
