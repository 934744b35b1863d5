"""The server itself."""

__version__: str

def main(arguments: list[str], /) -> int:
    """Run a command line, `arguments[0]` being the name it was called by; returns the exit code."""
