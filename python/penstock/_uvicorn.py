"""Finds the application as uvicorn does: `module:attribute.attribute`, a factory with or without `--factory`.

What is wrong is said in uvicorn's words and ends with its exit codes: 3 for a name that leads nowhere, 1 for an
application that raises while it is imported.
"""

from __future__ import annotations

import importlib
import logging
from typing import Any

from penstock._loader import Loaded, LoadError, checked, users_traceback, where

#: A name that leads nowhere.
STARTUP_FAILURE = 3
#: An exception of the application's own, which uvicorn does not catch.
UNCAUGHT = 1


def load(module_name: str, expression: str, interface: str) -> Loaded:
    """The application at `expression` in a module; `()` behind it says that it is a factory."""
    attribute = expression.removesuffix("()")
    specification = f"{module_name}:{attribute}"
    application = _attribute(_import(module_name), module_name, attribute)
    application = _made(application, specification, is_factory=attribute != expression, interface=interface)
    try:
        return checked(application, specification, interface)
    except LoadError as error:
        raise _failure(error.message, error.details) from None


def _import(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise _uncaught(name, error) from None
        raise _failure(f'Could not import module "{name}".') from None
    except (Exception, SystemExit) as error:
        raise _uncaught(name, error) from None


def _attribute(module: Any, module_name: str, attribute: str) -> Any:
    found = module
    try:
        for name in attribute.split("."):
            found = getattr(found, name)
    except AttributeError:
        raise _failure(f'Attribute "{attribute}" not found in module "{module_name}".') from None
    return found


def _made(application: Any, specification: str, *, is_factory: bool, interface: str) -> Any:
    """What a factory makes; the application itself where it is none."""
    if not is_factory and (interface == "wsgi" or not _takes_nothing(application)):
        return application
    try:
        made = application()
    except TypeError as error:
        if is_factory:
            raise LoadError(f"Error loading ASGI app factory: {error}", STARTUP_FAILURE) from None
        return application
    except (Exception, SystemExit) as error:
        raise _uncaught(specification, error) from None
    if not is_factory:
        logging.getLogger("uvicorn.error").warning(
            "ASGI app factory detected. Using it, but please consider setting the --factory flag explicitly."
        )
    return made


def _takes_nothing(application: Any) -> bool:
    import inspect

    try:
        inspect.signature(application).bind()
    except (TypeError, ValueError):
        return False
    return True


def _failure(message: str, details: str = "") -> LoadError:
    return LoadError(f"Error loading ASGI app. {message}", STARTUP_FAILURE, details)


def _uncaught(name: str, error: BaseException) -> LoadError:
    message = where(f"cannot import {name!r}", error)
    return LoadError(f"Error loading ASGI app. {message}", UNCAUGHT, users_traceback(error))
