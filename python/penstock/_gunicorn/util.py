"""The helpers of ``gunicorn.util`` that configurations and packages import."""

from __future__ import annotations

import contextlib
import email.utils
import os
import sys
from importlib import import_module
from typing import Any


def is_ipv6(address: str) -> bool:
    """Whether it is an IPv6 address."""
    import ipaddress

    try:
        return ipaddress.ip_address(address).version == 6
    except ValueError:
        return False


def parse_address(netloc: str, default_port: str = "8000") -> Any:
    """A bind text as (host, port), a path, or a descriptor's number."""
    if netloc.startswith("unix:"):
        return netloc.removeprefix("unix:").removeprefix("//")
    if netloc.startswith("fd://"):
        return int(netloc.removeprefix("fd://"))
    text = netloc.removeprefix("tcp://")
    host, _, port = text.rpartition("]")[2].partition(":")
    if text.startswith("["):
        host = text[1:].partition("]")[0]
    if port and not port.isdecimal():
        raise RuntimeError(f"{port!r} is not a valid port number.")
    return host.lower() or "0.0.0.0", int(port or default_port)


def load_class(uri: Any, default: str = "", section: str = "") -> Any:
    """The class of a dotted name; classes are returned as they are."""
    if not isinstance(uri, str):
        return uri
    module, _, name = uri.rpartition(".")
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise RuntimeError(f"class uri {uri!r} invalid or not found: {error}") from error


def import_app(module: str) -> Any:
    """The application of ``MODULE:CALLABLE``."""
    from penstock import _loader

    name, _, expression = module.partition(":")
    return _loader.load_module(name, expression or "application", "auto")[0]


def getcwd() -> str:
    """The working directory; PWD where it names the same place."""
    return os.environ["PWD"] if os.path.realpath(os.environ.get("PWD", "")) == os.getcwd() else os.getcwd()


def http_date(timestamp: float | None = None) -> str:
    """A time as HTTP writes it."""
    return email.utils.formatdate(timestamp, usegmt=True)


def bytes_to_str(value: bytes | str) -> str:
    """Latin-1 text."""
    return value if isinstance(value, str) else value.decode("latin1")


def to_bytestring(value: bytes | str, encoding: str = "utf8") -> bytes:
    """Bytes."""
    if not isinstance(value, bytes | str):
        raise TypeError(f"{value!r} is not a string")
    return value if isinstance(value, bytes) else value.encode(encoding)


def check_is_writable(path: str) -> None:
    """Raises RuntimeError when a file cannot be appended to."""
    try:
        with open(path, "a"):
            pass
    except OSError as error:
        raise RuntimeError(f"Error: '{path}' isn't writable [{error!r}]") from error


def close_on_exec(descriptor: Any) -> None:
    """Have a descriptor closed on exec."""
    number = descriptor if isinstance(descriptor, int) else descriptor.fileno()
    os.set_inheritable(number, False)


def set_non_blocking(descriptor: int) -> None:
    """Make a descriptor non-blocking."""
    os.set_blocking(descriptor, False)


def unlink(filename: str) -> None:
    """Remove a file that may be gone already."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(filename)


def warn(message: str) -> None:
    """Say something on standard error."""
    print(f"!!!\n!!! WARNING: {message}\n!!!", file=sys.stderr)
