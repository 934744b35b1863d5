"""Applications that answer in every way PEP 3333 allows, and in the ways it forbids."""

import os
import sys
import time

from conformance.registry import TEXT, Watched, note, parameters, route

JSON = [("Content-Type", "application/json")]


class Boom(Exception):
    """What the applications raise."""


def wait_for_file(path, seconds=5.0):
    """Wait until the test has made a file; whether it has."""
    deadline = time.monotonic() + seconds
    while not os.path.exists(path):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


def caught():
    """An exc_info of a Boom."""
    try:
        raise Boom("caught")
    except Boom:
        return sys.exc_info()


# Well-behaved answers.


@route("hello")
def hello(environ, start_response):
    """One block, no Content-Length."""
    start_response("200 OK", TEXT)
    return [b"hello"]


@route("sized")
def sized(environ, start_response):
    """Five bytes in two blocks, with a Content-Length."""
    start_response("200 OK", [*TEXT, ("Content-Length", "5")])
    return [b"hel", b"lo"]


@route("blocks")
def blocks(environ, start_response):
    """The blocks of ``?blocks=a,b,,c`` from a watched iterable; empty ones too. ``?length=`` and ``?status=``."""
    given = parameters(environ)
    headers = [("Content-Length", given["length"])] if "length" in given else []
    status = given.get("status", "200 OK")
    if not status.startswith(("204", "304")):
        headers += TEXT
    start_response(status, headers)
    return Watched([block.encode() for block in given["blocks"].split(",")], "blocks")


@route("no-body-status", validated=False)  # some of these statuses are not an application's to send
def no_body_status(environ, start_response):
    """A status that allows no body, with one all the same."""
    given = parameters(environ)
    headers = [("Content-Length", given["length"])] if "length" in given else []
    start_response(given["status"], headers)
    return Watched([b"forbidden ", b"body"], "no-body-status")


@route("empty")
def empty(environ, start_response):
    """No block at all. ``?as=generator`` for an iterable without a length."""
    start_response("200 OK", TEXT)
    return iter(()) if parameters(environ).get("as") == "generator" else []


@route("kinds", validated=False)  # the validator would hide what the iterable is
def kinds(environ, start_response):
    """The same two blocks as every kind of iterable."""
    start_response("200 OK", TEXT)
    pair = [b"one ", b"two"]
    return {
        "list": lambda: pair,
        "tuple": lambda: tuple(pair),
        "generator": lambda: (block for block in pair),
        "iterator": lambda: iter(pair),
        "set": lambda: {b"one two"},
        "dict": lambda: dict.fromkeys(pair),
        "custom": lambda: Sequence(pair),
        "deque": lambda: __import__("collections").deque(pair),
    }[parameters(environ)["kind"]]()


class Sequence:
    """Iterable by ``__getitem__`` alone, the old protocol."""

    def __init__(self, items):
        self._items = items

    def __getitem__(self, index):
        return self._items[index]


@route("one-block", validated=False)  # the validator would hide that the iterable has a length
def one_block(environ, start_response):
    """One block in a sized iterable."""
    start_response("200 OK", TEXT)
    return Single(b"single") if parameters(environ).get("as") == "custom" else [b"single"]


class Single:
    """A sized iterable of one block."""

    def __init__(self, block):
        self._block = block

    def __len__(self):
        return 1

    def __iter__(self):
        return iter([self._block])


