"""Python's logging as uvicorn sets it up: its three loggers, and configurations from files.

Applications log to `uvicorn`, `uvicorn.error` and `uvicorn.access`, and their configurations name uvicorn's formatters;
both work here without uvicorn installed.
"""

from __future__ import annotations

import configparser
import http
import json
import logging
import logging.config
import sys
from copy import copy
from typing import Any, ClassVar, Literal

from penstock._loader import WRONG_SETTING, LoadError

TRACE = 5

LEVELS = {
    "critical": logging.CRITICAL,
    "error": logging.ERROR,
    "warning": logging.WARNING,
    "info": logging.INFO,
    "debug": logging.DEBUG,
    "trace": TRACE,
}

#: uvicorn's formatters, by the names that configurations have for them.
FORMATTERS = {
    f"uvicorn.logging.{name}": f"{__name__}.{name}"
    for name in ("ColourizedFormatter", "DefaultFormatter", "AccessFormatter")
}


def configure(path: str | None, level: str | None, has_access_log: bool, use_colors: bool | None) -> None:
    """Set the loggers up: as the file at `path` says, not at all where that is empty, or as uvicorn does by itself."""
    logging.addLevelName(TRACE, "TRACE")
    if path is None:
        logging.config.dictConfig(_default(use_colors))
    elif path:
        _from_file(path)
    if level is not None:
        for name in ("uvicorn.error", "uvicorn.access", "uvicorn.asgi"):
            logging.getLogger(name).setLevel(LEVELS[level])
    if not has_access_log:
        access = logging.getLogger("uvicorn.access")
        access.handlers = []
        access.propagate = False


def _default(use_colors: bool | None) -> dict[str, Any]:
    def handler(formatter: str, stream: str) -> dict[str, str]:
        return {"class": "logging.StreamHandler", "formatter": formatter, "stream": f"ext://sys.{stream}"}

    access = '%(levelprefix)s %(client_addr)s - "%(request_line)s" %(status_code)s'
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "default": {"()": DefaultFormatter, "fmt": "%(levelprefix)s %(message)s", "use_colors": use_colors},
            "access": {"()": AccessFormatter, "fmt": access, "use_colors": use_colors},
        },
        "handlers": {"default": handler("default", "stderr"), "access": handler("access", "stdout")},
        "loggers": {
            "uvicorn": {"handlers": ["default"], "level": "INFO", "propagate": False},
            "uvicorn.error": {"level": "INFO"},
            "uvicorn.access": {"handlers": ["access"], "level": "INFO", "propagate": False},
        },
    }


def _from_file(path: str) -> None:
    """Apply a configuration: a dictionary as JSON or YAML, or a file in `fileConfig`'s format."""
    try:
        if path.endswith(".json"):
            with open(path, encoding="utf-8") as file:
                logging.config.dictConfig(_with_our_formatters(json.load(file)))
        elif path.endswith((".yaml", ".yml")):
            logging.config.dictConfig(_with_our_formatters(_yaml(path)))
        else:
            logging.config.fileConfig(_ini(path), disable_existing_loggers=False)
    except LoadError:
        raise
    except Exception as error:
        raise LoadError(f"the logging configuration {path} cannot be used: {error}", WRONG_SETTING) from None


def _with_our_formatters(configuration: dict[str, Any]) -> dict[str, Any]:
    for formatter in (configuration.get("formatters") or {}).values():
        for key in ("()", "class"):
            if formatter.get(key) in FORMATTERS:
                formatter[key] = FORMATTERS[formatter[key]]
    return configuration


def _ini(path: str) -> configparser.RawConfigParser:
    # As fileConfig makes it.
    parser = configparser.ConfigParser()
    if not parser.read(path, encoding="utf-8"):
        raise FileNotFoundError(f"there is no file {path}")
    for section in parser.sections():
        formatter = parser.get(section, "class", raw=True, fallback="")
        if section.startswith("formatter_") and formatter in FORMATTERS:
            parser.set(section, "class", FORMATTERS[formatter])
    return parser


def _yaml(path: str) -> dict[str, Any]:
    try:
        import yaml
    except ImportError:
        raise LoadError(
            f"the logging configuration {path} is YAML: install PyYAML, or write it as JSON", WRONG_SETTING
        ) from None
    with open(path, encoding="utf-8") as file:
        configuration: dict[str, Any] = yaml.safe_load(file)
        return configuration


class ColourizedFormatter(logging.Formatter):
    """Adds `levelprefix`, the level's name with a colon, padded and in its colour."""

    colors: ClassVar = {
        TRACE: 34,
        logging.DEBUG: 36,
        logging.INFO: 32,
        logging.WARNING: 33,
        logging.ERROR: 31,
        logging.CRITICAL: 91,
    }

    def __init__(
        self,
        fmt: str | None = None,
        datefmt: str | None = None,
        style: Literal["%", "{", "$"] = "%",
        use_colors: bool | None = None,
    ) -> None:
        self.use_colors = sys.stdout.isatty() if use_colors is None else use_colors
        super().__init__(fmt=fmt, datefmt=datefmt, style=style)

    def painted(self, text: str, color: int | None) -> str:
        """`text` in a colour (an SGR parameter), if there are colours."""
        return f"\x1b[{color}m{text}\x1b[0m" if self.use_colors and color is not None else text

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The line, from a copy that has the prefix."""
        record = copy(record)
        name = self.painted(record.levelname, self.colors.get(record.levelno))
        record.__dict__["levelprefix"] = f"{name}:{' ' * (8 - len(record.levelname))}"
        return super().formatMessage(record)


class DefaultFormatter(ColourizedFormatter):
    """For `uvicorn` and `uvicorn.error`."""


class AccessFormatter(ColourizedFormatter):
    """For `uvicorn.access`: adds `client_addr`, `request_line` and `status_code`, from the record's arguments."""

    status_colors: ClassVar = {1: 97, 2: 32, 3: 33, 4: 31, 5: 91}

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The line of a request; any other is an ordinary one."""
        if not isinstance(record.args, tuple) or len(record.args) != 5:
            return super().formatMessage(record)
        client, method, target, version, status = record.args
        status = int(str(status))
        try:
            phrase = http.HTTPStatus(status).phrase
        except ValueError:
            phrase = ""
        record = copy(record)
        record.__dict__.update(
            client_addr=client,
            request_line=self.painted(f"{method} {target} HTTP/{version}", 1),
            status_code=self.painted(f"{status} {phrase}", self.status_colors.get(status // 100)),
        )
        return super().formatMessage(record)
