"""gevent's hub turns the reactor of a worker; each request is a greenlet.

Importing this module needs gevent. What a request costs is in `penstock._core`; here is what has to be said to gevent:
which descriptor to watch, when to turn again, which greenlets to start and to switch to.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any, Protocol

import gevent
import gevent.event
import gevent.hub
import gevent.monkey
import gevent.pool
import gevent.select

#: What greenlets that are killed at the end get to clean up after themselves.
KILL_SECONDS = 1.0
#: How often the hub says that it is alive while requests are in progress.
BEAT_SECONDS = 0.5
#: Differences between timers that are not worth a new one.
TIMER_SLACK = 0.005
#: For `loop.io`: readable.
READ = 1


class Driver(Protocol):
    """What turns the reactor: see `penstock._core`."""

    def start(
        self, wait: Callable[[int], None], wait_socket: Callable[[int, bool, float], bool], pause: Callable[[], None]
    ) -> int: ...
    def turn(self) -> tuple[int, list[int], float | None]: ...
    def departed(self) -> bool: ...
    def serve(self) -> None: ...
    def beat(self) -> bool: ...


def patch() -> None:
    """Make the standard library cooperative; the hub that a parent process may have had is made anew."""
    gevent.monkey.patch_all()
    gevent.reinit()


def serve(driver: Driver) -> None:
    """Run until the worker has left."""
    _Hub(driver).run()


def _pause() -> None:
    gevent.sleep(0.001)


def _wait_socket(descriptor: int, to_write: bool, seconds: float) -> bool:
    """Others go on until the socket is ready; whether it is in time."""
    asked: list[list[int]] = [[], [descriptor]] if to_write else [[descriptor], []]
    return any(gevent.select.select(*asked, [], seconds))


class _Hub:
    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._hub: Any = gevent.get_hub()
        self._loop: Any = self._hub.loop
        self._greenlets: Any = gevent.pool.Group()
        self._waiters: dict[int, Any] = {}
        self._departed: Any = gevent.event.Event()
        self._turn_is_due = False
        self._timer: Any = None
        self._timer_until = math.inf
        self._beats: Any = self._loop.timer(BEAT_SECONDS, BEAT_SECONDS)
        self._is_beating = False
        self._readable: Any = None

    def run(self) -> None:
        descriptor = self._driver.start(self._wait, _wait_socket, _pause)
        self._readable = self._loop.io(descriptor, READ)
        self._readable.start(self._turn)
        # What came before the descriptor was watched.
        self._turn_soon()
        self._departed.wait()
        # What is still in progress has had its time.
        self._greenlets.kill(timeout=KILL_SECONDS)

    def _wait(self, token: int) -> None:
        """In the greenlet of a request: others go on until there is news for its connection."""
        if gevent.get_hub() is not self._hub:
            raise RuntimeError("the client can be waited for only in the thread of the worker's hub")
        if self._departed.is_set():
            raise gevent.GreenletExit
        waiter = gevent.hub.Waiter(self._hub)
        self._waiters[token] = waiter
        # The wait has a deadline, which may be the next one.
        self._turn_soon()
        try:
            waiter.get()
        finally:
            self._waiters.pop(token, None)

    def _serve(self) -> None:
        try:
            self._driver.serve()
        finally:
            self._turn_soon()

    def _turn_soon(self) -> None:
        """Behind the greenlets that are ready to run."""
        if not self._turn_is_due:
            self._turn_is_due = True
            self._loop.run_callback(self._turn)

    def _turn(self) -> None:
        self._turn_is_due = False
        if self._departed.is_set():
            return
        requests, woken, due = self._driver.turn()
        for _ in range(requests):
            self._greenlets.spawn(self._serve)
        if requests and not self._is_beating:
            self._is_beating = True
            self._driver.beat()
            self._beats.start(self._beat)
        for token in woken:
            waiter = self._waiters.pop(token, None)
            if waiter is not None:
                waiter.switch(None)
        if self._driver.departed():
            self._leave()
        elif due == 0:
            self._turn_soon()
        elif due is not None:
            self._turn_after(due)

    def _turn_after(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        # One that comes too early finds nothing to do and sets the next one.
        if self._timer_until <= until + TIMER_SLACK:
            return
        self._stop_timer()
        self._timer = self._loop.timer(seconds)
        self._timer_until = until
        self._timer.start(self._on_timer, update=True)

    def _on_timer(self) -> None:
        self._stop_timer()
        self._turn()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer.close()
            self._timer = None
        self._timer_until = math.inf

    def _beat(self) -> None:
        if not self._driver.beat():
            self._is_beating = False
            self._beats.stop()

    def _leave(self) -> None:
        self._stop_timer()
        for watcher in (self._readable, self._beats):
            watcher.stop()
            watcher.close()
        self._departed.set()
