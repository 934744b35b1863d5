"""Side by side with uWSGI 2.0.31 itself: what ``import uwsgi`` offers, and what kinds of values its functions return."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
from harness.beside import Both, ask, get
from harness.original_uwsgi import PENSTOCK, UWSGI, missing
from projects import copy_of

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing() or "")

serve_both = partial(Both, [[UWSGI], PENSTOCK])

# Names that ours has and the original has not: some are of uWSGI 2.1, some of a build with PCRE; env is there with threads, too.
MORE = {
    "env", "request_context", "retire", "queue_size", "sharedarea_dec16", "sharedarea_dec8", "sharedarea_inc16", "sharedarea_inc8",
    "sharedarea_update", "sharedarea_wait", "route",
}  # fmt: skip
# Answers of another kind, and why.
OTHERWISE = {
    "offload": "it does nothing in the original, and says so here",
}
OPTIONS = (
    "--pidfile p.pid --mode blue --spooler tasks --queue 10 --sharedarea 1"
    " --cache2 name=c,items=10 --metric m --mule --locks 1 --threads 2"
)


@pytest.mark.parametrize("options", ["", OPTIONS])
def test_the_module_has_uwsgis_names_and_kinds_of_values(tmp_path: Path, options: str) -> None:
    always = ("--http-socket", "{tcp}", "--master", "--die-on-term", "--module", "api")
    with serve_both(copy_of("beside", tmp_path), *always, *options.split()) as both:
        theirs, ours = both.each(lambda server: json.loads(ask(server, get("/")).body))
    expected, found = theirs["names"], ours["names"]
    assert set(expected) - set(found) == set()
    assert set(found) - set(expected) - MORE == set()
    # The letters of the configuration's variables: what they stand for has been put in when an application looks.
    assert found.pop("magic_table") == {}
    # Environs are compared elsewhere.
    found.pop("env")
    assert {name: kind for name, kind in found.items() if name in expected and kind != expected[name]} == {}

    different = [
        (mine, other)
        for mine, other in zip(ours["answers"], theirs["answers"], strict=True)
        if mine != other and mine[0] not in OTHERWISE
    ]
    assert different == []
