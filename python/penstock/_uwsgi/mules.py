"""Mules: processes with the application that wait for messages and signals.

A message goes to one mule, to whichever is first, or to whichever of a farm is first, and stays whole.
"""

from __future__ import annotations

import importlib
import runpy
import socket
import sys
import time
import traceback
from collections.abc import Callable
from functools import partial
from typing import Any

from penstock._uwsgi.limit import at_most
from penstock._uwsgi.signals import Signals, readable

#: Largest message, in bytes.
LARGEST_MESSAGE = 65536


class Mules:
    """Messages, sent from any process, and got in mules."""

    def __init__(self, server: Any, bells: Any, signals: Signals) -> None:
        self.server = server
        self.bells = bells
        self.signals = signals
        self.own: list[int] = bells.message_descriptors()
        self.farms: dict[str, int] = dict(bells.farm_descriptors())

    def names(self) -> dict[str, Any]:
        """The names in ``uwsgi``."""
        return {
            "mule_id": lambda: self.server.mule_id,
            "mule_msg": self.send,
            "mule_get_msg": self.message,
            "farm_msg": self.send_to_farm,
            "farm_get_msg": self.farm_message,
            "in_farm": lambda name=None: (_text(name) in self.farms if name is not None else bool(self.farms)) or None,
        }

    def send(self, message: str | bytes, mule: int | str | bytes | None = None) -> bool:
        """Send a message to a mule, or to whichever is first; whether there was room for it."""
        if isinstance(mule, str | bytes):
            return self.send_to_farm(mule, message)
        sender = self.bells.mule_sender(mule or 0)
        if sender is None:
            raise ValueError(f"there is no mule {mule}" if mule else "there are no mules (option mule)")
        return self._send(sender, message, f"mule {mule}" if mule else "mules")

    def send_to_farm(self, farm: str | bytes, message: str | bytes) -> bool:
        """Send a message to whichever mule of a farm is first; whether there was room for it."""
        sender = self.bells.farm_sender(_text(farm))
        if sender is None:
            raise ValueError(f"there is no farm {_text(farm)!r} (option farm)")
        return self._send(sender, message, f"farm {_text(farm)}")

    def _send(self, sender: int, message: str | bytes, whom: str) -> bool:
        content = message.encode() if isinstance(message, str) else bytes(message)
        if len(content) > LARGEST_MESSAGE:
            raise ValueError(f"a message may have {LARGEST_MESSAGE} bytes, this one has {len(content)}")
        # An empty one could not be told from the end of the line.
        if not content:
            raise ValueError("a message has to have at least one byte")
        try:
            with _socket(sender) as line:
                line.send(content)
        except BlockingIOError:
            print(f"*** the messages for {whom} are more than they can take: one is lost ***", flush=True)
            return False
        return True

    def message(
        self, signals: bool = True, farms: bool = True, buffer_size: int = LARGEST_MESSAGE, timeout: float = -1
    ) -> bytes | None:
        """The next message for this mule, however long that takes; None when `timeout` seconds are over."""
        if not self.own:
            raise ValueError("only mules get messages")
        descriptors = self.own + (list(self.farms.values()) if farms else [])
        return self._next(descriptors, signals, timeout)

    def farm_message(self, name: str | bytes | None = None, signals: bool = True, timeout: float = -1) -> bytes | None:
        """The next message for a farm of this mule, or for any of them."""
        descriptors = list(self.farms.values()) if name is None else [self.farms[_text(name)]]
        if not descriptors:
            raise ValueError("this process is in no farm")
        return self._next(descriptors, signals, timeout)

    def _next(self, descriptors: list[int], signals: bool, timeout: float) -> bytes | None:
        until = None if timeout < 0 else time.monotonic() + timeout
        while True:
            left = None if until is None else until - time.monotonic()
            found = readable(descriptors + (self.signals.descriptors if signals else []), left)
            for descriptor in found:
                if descriptor in descriptors and (message := _receive(descriptor)):
                    return message
            if signals:
                self.signals.hear()
            if left is not None and left <= 0:
                return None

    def run(self, program: str | None, functions: list[Callable[[], Any]]) -> None:
        """The life of a mule: its program, its functions, then messages and signals for ever."""
        if program:
            run_program(program)
        for function in functions:
            _guarded(function)
        while True:
            message = self.message()
            module = sys.modules.get("uwsgi")
            hooks = [getattr(module, "mule_msg_hook", None), *getattr(module, "mule_msg_extra_hooks", [])]
            for hook in hooks:
                if callable(hook):
                    with at_most(self.signals.harakiri):
                        _guarded(partial(hook, message))


def run_program(program: str) -> None:
    """Run a file or a function, or import a module."""
    module, _, name = program.partition(":")
    if program.endswith(".py"):
        runpy.run_path(program, run_name="__main__")
    elif name:
        getattr(importlib.import_module(module), name.removesuffix("()"))()
    else:
        importlib.import_module(program)


def _guarded(function: Callable[[], Any]) -> None:
    try:
        function()
    except Exception:
        traceback.print_exc()


def _socket(descriptor: int) -> socket.socket:
    line = socket.fromfd(descriptor, socket.AF_UNIX, socket.SOCK_SEQPACKET)
    line.setblocking(False)
    return line


def _receive(descriptor: int) -> bytes:
    """A message, or nothing where another mule was faster."""
    try:
        with _socket(descriptor) as line:
            return line.recv(LARGEST_MESSAGE)
    except BlockingIOError:
        return b""


def _text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else name
