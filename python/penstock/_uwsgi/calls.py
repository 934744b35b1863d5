"""Functions that are called by name: uWSGI's RPC, within a process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Calls:
    """The functions of this process. Arguments and answers are bytes."""

    def __init__(self) -> None:
        self.functions: dict[str, tuple[Callable[..., Any], int]] = {}

    def names(self) -> dict[str, Any]:
        """The names in ``uwsgi``."""
        return {
            "register_rpc": self.register,
            "rpc": self.rpc,
            "call": self.call,
            "rpc_list": lambda: tuple(name.encode() for name in self.functions),
        }

    def register(self, name: str | bytes, function: Callable[..., Any], arguments: int = 0) -> bool:
        """Have a function called by a name; with `arguments`, by so many of them."""
        self.functions[_text(name)] = (function, arguments)
        return True

    def rpc(self, node: str | bytes | None, name: str | bytes, *arguments: Any) -> bytes | None:
        """Call a function of this server; of another one, what it serves over HTTP is the way."""
        if node:
            raise ValueError(f"{_text(node)} is another server, and functions are called within one: use HTTP")
        return self.call(name, *arguments)

    def call(self, name: str | bytes, *arguments: Any) -> bytes | None:
        """Call a function; None where there is none of that name, or it returns nothing."""
        function, count = self.functions.get(_text(name), (None, 0))
        if function is None:
            return None
        passed = [_bytes(argument) for argument in arguments]
        result = function(*(passed[:count] if count else passed))
        return None if result is None else _bytes(result)


def _text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else name


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()
