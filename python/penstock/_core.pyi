"""The server itself."""

from typing import Any

__version__: str

def gunicorn_defaults() -> dict[str, Any]:
    """gunicorn's settings with their defaults in this environment."""

class FileWrapper:
    def __init__(self, filelike: object, block_size: int = 8192, /) -> None: ...

def main(arguments: list[str], /) -> int:
    """Run a command line, `arguments[0]` being the name it was called by; returns the exit code."""
