"""gunicorn's logger in Python, for whoever asks for one: ``logger_class``, ``logconfig``, ``logconfig_dict``,
``logconfig_json``, ``syslog``.

The server then sends each of its lines through ``critical`` ... ``debug`` and each WSGI request through ``access``.
Without such a setting the server writes its logs itself and nothing here is used.
"""

from __future__ import annotations

import base64
import binascii
import json
import logging
import logging.config
import logging.handlers
import os
import socket
import sys
import time
import traceback
from datetime import timedelta
from importlib import import_module
from typing import Any

SYSLOG_FACILITIES = dict(logging.handlers.SysLogHandler.facility_names)

CONFIG_DEFAULTS: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "root": {"level": "INFO", "handlers": ["console"]},
    "loggers": {
        "gunicorn.error": {
            "level": "INFO",
            "handlers": ["error_console"],
            "propagate": True,
            "qualname": "gunicorn.error",
        },
        "gunicorn.access": {
            "level": "INFO",
            "handlers": ["console"],
            "propagate": True,
            "qualname": "gunicorn.access",
        },
    },
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": "generic", "stream": "ext://sys.stdout"},
        "error_console": {"class": "logging.StreamHandler", "formatter": "generic", "stream": "ext://sys.stderr"},
    },
    "formatters": {
        "generic": {
            "format": "%(asctime)s [%(process)d] [%(levelname)s] %(message)s",
            "datefmt": "[%Y-%m-%d %H:%M:%S %z]",
            "class": "logging.Formatter",
        }
    },
}


def loggers() -> list[logging.Logger]:
    """Every logger there is."""
    return [logging.getLogger(name) for name in tuple(logging.root.manager.loggerDict)]


class SafeAtoms(dict[str, Any]):
    """What an access format may name: quotes are escaped, what is not there is a dash."""

    def __init__(self, atoms: dict[str, Any]) -> None:
        super().__init__(
            (key, value.replace('"', '\\"') if isinstance(value, str) else value) for key, value in atoms.items()
        )

    def __getitem__(self, key: str) -> Any:
        return self.get(key.lower() if key.startswith("{") else key, "-")


def parse_syslog_address(address: str) -> tuple[Any, Any]:
    """Socket type (None: whatever works) and address of ``unix://PATH[#dgram|#stream]``, ``udp://...``, ``tcp://...``."""
    scheme, separator, rest = address.partition("://")
    if not separator or scheme not in ("unix", "udp", "tcp"):
        raise RuntimeError(f"invalid syslog address {address!r}: write unix://PATH, udp://HOST:PORT or tcp://HOST:PORT")
    if scheme == "unix":
        path, _, kind = rest.partition("#")
        return (socket.SOCK_DGRAM if kind == "dgram" else None), path
    kind_of_socket = socket.SOCK_DGRAM if scheme == "udp" else socket.SOCK_STREAM
    if rest.startswith("["):
        host, _, port = rest[1:].partition("]")
        port = port.removeprefix(":")
    else:
        host, _, port = rest.partition(":")
    if port and not port.isdecimal():
        raise RuntimeError(f"{port!r} is not a valid port number.")
    return kind_of_socket, (host.lower() or "localhost", int(port or 514))