@route("big")
def big(environ, start_response):
    """``?size=`` bytes in blocks of ``?block=``; ``?length=`` is passed on."""
    given = parameters(environ)
    size, block = int(given["size"]), int(given.get("block", 1 << 16))
    headers = [*TEXT, *([("Content-Length", given["length"])] if "length" in given else [])]
    start_response("200 OK", headers)
    pattern = bytes(range(256)) * (block // 256 + 1)
    return Watched((pattern[: min(block, size - at)] for at in range(0, size, block)), "big")


@route("endless")
def endless(environ, start_response):
    """Blocks for ever, until somebody closes the iterable."""
    start_response("200 OK", TEXT)

    def numbers():
        while True:
            yield b"x" * 50_000

    return Watched(numbers(), "endless")


@route("step")
def step(environ, start_response):
    """Some blocks, wait for the test's file, one more block: shows whether those before were sent."""
    path = parameters(environ)["file"]
    first = [b"first"] * int(parameters(environ).get("count", "1"))

    def steps():
        yield from first
        yield b"second" if wait_for_file(path) else b"nobody saw the first"

    start_response("200 OK", TEXT)
    return steps()


@route("many-headers")
def many_headers(environ, start_response):
    """Repeats, latin-1 values, order."""
    start_response(
        "200 Alles gr\u00fcn",
        [
            ("Set-Cookie", "a=1"),
            ("Content-Type", "text/plain"),
            ("Set-Cookie", "b=2"),
            ("X-Latin", "gr\u00fc\u00dfe \u00ff"),
            ("Set-Cookie", "a=3"),
            ("X-Empty", ""),
        ],
    )
    return [b"ok"]


@route("own-headers")
def own_headers(environ, start_response):
    """One header of the query's choice."""
    given = parameters(environ)
    start_response("200 OK", [*TEXT, (given["name"], given["value"])])
    return Watched([b"own ", b"header"], "own-headers")


@route("status")
def status(environ, start_response):
    """Any status that allows a body."""
    start_response(parameters(environ)["status"], TEXT)
    return [b"body"]


# start_response, write, exc_info.


@route("generator")
def generator(environ, start_response):
    """A generator application: start_response is called when it is first advanced."""
    start_response("200 OK", TEXT)
    yield b"lazy "
    yield b"start"


@route("late-start", validated=False)  # the validator wants start_response called by the first block, even an empty one
def late_start(environ, start_response):
    """Empty blocks, then start_response, then data."""
    yield b""
    yield b""
    start_response("200 OK", TEXT)
    yield b"late"


@route("never-started", validated=False)  # the validator would notice before the server
def never_started(environ, start_response):
    """A block without start_response. ``?blocks=none``: nothing at all."""
    return Watched([] if parameters(environ).get("blocks") == "none" else [b"", b"data"], "never-started")


@route("start-arguments", validated=False)  # to see what start_response itself accepts and returns
def start_arguments(environ, start_response):
    """Call start_response in the ways that PEP 3333 allows."""
    way = parameters(environ)["way"]
    if way == "two":
        write = start_response("200 OK", TEXT)
    elif way == "three":
        write = start_response("200 OK", TEXT, None)
    else:
        write = start_response("200 OK", TEXT, exc_info=None)
    note("write", callable(write))
    return [b"started"]


@route("write")
def write(environ, start_response):
    """write() twice, then two blocks. ``?length=`` is passed on; ``?file=``: wait for it after the first."""
    given = parameters(environ)
    headers = [*TEXT, *([("Content-Length", given["length"])] if "length" in given else [])]
    send = start_response("200 OK", headers)
    send(b"written ")
    if "file" in given:
        note("seen", wait_for_file(given["file"]))
    send(b"twice, ")
    return [b"then ", b"returned"]


@route("write-only")
def write_only(environ, start_response):
    """Everything by write(), an empty iterable after it."""
    send = start_response("200 OK", TEXT)
    send(b"")
    send(b"only ")
    send(b"written")
    return []


@route("write-text", validated=False)  # the validator refuses it first
def write_text(environ, start_response):
    """write() of a str is an error."""
    send = start_response("200 OK", TEXT)
    try:
        send("text")
    except Exception as error:
        note("raised", type(error).__name__)
        raise
    return []


@route("twice", validated=False)  # the validator refuses it first
def twice(environ, start_response):
    """start_response twice without exc_info."""
    start_response("200 OK", TEXT)
    try:
        start_response("200 OK", TEXT)
    except BaseException as error:
        note("raised", type(error).__name__)
        raise
    note("raised", None)
    return [b"twice"]


@route("replace")
def replace(environ, start_response):
    """exc_info before the head is sent: status and all headers are replaced."""
    start_response("200 OK", [("Content-Type", "text/html"), ("X-First", "1"), ("Content-Length", "1000")])
    start_response("503 Later", [("Content-Type", "text/plain"), ("X-Second", "2")], caught())
    return [b"replaced"]


@route("replace-late")
def replace_late(environ, start_response):
    """The same after empty blocks, which send no head."""
    start_response("200 OK", [*TEXT, ("X-First", "1")])

    def parts():
        yield b""
        yield b""
        start_response("503 Later", [*TEXT, ("X-Second", "2")], caught())
        yield b"replaced"

    return parts()


@route("too-late")
def too_late(environ, start_response):
    """exc_info after data was sent: the exception comes back."""
    start_response("200 OK", TEXT)

    def parts():
        yield b"sent"
        information = caught()
        try:
            start_response("500 Oops", TEXT, information)
        except Boom as error:
            note("same", error is information[1])
            note("trace", error.__traceback__ is not None)
            raise
        note("same", None)
        yield b"never"

    return Watched(parts(), "too-late")


@route("too-late-by-write")
def too_late_by_write(environ, start_response):
    """The same after write()."""
    start_response("200 OK", TEXT)(b"sent")
    information = caught()
    try:
        start_response("500 Oops", TEXT, information)
    except Boom as error:
        note("same", error is information[1])
        raise
    return [b"never"]


# Faults.

BAD_STATUSES = {
    "no reason": "200",
    "no space": "200OK",
    "two digits": "20 OK",
    "four digits": "2000 OK",
    "letters": "abc OK",
    "empty": "",
    "leading space": " 200 OK",
    "tab": "200\tOK",
    "bytes": b"200 OK",
    "number": 200,
    "none": None,
    "line feed": "200 OK\nX-Injected: 1",
    "carriage return": "200 OK\r\nX-Injected: 1",
    "nul": "200 O\0K",
    "not latin-1": "200 \u20ac",
    "plus": "+20 OK",
    "arabic digits": "\u0662\u0660\u0660 OK",
}

BAD_HEADERS = {
    "none": None,
    "tuple": (("X-A", "1"),),
    "generator": (pair for pair in [("X-A", "1")]),
    "dict": {"X-A": "1"},
    "pair is a list": [["X-A", "1"]],
    "pair is text": ["ab"],
    "one item": [("X-A",)],
    "three items": [("X-A", "1", "2")],
    "bytes name": [(b"X-A", "1")],
    "bytes value": [("X-A", b"1")],
    "number value": [("X-A", 1)],
    "none value": [("X-A", None)],
    "empty name": [("", "1")],
    "space in name": [("X A", "1")],
    "colon in name": [("X-A:", "1")],
    "line feed in name": [("X-A\nX-Injected", "1")],
    "carriage return in name": [("X-A\r\nX-Injected: 1\r\nX", "1")],
    "not latin-1 name": [("X-\u20ac", "1")],
    "latin-1 name": [("X-\u00fc", "1")],
    "line feed in value": [("X-A", "1\nX-Injected: 1")],
    "carriage return in value": [("X-A", "1\r\nX-Injected: 1")],
    "lone carriage return in value": [("X-A", "1\rX-Injected: 1")],
    "nul in value": [("X-A", "1\x002")],
    "not latin-1 value": [("X-A", "\u20ac")],
    "length is no number": [("Content-Length", "abc")],
    "negative length": [("Content-Length", "-1")],
    "signed length": [("Content-Length", "+4")],
    "empty length": [("Content-Length", "")],
    "two lengths": [("Content-Length", "4"), ("Content-Length", "5")],
    "huge length": [("Content-Length", "9" * 30)],
}


def offend(start_response, status, headers):
    """Make the offending call, note what it raises, and answer as if nothing had happened."""
    try:
        start_response(status, headers)
    except BaseException as error:
        note("raised", type(error).__name__)
        raise
    note("raised", None)
    return Watched([b"body"], "offend")


@route("bad-status", validated=False)  # the validator refuses it first
def bad_status(environ, start_response):
    """A status that is none."""
    return offend(start_response, BAD_STATUSES[parameters(environ)["case"]], list(TEXT))


@route("bad-headers", validated=False)  # the validator refuses them first
def bad_headers(environ, start_response):
    """Headers that are none."""
    return offend(start_response, "200 OK", BAD_HEADERS[parameters(environ)["case"]])


@route("bad-block", validated=False)  # the validator refuses it first
def bad_block(environ, start_response):
    """A block that is no bytes. ``?after=1``: after a good one."""
    given = parameters(environ)
    block = {"text": "text", "number": 5, "none": None, "array": [b"x"]}[given["kind"]]
    start_response("200 OK", TEXT)
    return Watched([b"good", block] if "after" in given else [block], "bad-block")


@route("bad-iterable", validated=False)  # the validator refuses it first
def bad_iterable(environ, start_response):
    """Something that cannot be iterated over."""
    start_response("200 OK", TEXT)
    return {"none": None, "number": 5, "text": "text"}[parameters(environ)["kind"]]


EXCEPTIONS = {
    "Boom": Boom,
    "SystemExit": SystemExit,
    "KeyboardInterrupt": KeyboardInterrupt,
    "GeneratorExit": GeneratorExit,
    "BaseException": BaseException,
    "StopIteration": StopIteration,
    "MemoryError": MemoryError,
    "RecursionError": RecursionError,
    "OSError": OSError,
}


@route("raise")
def raise_(environ, start_response):
    """Raise at a point of the query's choice: call, started, first, first-after-empty, middle, close."""
    given = parameters(environ)
    error = EXCEPTIONS[given.get("error", "Boom")](given.get("word", "boom"))
    where = given["where"]
    if where == "call":
        raise error
    headers = [*TEXT, *([("Content-Length", given["length"])] if "length" in given else [])]
    send = start_response("200 OK", headers)
    if where == "started":
        raise error
    if where == "written":
        send(b"written")
        raise error

    def parts():
        if where == "first":
            raise error
        yield b""
        if where == "first-after-empty":
            raise error
        yield b"part"
        if where == "middle":
            raise error

    return Watched(Raising(parts()), "raise", raises=error if where == "close" else None)


class Raising:
    """Lets StopIteration out as it is: a generator would turn it into RuntimeError."""

    def __init__(self, parts):
        self._parts = parts

    def __iter__(self):
        return self

    def __next__(self):
        return next(self._parts)


@route("early-hints", validated=False)  # to call the server's own function
def early_hints(environ, start_response):
    """Send early hints where the server offers them."""
    hints = environ.get("wsgi.early_hints")
    if hints is not None:
        hints([("Link", "</style.css>; rel=preload")])
    start_response("200 OK", TEXT)
    return [b"hinted"]
