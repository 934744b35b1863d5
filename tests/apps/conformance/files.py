"""Applications that answer with wsgi.file_wrapper.

Those that return the wrapper itself cannot be wrapped by wsgiref.validate: the server has to see its own object.
"""

import io
import os
import tempfile

from conformance.registry import TEXT, note, parameters, route

# What a file of ``size`` bytes holds: every offset looks different.
PATTERN = b"".join(b"%07d\n" % number for number in range(1 << 14))


def content(size):
    """The first ``size`` bytes of the endless pattern."""
    return (PATTERN * (size // len(PATTERN) + 1))[:size]


class NotedFile:
    """A file object with a descriptor that notes its ``close()``."""

    def __init__(self, file, name):
        self._file = file
        self._name = name

    def __getattr__(self, name):
        return getattr(self._file, name)

    def close(self):
        note("closed", self._name)
        self._file.close()


def real_file(size):
    """An unlinked file on disk, at its start."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 (the server has to close it)
    file.write(content(size))
    file.flush()
    file.seek(0)
    return file


class NotedBuffer(io.BytesIO):
    """A file without a descriptor that notes its ``close()``."""

    def close(self):
        if not self.closed:
            note("closed", "buffer")
        super().close()


class OnlyRead:
    """The least that PEP 3333 wants of a file: ``read(size)``."""

    def __init__(self, size):
        self._buffer = io.BytesIO(content(size))

    def read(self, size):
        """Read a block."""
        note("read", size)
        return self._buffer.read(size)


def make(given):
    """The file that the query asks for: ``kind``, ``size``, ``position``."""
    size = int(given["size"])
    kind = given.get("kind", "real")
    if kind == "only-read":
        return OnlyRead(size)
    if kind == "buffer":
        file = NotedBuffer(content(size))
    elif kind == "plain":
        file = real_file(size)
    elif kind == "unbuffered":
        with real_file(size) as buffered:
            file = os.fdopen(os.dup(buffered.fileno()), "rb", buffering=0)
    else:
        file = NotedFile(real_file(size), "file")
    position = int(given.get("position", 0))
    if given.get("by") == "read":
        # Part of it is in the buffer of the file object: the position is not the descriptor's.
        file.read(position)
    else:
        file.seek(position)
    return file


def headers(given):
    """Plain text, and a Content-Length where the query has one."""
    return [*TEXT, *([("Content-Length", given["length"])] if "length" in given else [])]


@route("file", validated=False)  # the server has to see its own wrapper
def file(environ, start_response):
    """Return the wrapper untouched."""
    given = parameters(environ)
    start_response(given.get("status", "200 OK"), headers(given))
    wrapper = environ["wsgi.file_wrapper"]
    block = [int(given["block"])] if "block" in given else []
    return wrapper(make(given), *block)


@route("file-after-write", validated=False)  # the server has to see its own wrapper
def file_after_write(environ, start_response):
    """Write a word first."""
    given = parameters(environ)
    start_response("200 OK", headers(given))(b"before ")
    return environ["wsgi.file_wrapper"](make(given))


@route("file-through-middleware")
def file_through_middleware(environ, start_response):
    """Upper the blocks of a wrapper by iterating over it, as middleware does."""
    given = parameters(environ)
    start_response("200 OK", headers(given))
    wrapper = environ["wsgi.file_wrapper"](make(given), 1000)

    def blocks():
        try:
            for block in wrapper:
                note("block", len(block))
                yield block
        finally:
            wrapper.close()

    return blocks()


@route("two-files", validated=False)  # the server has to see its own wrapper
def two_files(environ, start_response):
    """Make two wrappers, return the first."""
    given = parameters(environ)
    start_response("200 OK", headers(given))
    wrapper = environ["wsgi.file_wrapper"]
    first, other = make(given), make({**given, "kind": "plain"})
    wrapper(other).close()
    return wrapper(first)
