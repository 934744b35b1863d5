"""Numbered signals in this process: what is called for which, and hearing them.

Where a signal goes is in memory that all processes share; what is called for it belongs to each process, which
registers it when it loads the application.
"""

from __future__ import annotations

import os
import select
import threading
import traceback
from collections.abc import Callable
from typing import Any

from penstock._uwsgi.limit import at_most


class Signals:
    """The signals of this process. ``bells`` is what the server offers."""

    def __init__(self, bells: Any) -> None:
        self.bells = bells
        self.handlers: dict[int, Callable[[int], Any]] = {}
        self.descriptors: list[int] = bells.signal_descriptors()
        #: The application is loaded: a timer that is added from now on is meant to run, though it ran before.
        self.is_loaded = False
        #: The signal that has come last.
        self.last = 0
        #: Seconds that a handler may take; 0: no limit.
        self.harakiri = 0

    def names(self) -> dict[str, Any]:
        """The names in ``uwsgi``."""
        return {
            "register_signal": self.register,
            "signal": self.send,
            "signal_registered": lambda number: self.bells.is_registered(number) or None,
            "signal_wait": self.wait,
            "signal_received": lambda: self.last,
            "add_timer": lambda number, seconds: self.add_timer(number, seconds, 0),
            "add_rb_timer": lambda number, seconds, rounds=0: self.add_timer(number, seconds, rounds),
            "add_cron": self.add_cron,
            "add_file_monitor": self.add_file,
        }

    def register(self, number: int, target: str | bytes, handler: Callable[[int], Any]) -> None:
        """Have `handler` called in `target` when the signal comes."""
        target = target.decode() if isinstance(target, bytes) else target
        self.bells.register(_checked(number), target or "")
        self.handlers[number] = handler

    def send(self, number: int) -> None:
        """Raise a signal; one that nobody has registered goes nowhere."""
        self.bells.send(_checked(number))

    def add_timer(self, number: int, seconds: float, rounds: int) -> None:
        """Raise a signal each time that `seconds` have passed."""
        if seconds <= 0:
            raise ValueError(f"a timer has to have at least a second, not {seconds}")
        self.bells.add_timer(_checked(number), float(seconds), rounds, self.is_loaded)

    def add_cron(self, number: int, minute: int, hour: int, day: int, month: int, weekday: int) -> None:
        """Raise a signal at each minute that is meant."""
        self.bells.add_cron(_checked(number), [minute, hour, day, month, weekday])

    def add_file(self, number: int, path: str | bytes) -> None:
        """Raise a signal when a file has changed."""
        self.bells.add_file(_checked(number), os.path.abspath(os.fsdecode(path)))

    def hear(self) -> bool:
        """Call what the signals want that have come; whether there were any."""
        numbers = [number for descriptor in self.descriptors for number in read_bytes(descriptor)]
        if numbers:
            self.bells.count_signals(len(numbers))
        for number in numbers:
            self.last = number
            handler = self.handlers.get(number)
            if handler is None:
                print(f"nothing is registered for signal {number} in this process", flush=True)
                continue
            try:
                with at_most(self.harakiri):
                    handler(number)
            except Exception:
                traceback.print_exc()
        return bool(numbers)

    def wait(self, number: int | None = None) -> int:
        """Wait until a signal has come - this one, if one is given - and has been handled."""
        while True:
            readable(self.descriptors, None)
            if self.hear() and number in (None, self.last):
                return self.last

    def hear_in_a_thread(self) -> None:
        """Hear signals beside whatever calls the application."""

        def listen() -> None:
            while True:
                readable(self.descriptors, None)
                self.hear()

        threading.Thread(target=listen, name="uwsgi-signals", daemon=True).start()


def _checked(number: int) -> int:
    if not 0 <= number <= 255:
        raise ValueError(f"signals have numbers from 0 to 255, not {number}")
    return number


def read_bytes(descriptor: int, most: int = 4096) -> bytes:
    """What is there, which may be nothing."""
    try:
        return os.read(descriptor, most)
    except BlockingIOError:
        return b""


def readable(descriptors: list[int], seconds: float | None) -> list[int]:
    """Wait until there is something to read; where."""
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    return [descriptor for descriptor, _ in poll.poll(None if seconds is None else max(0.0, seconds) * 1000)]
