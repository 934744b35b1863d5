"""The event loop of an ASGI worker: the application's lifespan around it, requests in it.

What a request costs is in `penstock._core`; here are the coroutines, which Python is the better language for.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import importlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol

from penstock._loader import WRONG_SETTING, LoadError

Event = MutableMapping[str, Any]
Receiver = Callable[[], Awaitable[Event]]
Sender = Callable[[Event], Awaitable[None]]
Application = Callable[[MutableMapping[str, Any], Receiver, Sender], Awaitable[None]]

#: The exit code for an application whose lifespan says that it cannot start.
STARTUP_FAILED = 3


#: What tasks that are cancelled get to clean up after themselves.
CANCEL_SECONDS = 1.0


class Request(Protocol):
    """A request of `penstock._core`."""

    receive: Receiver
    send: Sender

    def take_event(self) -> Event | None: ...
    def arrival(self) -> asyncio.Future[None]: ...
    def drain(self) -> asyncio.Future[None] | None: ...
    def returned(self) -> None: ...
    def failed(self, error: BaseException, scope: MutableMapping[str, Any]) -> None: ...
    def blocks_too_long(self) -> bool: ...


class Driver(Protocol):
    """What turns the reactor: see `penstock._core`."""

    def start(self, application: Application, state: dict[str, Any] | None) -> asyncio.Future[None]: ...
    def tasks(self) -> list[asyncio.Task[None]]: ...
    def cancels(self, tasks: int) -> None: ...
    def lifespan(self, what: str, details: str = "") -> None: ...


async def run(application: Application, scope: MutableMapping[str, Any], request: Request) -> None:
    """One request, from the call of the application to the word on how it ended."""
    try:
        await application(scope, request.receive, request.send)
    except BaseException as error:
        # The application's own part of the traceback.
        own = error.__traceback__.tb_next if error.__traceback__ else None
        request.failed(error.with_traceback(own), scope)
    else:
        request.returned()


#: The request that runs, in its task and in the tasks it has started; set only where there is a deadline.
_request: contextvars.ContextVar[Request | None] = contextvars.ContextVar("penstock_request", default=None)


async def run_with_deadline(application: Application, scope: MutableMapping[str, Any], request: Request) -> None:
    """`run`, so that the request can be found when its step blocks the loop for too long."""
    _request.set(request)
    await run(application, scope, request)


def blocks_too_long() -> bool:
    """Asked by the handler of a signal, in the middle of a step that blocks the loop: whether to interrupt that step.

    What blocks may be no request at all: a callback, a task of the application's own. That is left alone.
    """
    request = _request.get()
    return request is not None and request.blocks_too_long()


async def receive_later(request: Request) -> Event:
    """`receive` that has to wait."""
    while (event := request.take_event()) is None:
        await request.arrival()
    return event


async def send_later(request: Request) -> None:
    """`send` that has to wait until the client has read."""
    while (drained := request.drain()) is not None:
        await drained


def serve(
    driver: Driver, application: Any, is_asgi2: bool, lifespan: str, event_loop: str, graceful_seconds: float
) -> int:
    """Run the loop until the worker has left; returns its exit code."""
    if is_asgi2:
        application = _asgi3_of(application)
    loop = _new_loop(event_loop)
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(_serve(driver, application, lifespan, graceful_seconds))
    finally:
        try:
            _cancel(loop, asyncio.all_tasks(loop))
            loop.run_until_complete(loop.shutdown_asyncgens())
            # Threads of the default executor that hang do not hold the worker up.
            with contextlib.suppress(asyncio.TimeoutError):
                loop.run_until_complete(asyncio.wait_for(loop.shutdown_default_executor(), CANCEL_SECONDS))
        finally:
            asyncio.set_event_loop(None)
            loop.close()


async def _serve(driver: Driver, application: Application, mode: str, graceful_seconds: float) -> int:
    lifespan = Lifespan(driver, application, mode)
    if not await lifespan.startup():
        return STARTUP_FAILED
    await driver.start(application, lifespan.state)
    # What is still in progress, or goes on after its answer, has had its time.
    tasks = {task for task in asyncio.all_tasks() if _is_request(task)}.union(driver.tasks())
    driver.cancels(len(tasks))
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=CANCEL_SECONDS)
    await lifespan.shutdown(graceful_seconds)
    return 0


def _is_request(task: asyncio.Task[Any]) -> bool:
    return getattr(task.get_coro(), "cr_code", None) in (run.__code__, run_with_deadline.__code__)


def _cancel(loop: asyncio.AbstractEventLoop, tasks: set[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        # One that does not let itself be cancelled is left behind, without a word on standard error.
        loop.run_until_complete(asyncio.wait(tasks, timeout=CANCEL_SECONDS))
        for task in tasks:
            task._log_destroy_pending = False  # type: ignore[attr-defined]


def _asgi3_of(application: Any) -> Application:
    async def asgi3(scope: MutableMapping[str, Any], receive: Receiver, send: Sender) -> None:
        await application(scope)(receive, send)

    return asgi3


def _new_loop(name: str) -> asyncio.AbstractEventLoop:
    if name in ("auto", "uvloop"):
        try:
            import uvloop
        except ImportError:
            if name == "uvloop":
                raise _wrong_loop(
                    "the event loop is uvloop, which is not installed: install it, or choose 'asyncio' or 'auto'"
                ) from None
        else:
            loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
            return loop
    if name in ("auto", "asyncio", "none"):
        return asyncio.new_event_loop()
    module_name, _, attribute = name.partition(":")
    try:
        factory: Any = importlib.import_module(module_name)
        for part in attribute.split("."):
            factory = getattr(factory, part)
    except (ImportError, AttributeError, ValueError) as error:
        raise _wrong_loop(f"the event loop {name!r} cannot be found: {error}") from None
    try:
        made = factory()
        if isinstance(made, type):
            made = made()
    except Exception as error:
        raise _wrong_loop(f"the event loop {name!r} cannot be made: {type(error).__name__}: {error}") from None
    if not isinstance(made, asyncio.AbstractEventLoop):
        raise _wrong_loop(f"the event loop {name!r} is none, but {made!r}")
    return made


def _wrong_loop(message: str) -> LoadError:
    return LoadError(message, WRONG_SETTING)


class Lifespan:
    """The application's lifespan (ASGI's Lifespan specification 2.0)."""

    def __init__(self, driver: Driver, application: Application, mode: str) -> None:
        self.state: dict[str, Any] | None = None
        self._driver = driver
        self._application = application
        self._mode = mode
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._started = asyncio.Event()
        self._stopped = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._asked = False
        self._failure: str | None = None
        self._stop_failure: str | None = None

    async def startup(self) -> bool:
        """Have the application start; False when it cannot."""
        if self._mode == "off":
            return True
        self._driver.lifespan("starting")
        self.state = {}
        self._events.put_nowait({"type": "lifespan.startup"})
        self._task = asyncio.get_running_loop().create_task(self._run(self.state), name="lifespan")
        await self._started.wait()
        if self._failure is None:
            self._driver.lifespan("started" if self._task is not None else "unsupported")
            return True
        self._driver.lifespan("failed", self._failure)
        return False

    async def shutdown(self, patience: float) -> None:
        """Have the application stop, for as long as that may take."""
        if self._task is None or self._task.done():
            return
        self._driver.lifespan("stopping")
        self._events.put_nowait({"type": "lifespan.shutdown"})
        try:
            await asyncio.wait_for(self._stopped.wait(), patience)
        except asyncio.TimeoutError:
            self._stop_failure = f"it took longer than {patience:g} s"
        if self._stop_failure is None:
            self._driver.lifespan("stopped")
        else:
            self._driver.lifespan("stop-failed", self._stop_failure)

    async def _run(self, state: dict[str, Any]) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": state}
        try:
            await self._application(scope, self._receive, self._send)
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self._raised(error)
        finally:
            if not self._started.is_set() and self._failure is None:
                # It returned without a word: it has no use for a lifespan.
                self._gone_without()
            self._started.set()
            self._stopped.set()

    def _raised(self, error: BaseException) -> None:
        traceback = "Exception in 'lifespan' protocol\n" + _traceback(error)
        if self._started.is_set():
            if self._failure is not None:
                # It has said so already.
                return
            if self._asked:
                self._stop_failure = traceback
            else:
                self._driver.lifespan("broke", traceback)
        elif self._mode == "on":
            self._failure = traceback
        else:
            # The specification's way to say that an application knows no lifespan.
            self._gone_without()

    def _gone_without(self) -> None:
        if self._mode == "on":
            self._failure = "the application returned without lifespan.startup.complete"
        self._task = None
        self.state = None

    async def _receive(self) -> Event:
        event = await self._events.get()
        self._asked = event["type"] == "lifespan.shutdown"
        return event

    async def _send(self, event: Event) -> None:
        kind = event["type"]
        if kind in ("lifespan.startup.complete", "lifespan.startup.failed") and not self._started.is_set():
            if kind == "lifespan.startup.failed":
                self._failure = event.get("message", "") or "the application gave no reason"
            self._started.set()
        elif kind in ("lifespan.shutdown.complete", "lifespan.shutdown.failed") and self._asked:
            if kind == "lifespan.shutdown.failed":
                self._stop_failure = event.get("message", "") or "the application gave no reason"
            self._stopped.set()
        else:
            raise RuntimeError(f"unexpected event {kind!r} of the lifespan")


def _traceback(error: BaseException) -> str:
    import traceback

    entry = error.__traceback__
    while entry is not None and entry.tb_frame.f_code.co_filename == __file__:
        entry = entry.tb_next
    return "".join(traceback.format_exception(type(error), error, entry))