class Logger:
    """The loggers ``gunicorn.error`` and ``gunicorn.access`` with their handlers. Subclasses override any part."""

    LOG_LEVELS = {  # noqa: RUF012 - a class attribute in gunicorn as well, which subclasses change
        "critical": logging.CRITICAL,
        "error": logging.ERROR,
        "warning": logging.WARNING,
        "info": logging.INFO,
        "debug": logging.DEBUG,
    }
    loglevel = logging.INFO
    error_fmt = "%(asctime)s [%(process)d] [%(levelname)s] %(message)s"
    datefmt = "[%Y-%m-%d %H:%M:%S %z]"
    access_fmt = "%(message)s"
    syslog_fmt = "[%(process)d] %(message)s"
    atoms_wrapper_class = SafeAtoms

    def __init__(self, cfg: Any) -> None:
        self.error_log = logging.getLogger("gunicorn.error")
        self.access_log = logging.getLogger("gunicorn.access")
        for logger in (self.error_log, self.access_log):
            logger.propagate = False
        self.logfile = None
        self.cfg = cfg
        self.setup(cfg)

    def setup(self, cfg: Any) -> None:
        """Give both loggers their handlers; at a reload again, with the new configuration."""
        self.cfg = cfg
        self.loglevel = self.LOG_LEVELS.get(cfg.loglevel.lower(), logging.INFO)
        self.error_log.setLevel(self.loglevel)
        self.access_log.setLevel(logging.INFO)
        for logger in (self.error_log, self.access_log):
            for handler in list(logger.handlers):
                if getattr(handler, "_gunicorn", False):
                    logger.removeHandler(handler)
        self._set_handler(self.error_log, cfg.errorlog, logging.Formatter(self.error_fmt, self.datefmt))
        if cfg.accesslog is not None:
            self._set_handler(self.access_log, cfg.accesslog, logging.Formatter(self.access_fmt), sys.stdout)
        if cfg.syslog:
            self._set_syslog_handler(self.error_log, cfg, self.syslog_fmt, "error")
            if not cfg.disable_redirect_access_to_syslog:
                self._set_syslog_handler(self.access_log, cfg, self.syslog_fmt, "access")
        self._configure(cfg)

    def _configure(self, cfg: Any) -> None:
        try:
            if cfg.logconfig_dict:
                logging.config.dictConfig({**CONFIG_DEFAULTS, **cfg.logconfig_dict})
            elif cfg.logconfig_json:
                # gunicorn takes a file that is not there for none.
                if os.path.exists(cfg.logconfig_json):
                    with open(cfg.logconfig_json, encoding="utf-8") as file:
                        logging.config.dictConfig({**CONFIG_DEFAULTS, **json.load(file)})
            elif cfg.logconfig:
                if not os.path.exists(cfg.logconfig):
                    raise RuntimeError(f"Error: log config '{cfg.logconfig}' not found")
                here = os.path.dirname(cfg.logconfig)
                # Interpolated into the file, so that a % of ours would be one too many.
                defaults = {"__file__": cfg.logconfig, "here": here}
                logging.config.fileConfig(cfg.logconfig, defaults=defaults, disable_existing_loggers=False)
        except (AttributeError, ImportError, ValueError, TypeError, KeyError) as error:
            raise RuntimeError(str(error)) from error

    def critical(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        """Log at this level."""
        self.error_log.critical(msg, *args, **kwargs)

    def error(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        """Log at this level."""
        self.error_log.error(msg, *args, **kwargs)

    def warning(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        """Log at this level."""
        self.error_log.warning(msg, *args, **kwargs)

    def info(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        """Log at this level."""
        self.error_log.info(msg, *args, **kwargs)

    def debug(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        """Log at this level."""
        self.error_log.debug(msg, *args, **kwargs)

    def exception(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        """Log as an error, with the exception being handled."""
        self.error_log.exception(msg, *args, **kwargs)

    def log(self, lvl: Any, msg: Any, *args: Any, **kwargs: Any) -> None:
        """Log at a level given by name or number."""
        level = self.LOG_LEVELS.get(lvl.lower(), logging.INFO) if isinstance(lvl, str) else lvl
        self.error_log.log(level, msg, *args, **kwargs)

    def atoms(self, resp: Any, req: Any, environ: dict[str, Any], request_time: timedelta) -> dict[str, Any]:
        """The values of an access format."""
        microseconds = request_time.seconds * 1_000_000 + request_time.microseconds
        status = resp.status.split(None, 1)[0] if isinstance(resp.status, str) else resp.status
        atoms = {
            "h": environ.get("REMOTE_ADDR", "-"),
            "l": "-",
            "u": self._get_user(environ) or "-",
            "t": self.now(),
            "r": f"{environ['REQUEST_METHOD']} {environ['RAW_URI']} {environ['SERVER_PROTOCOL']}",
            "s": status,
            "m": environ.get("REQUEST_METHOD"),
            "U": environ.get("PATH_INFO"),
            "q": environ.get("QUERY_STRING"),
            "H": environ.get("SERVER_PROTOCOL"),
            "b": "-" if getattr(resp, "sent", None) is None else str(resp.sent),
            "B": getattr(resp, "sent", None),
            "f": environ.get("HTTP_REFERER", "-"),
            "a": environ.get("HTTP_USER_AGENT", "-"),
            "T": request_time.seconds,
            "D": microseconds,
            "M": microseconds // 1000,
            "L": f"{request_time.seconds}.{request_time.microseconds:06d}",
            "p": f"<{os.getpid()}>",
        }
        sources: list[tuple[str, Any]] = [("i", getattr(req, "headers", req)), ("o", resp.headers), ("e", environ)]
        for kind, source in sources:
            pairs = source.items() if hasattr(source, "items") else source
            atoms.update({f"{{{name.lower()}}}{kind}": value for name, value in pairs})
        return atoms

    @property
    def access_log_enabled(self) -> bool:
        """Whether anything wants access lines."""
        cfg = self.cfg
        to_syslog = cfg.syslog and not cfg.disable_redirect_access_to_syslog
        return bool(cfg.accesslog or cfg.logconfig or cfg.logconfig_dict or cfg.logconfig_json or to_syslog)

    def access(self, resp: Any, req: Any, environ: dict[str, Any], request_time: timedelta) -> None:
        """Log a request that has been answered."""
        if not self.access_log_enabled:
            return
        try:
            atoms = self.atoms_wrapper_class(self.atoms(resp, req, environ, request_time))
            self.access_log.info(self.cfg.access_log_format, atoms)
        except Exception:
            self.error(traceback.format_exc())

    def now(self) -> str:
        """The time as the Common Log Format has it."""
        return time.strftime("[%d/%b/%Y:%H:%M:%S %z]")

    def reopen_files(self) -> None:
        """Open the files of every handler anew, after a rotation."""
        for logger in loggers():
            for handler in logger.handlers:
                if isinstance(handler, logging.FileHandler):
                    handler.acquire()
                    try:
                        if handler.stream:
                            handler.close()
                            handler.stream = handler._open()
                    finally:
                        handler.release()

    def close_on_exec(self) -> None:
        """Nothing to do: Python's files are closed on exec."""

    def _set_handler(self, log: logging.Logger, output: str | None, fmt: logging.Formatter, stream: Any = None) -> None:
        if output is None:
            return
        try:
            handler: Any = logging.StreamHandler(stream) if output == "-" else logging.FileHandler(output)
        except OSError as error:
            raise RuntimeError(f"Error: '{output}' isn't writable [{error!r}]") from error
        handler.setFormatter(fmt)
        handler._gunicorn = True
        log.addHandler(handler)

    def _set_syslog_handler(self, log: logging.Logger, cfg: Any, fmt: str, name: str) -> None:
        prefix = cfg.syslog_prefix or cfg.proc_name.replace(":", ".")
        facility = SYSLOG_FACILITIES.get(cfg.syslog_facility.lower())
        if facility is None:
            raise RuntimeError(f"unknown facility name {cfg.syslog_facility!r}")
        kind, address = parse_syslog_address(cfg.syslog_addr)
        handler: Any = logging.handlers.SysLogHandler(address=address, facility=facility, socktype=kind)
        handler.setFormatter(logging.Formatter(f"gunicorn.{prefix}.{name}: {fmt}"))
        handler._gunicorn = True
        log.addHandler(handler)

    def _get_user(self, environ: dict[str, Any]) -> str | None:
        scheme, _, credentials = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            return base64.b64decode(credentials.strip()).split(b":", 1)[0].decode()
        except (binascii.Error, UnicodeDecodeError) as error:
            self.debug("Couldn't get username: %s", error)
            return None


def make(cfg: Any) -> Any:
    """The logger that the configuration asks for.

    Raises RuntimeError with a sentence when there is none.
    """
    return _wanted(cfg)(cfg)


def renew(logger: Any, cfg: Any) -> Any:
    """The logger for a new configuration: the same one, set up again, if that asks for its class."""
    wanted = _wanted(cfg)
    if type(logger) is not wanted:
        return wanted(cfg)
    logger.setup(cfg)
    return logger


def _wanted(cfg: Any) -> Any:
    return _class_of(cfg.logger_class) if isinstance(cfg.logger_class, str) else cfg.logger_class


def _class_of(name: str) -> Any:
    if name in ("gunicorn.glogging.Logger", "simple", "gunicorn.instrument.statsd.Statsd", "statsd"):
        return Logger
    module, _, attribute = name.removeprefix("egg:").replace("#", ".").rpartition(".")
    try:
        return getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise RuntimeError(f"class uri {name!r} invalid or not found (logger_class): {error}") from error
