"""The command ``penstock``, also as ``python -m penstock``."""

import sys

from penstock._core import main as _main


def main() -> int:
    """Run the command line of this process and return its exit code."""
    return _main(sys.argv)


if __name__ == "__main__":
    sys.exit(main())
