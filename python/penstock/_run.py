"""Starting the server from Python: `penstock.run(app, **options)`, which takes what `uvicorn.run` takes.

The options become a command line of `penstock uvicorn`, so that each has one meaning and one error. An application that
is an object is found by the workers in this module, which they have from the process that was forked.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from penstock._core import main

if TYPE_CHECKING:
    from typing_extensions import Unpack

Path = str | os.PathLike[str]


class Options(TypedDict, total=False):
    """The options of :func:`run`: what `penstock uvicorn --help` lists."""

    host: str
    port: int
    uds: str | None
    fd: int | None
    loop: str
    http: str
    http2: bool
    ws: str
    ws_max_size: int
    ws_max_queue: int
    ws_ping_interval: float | None
    ws_ping_timeout: float | None
    ws_per_message_deflate: bool
    lifespan: Literal["auto", "on", "off"]
    interface: Literal["auto", "asgi3", "asgi2", "wsgi"]
    reload: bool
    reload_dirs: list[str] | str | None
    reload_includes: list[str] | str | None
    reload_excludes: list[str] | str | None
    reload_delay: float
    workers: int | None
    env_file: Path | None
    log_config: dict[str, Any] | Path | None
    log_level: str | int | None
    access_log: bool
    use_colors: bool | None
    proxy_headers: bool
    server_header: bool
    date_header: bool
    forwarded_allow_ips: list[str] | str | None
    root_path: str
    limit_concurrency: int | None
    backlog: int
    limit_max_requests: int | None
    limit_max_requests_jitter: int
    timeout_keep_alive: int
    timeout_graceful_shutdown: int | None
    timeout_worker_healthcheck: int
    ssl_keyfile: Path | None
    ssl_certfile: Path | None
    ssl_keyfile_password: str | None
    ssl_version: int
    ssl_cert_reqs: int
    ssl_ca_certs: Path | None
    ssl_ciphers: str | None
    ssl_context_factory: None
    headers: list[tuple[str, str]] | None
    app_dir: str | None
    factory: bool
    h11_max_incomplete_event_size: int | None
    reset_contextvars: bool


#: The application, where it was given as an object.
application: Any = None

#: Options that are called differently on the command line.
NAMES = {
    "reload_dirs": "reload-dir",
    "reload_includes": "reload-include",
    "reload_excludes": "reload-exclude",
    "headers": "header",
}
#: Options that stand alone when they are true, and have no negative.
FLAGS = ("reload", "factory", "reset_contextvars", "http2")
#: Options with a negative: `--no-access-log`.
SWITCHES = ("access_log", "use_colors", "proxy_headers", "server_header", "date_header")

_HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


def run(app: str | Callable[..., Any], **options: Unpack[Options]) -> None:
    """Serve `app`, an import string such as ``"main:app"`` or the application itself, until the server is stopped.

    `options` are those of `uvicorn.run`. Reloading and more than one worker need an import string. Raises
    ``SystemExit`` with the server's exit code when it is not 0, and ``TypeError`` for an option that does not exist.
    """
    global application
    specification = app
    if not isinstance(app, str):
        if options.get("reload") or (options.get("workers") or 1) > 1:
            print(
                "WARNING:  You must pass the application as an import string to enable 'reload' or 'workers'.",
                file=sys.stderr,
            )
            sys.exit(3)
        application = app
        specification = f"{__name__}:application"
    with tempfile.TemporaryDirectory(prefix="penstock-") as directory:
        arguments = _arguments(options, directory)
        before = {number: signal.getsignal(number) for number in _HANDLED}
        sys.stdout.flush()
        sys.stderr.flush()
        try:
            code = main(["uvicorn", *arguments, "--", str(specification)])
        finally:
            for number, handler in before.items():
                if handler is not None:
                    signal.signal(number, handler)
    if code != 0:
        sys.exit(code)


def _arguments(given: Mapping[str, Any], directory: str) -> list[str]:
    """The options as a command line; `directory` is for files that it has to name."""
    options = dict(given)
    for name in options.keys() - Options.__annotations__.keys():
        raise TypeError(f"run() got an unexpected keyword argument {name!r}")
    arguments: list[str] = []
    if "log_config" in options:
        arguments += ["--log-config", _log_config(options.pop("log_config"), directory)]
    if options.pop("ssl_context_factory", None) is not None:
        raise TypeError("ssl_context_factory: contexts of Python's ssl module cannot be used, TLS is done in Rust")
    for name, value in options.items():
        flag = "--" + NAMES.get(name, name.replace("_", "-"))
        if name in FLAGS:
            arguments += [flag] if value else []
        elif value is None:
            # No interval and no timeout: a client is never pinged.
            arguments += [flag + "=0"] if name.startswith("ws_ping_") else []
        elif name in SWITCHES:
            arguments.append(flag if value else "--no-" + flag[2:])
        else:
            for text in _values(name, value):
                arguments += [f"{flag}={text}"]
    return arguments


def _values(name: str, value: Any) -> Iterable[str]:
    if name == "headers":
        return [f"{key}:{text}" for key, text in value]
    if name == "forwarded_allow_ips" and not isinstance(value, str):
        return [",".join(value)]
    if name == "log_level" and isinstance(value, int):
        return [_level_name(value)]
    if name in NAMES and not isinstance(value, str | os.PathLike):
        return [str(item) for item in value]
    if not isinstance(value, str | int | float | os.PathLike):
        raise TypeError(f"{name}={value!r}: only text, numbers and paths can be given here")
    return [os.fspath(value) if isinstance(value, os.PathLike) else str(value)]


def _level_name(level: int) -> str:
    names = {50: "critical", 40: "error", 30: "warning", 20: "info", 10: "debug", 5: "trace"}
    return names[min((known for known in names if known >= level), default=50)]


def _log_config(value: Any, directory: str) -> str:
    """A path for the configuration; empty for none at all."""
    if value is None:
        return ""
    if isinstance(value, str | os.PathLike):
        return os.fspath(value)
    path = os.path.join(directory, "logging.json")
    try:
        with open(path, "w", encoding="utf-8") as file:
            json.dump(value, file)
    except TypeError as error:
        raise TypeError(f"log_config has to be a path, or a dictionary that JSON can hold: {error}") from None
    return path
