"""Python's logging, configured from a file before the application is imported."""

from __future__ import annotations

import json
import logging.config

from penstock._loader import WRONG_SETTING, LoadError


def configure(path: str) -> None:
    """Apply a logging configuration: a dictionary as JSON or YAML, or a file in `fileConfig`'s format."""
    try:
        if path.endswith(".json"):
            with open(path, encoding="utf-8") as file:
                logging.config.dictConfig(json.load(file))
        elif path.endswith((".yaml", ".yml")):
            logging.config.dictConfig(_yaml(path))
        else:
            logging.config.fileConfig(path, disable_existing_loggers=False)
    except LoadError:
        raise
    except Exception as error:
        raise LoadError(f"the logging configuration {path} cannot be used: {error}", WRONG_SETTING) from None


def _yaml(path: str) -> dict[str, object]:
    try:
        import yaml
    except ImportError:
        raise LoadError(
            f"the logging configuration {path} is YAML: install PyYAML, or write it as JSON", WRONG_SETTING
        ) from None
    with open(path, encoding="utf-8") as file:
        configuration: dict[str, object] = yaml.safe_load(file)
        return configuration
