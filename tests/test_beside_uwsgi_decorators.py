"""Side by side with uWSGI 2.0.31 itself: what decorated functions do, and what they are given."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from harness import SAFETY_SECONDS, Server
from harness.beside import Both, ask, get
from harness.original_uwsgi import PENSTOCK, UWSGI, missing
from harness.processes import wait_until

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing() or "")

APPLICATION = """\
import uwsgi
import uwsgidecorators

def say(text):
    uwsgi.log(f"<{text}>")

def shown(task):
    return {key: value for key, value in sorted(task.items()) if key != "spooler_task_name"}

@uwsgidecorators.spool
def plain(task):
    say(f"plain {shown(task)}")
    return uwsgi.SPOOL_RETRY

@uwsgidecorators.spoolraw
def raw(task):
    say(f"raw {shown(task)}")
    return uwsgi.SPOOL_OK

@uwsgidecorators.spool(pass_arguments=True)
def pickled(*arguments, **named):
    say(f"pickled {arguments} {named}")

@uwsgidecorators.postfork
def everywhere():
    if uwsgi.worker_id():
        say(f"forked {uwsgi.worker_id()}")

@uwsgidecorators.postfork(2)
def second():
    say(f"second {uwsgi.worker_id()}")

@uwsgidecorators.mulefunc
def any_mule(*arguments, **named):
    say(f"mulefunc {arguments} {named} {uwsgi.mule_id() > 0}")

@uwsgidecorators.mulefunc(2)
def second_mule(text):
    say(f"mulefunc {text} {uwsgi.mule_id()}")

@uwsgidecorators.farm("pair")
def of_the_farm(message):
    say(f"farm {message} {uwsgi.mule_id() in (3, 4)}")

@uwsgidecorators.lock
def locked(number):
    return number + 1

@uwsgidecorators.thread
def threaded(text):
    say(f"thread {text}")

@uwsgidecorators.harakiri(60)
def timed(text):
    return text

@uwsgidecorators.signal(40, target="workers")
def rung(number):
    say(f"signal {number} {uwsgi.worker_id()}")

@uwsgidecorators.timer(1, target="mule1")
def ticks(number):
    if not hasattr(ticks, "done"):
        ticks.done = True
        say(f"timer {uwsgi.mule_id()}")

DONE = {
    "/plain": lambda: plain(to="a", body="b"),
    "/dictionary": lambda: plain({b"to": b"bytes", "n": "1"}),
    "/method": lambda: plain.spool(to="old"),
    "/raw": lambda: raw(ok="1"),
    "/pickled": lambda: pickled([1], key={"a": b"b"}),
    "/mulefunc": lambda: any_mule(1, a="b"),
    "/second-mule": lambda: second_mule("text"),
    "/farm": lambda: uwsgi.farm_msg("pair", b"message"),
    "/thread": lambda: threaded("started"),
    "/calls": lambda: say(f"calls {locked(1)} {timed('x')}"),
    "/signal": lambda: uwsgi.signal(40),
}

def application(environ, start_response):
    DONE[environ["PATH_INFO"]]() if environ["PATH_INFO"] in DONE else None
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"answer"]
"""

TARGETS = (
    "plain", "dictionary", "method", "raw", "pickled", "mulefunc", "second-mule", "farm", "thread", "calls", "signal",
)  # fmt: skip
# What is said at start, and twice by `signal`.
BY_ITSELF = 2 + 1 + 1 + 1


def said(server: Server) -> list[str]:
    return sorted(re.findall("^<(.*)>$", server.log, re.MULTILINE))


def test_decorated_functions_do_what_they_do_in_uwsgi(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APPLICATION)
    options = ("--wsgi-file", "app.py", "--master", "--die-on-term", "--processes", "2", "--spooler", "{directory}")
    mules = ("--mule", "--mule", "--mule", "--mule", "--farm", "pair:3,4", "--disable-logging")
    with Both([[UWSGI], PENSTOCK], tmp_path, "--http-socket", "{tcp}", *options, *mules) as both:

        def say_all(server: Server) -> list[str]:
            # Signals only reach workers that are there.
            assert wait_until(lambda: len(said(server)) >= 4, SAFETY_SECONDS), server.log
            for target in TARGETS:
                ask(server, get(f"/{target}"))
            expected = len(TARGETS) + BY_ITSELF
            assert wait_until(lambda: len(said(server)) >= expected, SAFETY_SECONDS), f"{said(server)}\n{server.log}"
            return said(server)

        theirs, ours = both.each(say_all)
    assert ours == theirs
