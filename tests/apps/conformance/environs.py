"""Applications that report what the server told them about the request."""

import hashlib
import json
import os
import threading

from conformance.registry import TEXT, answer_json, note, parameters, route

BLOCK = 1 << 16


@route("echo")
def echo(environ, start_response):
    """Read the whole body and answer with everything seen, as JSON. ``?status=`` sets the status line."""
    digest, length, kept = hashlib.sha256(), 0, b""
    while block := environ["wsgi.input"].read(BLOCK):
        digest.update(block)
        length += len(block)
        kept += block[: max(0, 2048 - len(kept))]
    document = {
        "environ": {key: value for key, value in environ.items() if isinstance(value, str)},
        "types": {key: type(value).__name__ for key, value in environ.items()},
        "flags": {
            key: value
            for key, value in environ.items()
            if key.startswith("wsgi.") and isinstance(value, (bool, int, str, tuple))
        },
        "exact_dict": type(environ) is dict,
        "body": kept.decode("latin-1"),
        "length": length,
        "sha256": digest.hexdigest(),
        "pid": os.getpid(),
        "thread": threading.get_ident(),
    }
    status = parameters(environ).get("status", "200 OK")
    if environ["REQUEST_METHOD"] == "HEAD":
        # A validated application may not know that its body is dropped; it answers as to GET.
        note("head", environ["PATH_INFO"])
    return answer_json(start_response, document, status)


@route("spoil")
def spoil(environ, start_response):
    """Change the environ in every way an application may; the next request must not notice."""
    for key in [key for key in environ if key.startswith("HTTP_")]:
        del environ[key]
    environ["HTTP_LEAKED"] = environ["SERVER_NAME"] = environ["test.leaked"] = "leaked"
    environ.setdefault("wsgi.leaked", "leaked")
    start_response("200 OK", TEXT)
    return [b"spoiled"]


@route("clear", validated=False)  # the validator looks into the environ afterwards
def clear(environ, start_response):
    """Empty the environ."""
    environ.clear()
    start_response("200 OK", TEXT)
    return [b"cleared"]


@route("errors")
def errors(environ, start_response):
    """Write to wsgi.errors in each of its three ways."""
    stream = environ["wsgi.errors"]
    word = parameters(environ)["word"]
    stream.write(f"{word}-written\n")
    stream.writelines([f"{word}-first line\n", f"{word}-second line\n"])
    stream.write(f"{word}-")
    stream.write("in two parts\n")
    stream.write(f"{word}-gr\u00fc\u00dfe\n")
    stream.flush()
    start_response("200 OK", TEXT)
    return [b"noted"]


@route("raw-environ", validated=False)  # the validator puts its own objects into the environ
def raw_environ(environ, start_response):
    """Report on the server's own input and error objects, and on values that are no native strings."""
    cgi = {key: value for key, value in environ.items() if not key.startswith("wsgi.") and key.isupper()}
    document = {
        "input": {name: callable(getattr(environ["wsgi.input"], name, None)) for name in INPUT_METHODS},
        "errors": {name: callable(getattr(environ["wsgi.errors"], name, None)) for name in ERROR_METHODS},
        "not native": sorted(
            key for key, value in cgi.items() if type(value) is not str or any(ord(letter) > 255 for letter in value)
        ),
        "version": repr(environ["wsgi.version"]),
        "file wrapper": callable(environ.get("wsgi.file_wrapper")),
        "input terminated": environ.get("wsgi.input_terminated"),
    }
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(document).encode()]


INPUT_METHODS = ("read", "readline", "readlines", "__iter__")
ERROR_METHODS = ("write", "writelines", "flush")
