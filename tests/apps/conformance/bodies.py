"""Applications that read the request body in various ways, or leave it."""

import hashlib
import json
import time
from pathlib import Path

from conformance.registry import TEXT, answer_json, note, parameters, route


def perform(stream, name, argument):
    """One operation on a body; a list of bytes."""
    if name == "iterate":
        # ``argument`` lines by iteration, fewer at the end.
        lines = []
        for line in stream:
            lines.append(line)
            if len(lines) == argument:
                break
        return lines
    result = getattr(stream, name)(*([] if argument == "none" else [argument]))
    return result if isinstance(result, list) else [result]


@route("operations", validated=False)  # the validator refuses read() without an argument
def operations(environ, start_response):
    """Perform the operations of the query on the body, in order, and report each result."""
    stream = environ["wsgi.input"]
    results = [perform(stream, *operation) for operation in json.loads(parameters(environ)["do"])]
    return answer_json(start_response, [[part.decode("latin-1") for part in result] for result in results])


@route("validated-operations")
def validated_operations(environ, start_response):
    """The same with arguments that PEP 3333 as read by wsgiref.validate allows."""
    return operations(environ, start_response)


@route("digest")
def digest(environ, start_response):
    """Read the body in blocks and report its hash."""
    sha256, length = hashlib.sha256(), 0
    while block := environ["wsgi.input"].read(1 << 18):
        sha256.update(block)
        length += len(block)
    return answer_json(start_response, {"sha256": sha256.hexdigest(), "length": length})


@route("unread")
def unread(environ, start_response):
    """Answer without looking at the body."""
    start_response("200 OK", [*TEXT, ("Content-Length", "6")])
    return [b"unread"]


@route("read-some")
def read_some(environ, start_response):
    """Read the first bytes of the body only."""
    start = environ["wsgi.input"].read(10)
    start_response("200 OK", TEXT)
    return [start]


@route("read-late")
def read_late(environ, start_response):
    """Start answering, then read the body and send it back."""

    def blocks():
        yield b"got "
        while block := environ["wsgi.input"].read(1000):
            yield block

    start_response("200 OK", TEXT)
    return blocks()


@route("note-input")
def note_input(environ, start_response):
    """Read a body that will not arrive whole, and note how that ended. ``?by=`` names the method; ``?begun=``: make
    that file first."""
    stream, length, given = environ["wsgi.input"], 0, parameters(environ)
    if "begun" in given:
        Path(given["begun"]).touch()
    try:
        if given.get("by") == "readline":
            while block := stream.readline():
                length += len(block)
        elif given.get("by") == "iteration":
            for block in stream:
                length += len(block)
        else:
            while block := stream.read(1 << 16):
                length += len(block)
    except OSError as error:
        note("input", f"OSError: {type(error).__name__}")
        raise
    except BaseException as error:
        note("input", type(error).__name__)
        raise
    note("input", f"ended after {length}")
    start_response("200 OK", TEXT)
    return [b"read"]


@route("sleep")
def sleep(environ, start_response):
    """Answer after ``?seconds=``."""
    time.sleep(float(parameters(environ)["seconds"]))
    start_response("200 OK", TEXT)
    return [b"slept"]
