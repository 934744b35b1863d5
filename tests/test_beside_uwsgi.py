"""Side by side with uWSGI 2.0.31 itself: what configurations come to, and commands that end.

Where the outcome differs on purpose the row says why, and what is Penstock's; the compatibility page lists these
differences. A row without a reason must come out the same. What is served stands in test_beside_uwsgi_served.py.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
from harness.beside import run_with
from harness.command import Ended
from harness.original_uwsgi import PENSTOCK, UWSGI, missing, options
from harness.processes import free_port

run_both = partial(run_with, [[UWSGI], PENSTOCK])


@pytest.fixture(autouse=True)
def original() -> None:
    if reason := missing():
        pytest.skip(reason)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory whose name does not depend on the test."""
    directory = tmp_path / "place"
    directory.mkdir()
    return directory


@dataclass
class Row:
    """A command line with files and variables around it."""

    # What stands below [uwsgi] in x.ini; whole files are in ``files``.
    text: str = ""
    line: str = "x.ini"
    files: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    # An option that the original only has in some builds.
    needs: str = ""
    # What Penstock says otherwise, and why.
    ours: str = ""
    why: str = ""

    def __str__(self) -> str:
        words = [f"{name}={value}" for name, value in self.environment.items()]
        return " ".join([*words, self.line, self.text.replace("\n", "; ")]).strip()[:70] or "nothing"

    def run(self, place: Path, *more: str) -> tuple[Ended, Ended]:
        if self.needs and self.needs not in options():
            pytest.skip(f"this build of uWSGI has no {self.needs}")
        if self.text:
            (place / "x.ini").write_text(f"[uwsgi]\n{self.text}\n")
        for name, text in self.files.items():
            (place / name).parent.mkdir(exist_ok=True)
            (place / name).write_text(text)
        plain = {name: "" for name in os.environ if name.startswith("UWSGI_")}
        assert not plain, f"these variables would be options: {plain}"
        return run_both(place, [*more, *self.line.split()], self.environment)


# Configurations that are shown. There is nothing to listen on in them, so both servers end.

TWO_SECTIONS = {"x.ini": "[base]\nprocesses = 2\n[uwsgi]\nini = :base\nmaster = true\n"}
WORD = {"WORD": "v", "EMPTY": ""}
UPPER = "upper-case variables mean the first file, however it was named: uWSGI sets them by --ini only"
FILES = {"f": "text\n", "sub/g": "x"}

SHOWN = [
    # Lines, comments, white space, duplicates, sections.
    Row("processes = 4"),
    Row("# c\n; c\n  processes  =  4  \n\tthreads\t=\t2\r\n"),
    Row("master\nvacuum=\nprocesses=4"),
    Row("processes = 2\nprocesses = 3"),
    Row("a = b = c\nkey: value\nodd"),
    Row("processes = 4 ; four\nvacuum = false # x\nharakiri = 5 # five"),
    Row("a = 1\n  indented = 2\n\n\nlast =   spaces  inside   "),
    Row("=novalue\n= 3"),
    Row("KEY = 1\nkey_x = 2\nb = %(KEY)%(key_x)"),
    Row("a = x%\nb = 2"),
    Row("[\na = 1"),
    Row(files={"x.ini": "[uwsgi]\r\nmaster = 1\r\nprocesses = 2\r\n"}),
    Row(files={"x.ini": "\ufeff[uwsgi]\nmaster = 1\n"}),
    Row(files={"x.ini": "[uwsgi] ; x\nmaster = 1\n"}),
    Row(files={"x.ini": "[other]\nmaster = 1\n"}),
    Row(files={"x.ini": "processes = 9\n[uwsgi]\nmaster = 1\n[other]\nprocesses = 2\n[uwsgi]\nthreads = 4\n"}),
    Row(files=TWO_SECTIONS),
    Row(line="--ini x.ini:base", files=TWO_SECTIONS),
    Row(line="--ini x.ini:", files=TWO_SECTIONS),
    Row(files={"x.ini": "[base]\nprocesses = 2\n[uwsgi]\nini = x.ini:base\n"}),
    # Files in files.
    Row("include = y.ini\nmaster = 1", files={"y.ini": "[uwsgi]\nthreads = %n %s %d\n"}),
    Row("inherit = y.ini\nmaster = 1\nb = 2", files={"y.ini": "[uwsgi]\nthreads = %(b)\nenv = X=$(HOME)"}),
    Row("ini = y.ini:a\nmaster = 1", files={"y.ini": "[a]\nprocesses = 2\nini = :b\n[b]\nthreads = 3\n"}),
    Row(
        "ini = :other\nini = y.ini\nini = :other\n[other]\nthreads = 3",
        files={"y.ini": "[uwsgi]\nini = :z\n[z]\nprocesses = 2\n[other]\nthreads = 9"},
    ),
    Row("if-env = WORD\nini = y.ini\nendif =", environment=WORD, files={"y.ini": "[uwsgi]\nthreads = 2\nz = %(_)\n"}),
    Row(line="--ini x.ini", files={"x.ini": "[uwsgi]\nini = z.ini\nb = %n\n", "z.ini": "[uwsgi]\nz = %n %N %P\n"}),
    Row(line="--ini exec://./c", files={"c": ""}),
    # Magic variables.
    Row("p = %p\no = %o\ns = %s\nn = %n\nd = %d\ne = %e\nc = %c\nx = %x\nv = %v"),
    Row("h = %h\nV = %V\nk = %k\nu = %u\nU = %U\ng = %g\nG = %G"),
    Row("j = %j\n0 = %0\n1 = %1\n2 = %2\n9 = %9"),
    Row("a = %%\nb = %z\nc = %Y-%m\nd = %[0m\ne = %(none)\nf = 100%"),
    Row("N = %N", ours="N = x", why=UPPER),
    Row(line="--ini x.ini", text="P = %P\nS = %S\nD = %D\nN = %N\nE = %E\nC = %C\nX = %X\nO = %O"),
    Row(line="--ini x.ini:s", files={"x.ini": "[s]\nx = %x\nX = %X\n"}),
    Row("a = %%(b)\nb = 2\nlog-format = %(method) %%(x)"),
    # Placeholders and sums.
    Row("a = 1\nb = %(a)\nc = %(b)\nd = %(e)\ne = 5"),
    Row("a = 1\na = 2\nb = %(a)"),
    Row("b = %(2 + 3)\nc = %(2 * 3 + 1)\nd = %((4 * 2) + 1)\ne = %(7 / 2)\nf = %(5 - 8)\ng = %(1 / 0)"),
    Row("a = 3\nb = %(a + 1)\nc = %(a ++)\nd = %(a --)\ne = %(a a)\nf = %(a a + 2)\ng = %(x y)"),
    Row("b = %(%k + 1)\nc = %(2+3)\nd = %( 2 + 3 )\ne = %(10 - 2 - 3)"),
    Row("a = %(x + 2)\nb = %(2 x)\nc = %(x)\nd = %(2 - x)\ne = %(x 3)\nf = %(3 + x + 2)\ng = %(2 +)\nh = %(+ 2)\ni = %( )"),
    Row("a = 5\nb = %(a  +  2)\nc = %(a + a * a)\nd = %(a -1)\ne = %(a + -1)\nf = %(9 % 4)\ng = %(1.5 + 1)"),
    Row("a = %(b\nb = 1\nc = @(none\nd = $(A"),
    Row("a = %(b%(c)\nb = 1\nc = 3\nd = %(c\ne = %(c)%(f %(c)\nf = x%(%(g))y%(%(g) 1)\ng = c"),
    Row("a = x%(b)-%(b)\nb = y%(c)\nc = 3\nd = %(e)\ne = %(c)\n= v\nf = %()$()"),
    Row("a = x$(A)y\nb = $(A)", environment={"A": "$(B)", "B": "b"}),
    Row(
        "set-placeholder = a=$(WORD)\nb = x%(a)",
        environment=WORD,
        ours="b = xv",
        why="what a placeholder stands for is replaced in it as anywhere",
    ),
    Row("set-placeholder = a=1\nb = %(a)\nset-ph = c=2\nd = %(c)"),
    Row("set = processes=3\nset = mine=4\nb = %(mine)"),
    # The environment and files in values.
    Row("a = $(WORD)\nb = $(NONE)\nc = $WORD\nd = x$(WORD)y$(WORD)\ne = $(EMPTY)", environment=WORD),
    Row("a = $(A)\nb = $()\nc = $(A)$(B)", environment={"A": "$(B)", "B": "b"}),
    Row("a$(K) = 1\nb%(c) = 2\nc = 3", environment={"K": "v"}),
    Row("env = A=1\nenv = B=$(A)\nc = $(A)"),
    Row("a = @(f)\nb = -@(f)-", files=FILES),
    Row("a = @(f)", files={"f": "two\nlines\n"}),
    Row("a = @(exec://echo hi)"),
    Row("a = $(FILE)\nb = @($(FILE))\nc = %($(K))\nk = 3", environment={"FILE": "f", "K": "k"}, files=FILES),
    Row("print = hi %(a)\na = 1"),
    # Conditions.
    *(
        Row(f"if-{how}env = {what}\na = <%(_)>\nendif =\nb = 1", environment=WORD)
        for how in ("", "not-")
        for what in ("WORD", "WORD=v", "WORD=w", "NONE", "EMPTY")
    ),
    *(
        Row("\n".join(f"if-{how}{kind} = {name}\na = <%(_)>\nendif =" for name in ("f", "sub", "none")), files=FILES)
        for how in ("", "not-")
        for kind in ("exists", "file", "dir", "directory")
    ),
    Row("ifdir = /tmp\nc = 1\nendif\nifenv = WORD\nd = 1\nend\nifexists = /tmp\ne = 1\nend-if", environment=WORD),
    Row("c = 1\nif-opt = c\na = <%(_)>\nend =\nif-opt = c=1\na = <%(_)>\nend-if =\nif-opt = c=2\na = 3\nendif"),
    Row("c = 1\nif-not-opt = c\na = 4\nendif\nif-not-opt = d\na = <%(_)>\nendif\nif-not-opt = c=2\na = <%(_)>\nendif"),
    Row("if-opt = a\nb = 1\nendif\na = 1\nif-opt = a\nc = 1\nendif"),
    Row("if-reload = 1\na = 1\nendif =\nif-not-reload = 1\nb = <%(_)>\nendif ="),
    Row("if-plugin = python\na = <%(_)>\nendif =\nif-not-plugin = nothing\nb = <%(_)>\nendif ="),
    Row("if-hostname = %h\na = <%(_)>\nendif =\nif-not-hostname = x\nb = <%(_)>\nendif ="),
    Row("if-not-hostname-match = ^zzz\nb = <%(_)>\nendif =", needs="if-hostname-match"),
    Row(
        "if-hostname-match = .\na = <%(_)>\nendif =",
        needs="if-hostname-match",
        ours="a = <.>",
        why="a pattern that matches does so: with PCRE 2 uWSGI's never does",
    ),
    Row("if-env = WORD\na = 1\nelse =\nb = 2\nendif =", environment=WORD),
    Row("if-env = WORD\na = 1", environment=WORD),
    Row("if-env = NONE\na = 1"),
    Row("if-env = NONE\nif-env = HOME\na = 1\nendif\nb = 2\nendif"),
    Row("for-times = 0\nfor = a b\na = 1\nendfor\nb = 2\nendfor"),
    Row("endif =\nendfor"),
    Row("if-env = WORD\nset-placeholder = q=%(_)\nendif =\nr = %(q)", environment=WORD),
    # Loops.
    Row("for = a b c\nx = <%(_)>\ny = %(_)-%(_)\nendfor =\nz = 1"),
    Row("for =\nx = <%(_)>\nendfor =\nz = 1"),
    Row("for = $(L)\na = %(_)\nendfor", environment={"L": "x y"}),
    Row("for = a b\nset = x%(_)=%(_)\nendfor =\ny = %(xb)"),
    Row("for-glob = *.txt\nx = <%(_)>\nendfor =\nz = 1", files={"a.txt": "", "b.txt": ""}),
    Row("for-glob = *.none\nx = <%(_)>\nendfor =\nz = 1"),
    Row("for-times = 3\nx = <%(_)>\nendfor =\nfor-times = 0\ny = 1\nend-for =\nfor-times = %k\nz = %(_)\nendfor"),
    Row("for-readline = f\nx = <%(_)>\nendfor =\nz = 1", files={"f": "one\n two \n\nthree"}),
    # What stands for other options.
    Row(
        "declare-option = mine=env=A=$1;threads=$2\nmine = x 3",
        ours="env = A=x",
        why="what a declared option stands for is shown too",
    ),
    # Variables and command lines.
    Row("master = 1", environment={"UWSGI_PROCESSES": "3"}),
    Row("master = 1", environment={"UWSGI_FOO": "bar", "UWSGI_RELOADS": "1"}),
    Row(line="", environment={"UWSGI_INI": "x.ini"}, text="processes = 3"),
    Row(line="", environment={"UWSGI_HTTP_TIMEOUT": ""}),
    Row(line="-M -p 4 --threads=2 --harakiri 5 -ML -p4"),
    Row(line="--http-keepalive --need-app --vacuum"),
    Row(line="--http-keepalive=3 --vacu"),
    Row(line="--processes 8 x.ini --threads 3", text="processes = 2"),
    Row(line="--ini x.ini --processes 8", text="processes = 2"),
    Row(line="[x x.ini", text="processes = 2"),
    Row("strict = true\nprocesses = 2"),
    Row("strict = true\nset-placeholder = mine=2\nthreads = %(mine)"),
    # The other formats.
    Row(line="--yaml a.yaml", files={"a.yaml": "uwsgi:\n  processes: 2\nother:\n  threads: 2\n"}),
    Row(line="a.yaml", files={"a.yaml": "---\nuwsgi:\n  processes: 2\n  env: A=1\n\n  # c\n  env: B=2\n  http-timeout : 4\n"}),
    Row(line="a.yml", files={"a.yml": "uwsgi:\n  p: %p\n  a: $(WORD)\n  b: %(p)\n"}, environment=WORD),
    Row(line="a.yaml", files={"a.yaml": "other:\n  processes: 2\n"}),
    Row(line="--yaml a.yaml:other", files={"a.yaml": "other:\n  processes: 2\n"}),
    Row(
        line="a.yaml",
        files={"a.yaml": "uwsgi:\n  procname: \"a b\"\n"},
        ours="procname = a b",
        why="quotes are YAML's, not the value's: only builds with libyaml know",
    ),
    Row(line="a.json", files={"a.json": '{"uwsgi": {"processes": 2, "n": -3, "l": [1, true, "x"]}}'}, needs="json"),
    Row(line="a.json", files={"a.json": '{"uwsgi": {"master": true, "b": false, "x": null, "s": "v"}}'}, needs="json"),
    Row(line="--json a.json:s", files={"a.json": '{"s": {"processes": 2}}'}, needs="json"),
    Row("json = a.json\ninclude = a.json", files={"a.json": '{"uwsgi": {"threads": 2}}'}, needs="json"),
    Row(
        line="a.js",
        files={"a.js": '{"uwsgi": {"f": 1.5}}'},
        needs="json",
        ours="f = 1.5",
        why="a number with a fraction is a value, not nothing",
    ),
    Row(line="a.xml", files={"a.xml": "<uwsgi><processes>2</processes><master/><b> /tmp </b></uwsgi>"}, needs="xml"),
    Row(line="a.xml", files={"a.xml": "<uwsgi><env>A=1</env><!-- c --><env>a&amp;b</env></uwsgi>"}, needs="xml"),
    Row(line="--xmlconfig a.xml", files={"a.xml": '<uwsgi id="a"><threads>2</threads></uwsgi>'}, needs="xml"),
    Row("xml = a.xml", files={"a.xml": "<uwsgi><master/></uwsgi>"}, needs="xml"),
    Row(
        line="a.xml",
        files={"a.xml": '<uwsgi><app mountpoint="/x"><script>m</script></app></uwsgi>'},
        needs="xml",
        ours="mount = /x=m",
        why="<app> is a mount",
    ),
]


def shown(ended: Ended) -> list[str]:
    """The lines between the head and the end of what --show-config prints."""
    found = re.search(r";uWSGI instance configuration\n\[uwsgi\]\n(.*?);end of configuration", ended.text, re.DOTALL)
    assert found is not None, str(ended)
    return found[1].split("\n")[:-1]


@pytest.mark.parametrize("row", SHOWN, ids=str)
def test_a_configuration_is_read_as_uwsgi_reads_it(place: Path, row: Row) -> None:
    theirs, ours = row.run(place, "--show-config")
    assert (theirs.exit_code, ours.exit_code) == (1, 1), f"{theirs}\n{ours}"
    if row.why:
        assert row.ours in shown(ours) and row.ours not in shown(theirs), f"{row.why}\n{theirs}\n{ours}"
    else:
        assert shown(ours) == shown(theirs), f"{theirs}\n{ours}"


# Commands that end.

NO_SUCH = "nobody-of-that-name"


@dataclass
class Ending(Row):
    """A command that ends by itself."""

    # What both say, on either stream. ``ours`` is what Penstock says beside it: where it was, and what to do.
    says: str = ""
    # Penstock's exit code where it is another, which ``why`` explains.
    code: int | None = None


SERVER = "--socket u.sock --need-app "


def start(options: str, **more: object) -> Ending:
    """The start of a server that ends, at the latest because it has no application."""
    return Ending(line=SERVER + options, **more)  # type: ignore[arg-type]


def file(text: str, **more: object) -> Ending:
    """The same with an ini file."""
    return Ending(text, line=SERVER + "x.ini", **more)  # type: ignore[arg-type]


GONE = "*** no app loaded. GAME OVER ***"
ADDED = "an addition: uWSGI has no such argument"

ENDINGS = [
    # Questions.
    Ending(line="--version", says="2.0.31\n"),
    Ending(line="--help", says="--harakiri"),
    Ending(line="-h", says="--vacuum"),
    Ending(line="--exit=3"),
    Ending("exit = 4"),
    Ending(line="--exit=0"),
    Ending("a = 1\na = 2", line="--get a x.ini", says="1\n"),
    Ending("a = 1", line="--ini x.ini --get b"),
    Ending("a = 1\nget = a", says="1\n"),
    # Command lines that cannot be read.
    Ending(line="--nosuch 3", says="unrecognized option '--nosuch'"),
    Ending(line="--vaccum", says="unrecognized option '--vaccum'", ours="did you mean vacuum?"),
    Ending(line="--harakiri", says="option '--harakiri' requires an argument"),
    Ending(line="--master=1", says="option '--master' doesn't allow an argument"),
    Ending(line="--proc 4", says="option '--proc' is ambiguous; possibilities: '--processes'"),
    Ending(line="--http-sock :0", says="option '--http-sock' is ambiguous"),
    Ending(line="-Z", says="invalid option -- 'Z'"),
    Ending(line="-V", says="invalid option -- 'V'"),
    Ending(line="-p", says="option requires an argument -- 'p'"),
    Ending(line="--reload", says="option '--reload' requires an argument"),
    Ending(line="nothing.txt", says="unable to load configuration from nothing.txt", ours="name an .ini"),
    Ending(line="", says="", ours="nothing to listen on"),
    Ending("http-sockt = :8000", ours="x.ini:2: unknown option http-sockt is ignored (did you mean http-socket?)\nnothing"),
    Ending(line="x.ini", files={"x.ini": "[uwsgi\nmaster = 1\n"}, ours="x.ini has no section [uwsgi]"),
    start("app.py", code=22, why=ADDED),
    start("none:app", code=22, why=ADDED),
    # Configurations that cannot be read.
    Ending(line="--ini none.ini", says="none.ini", ours="command line: ini: cannot read none.ini: No such file"),
    Ending(line="none.ini", says="none.ini", ours="cannot read none.ini: No such file"),
    Ending("master = 1\nini = none.ini", says="none.ini", ours="x.ini:3: ini: cannot read none.ini"),
    Ending("a = @(missing)", says="missing", ours="x.ini:2: a: @(missing): cannot read missing"),
    Ending("set-placeholder = processes=3", says="processes", ours="x.ini:2: set-placeholder: 'processes' is an option"),
    Ending("set = nothing", ours="x.ini:2: set: 'nothing' has to be NAME=VALUE"),
    Ending(
        "if-env = HOME\nif-env = HOME\na = 1\nendif",
        says="recursive logic in options is not supported",
        ours="x.ini:3: if-env: recursive",
    ),
    Ending("strict = 1\nmine = 2", says="[strict-mode] unknown config directive: mine", ours="x.ini:3: "),
    Ending("vaccum = 2", line="--strict x.ini", says="[strict-mode] unknown config directive: vaccum", ours="x.ini:2: "),
    Ending(line="", environment={"UWSGI_STRICT": "1", "UWSGI_FOO": "3"}, says="[strict-mode] unknown config directive: foo"),
    Ending(line="a.json", files={"a.json": '{"uwsgi": {\n"a" 3}}'}, needs="json", ours="a.json:2: "),
    Ending(line="a.json", files={"a.json": '{"other": {"a": 3}}'}, needs="json", ours="has no section uwsgi"),
    Ending(line="a.json", files={"a.json": "[1]"}, needs="json", ours="a.json:1: "),
    Ending(line="a.xml", files={"a.xml": "<uwsgi>\n<env>A=1</uwsgi>"}, needs="xml", ours="a.xml:2: "),
    Ending(line="a.xml", files={"a.xml": "<other><env>A=1</env></other>"}, needs="xml", ours="has no section uwsgi"),
    Ending("for-readline = none", ours="x.ini:2: for-readline: cannot read none"),
    # Values that mean nothing.
    file("processes = -1", says="processes", ours="x.ini:2: processes: '-1' is no number of workers"),
    file("harakiri = -1", says="harakiri", ours="x.ini:2: harakiri: '-1' is negative"),
    file("threads = -3", says="threads", ours="x.ini:2: threads: '-3' is negative"),
    file("chmod-socket = 9", says="invalid chmod value: 9", ours="x.ini:2: chmod-socket: "),
    file("chmod-socket = 66a", says="invalid chmod value: 66a", ours="give exactly three octal digits"),
    file("protocol = nothing", says="nothing", ours="x.ini:2: protocol: the protocol nothing is not there"),
    file("log-encoder = nothing", says="nothing", ours="x.ini:2: log-encoder: there is no encoder 'nothing'"),
    file("mount = app.py", says="app.py", ours="x.ini:2: mount: 'app.py' has to be /PREFIX=MODULE"),
    file("cron = x", says="invalid cron syntax", ours="x.ini:2: cron: "),
    file("hook-asap = nothing:x", says="hook action not found: nothing", ours="x.ini:2: hook-asap: "),
    file("hook-asap = exec:false", says='command "false" exited with non-zero code: 1'),
    file("exec-asap = false", says='command "false" exited with non-zero code: 1'),
    file("route = x", needs="route", ours="x.ini:2: route: 'x' has to be PATTERN ACTION:ARGUMENT"),
    file("static-map = /x", ours="x.ini:2: static-map: '/x' has to be PREFIX=DIRECTORY"),
    file("static-expires = x", needs="static-expires", ours="x.ini:2: static-expires: 'x' has to be PATTERN SECONDS"),
    file("cache2 = x", ours="x.ini:2: cache2: a cache has no 'x'"),
    file("cache2 = name=a", ours="x.ini:2: cache2: a cache has to have items"),
    file("cache2 = items=10", ours="x.ini:2: cache2: a cache has to have a name"),
    file("spooler = x.ini", ours="x.ini:2: spooler: the directory"),
    file("need-plugin = nothing", says='unable to load plugin "nothing"', ours="x.ini:2: need-plugin: "),
    file(
        "max-worker-lifetime = 1",
        says="invalid min-worker-lifetime value (10), must be lower than max-worker-lifetime (1)",
    ),
    file("umask = 9", code=1, ours="x.ini:2: umask: '9' is not an octal number", why="uWSGI takes it for 0: files open to all"),
    file("buffer-size = -1", code=1, ours="x.ini:2: buffer-size: '-1' is negative", why="uWSGI takes it for 65535"),
    file("add-header = nocolon", code=1, ours="x.ini:2: add-header: 'nocolon' has to be", why="it would break each answer"),
    file("plugins = psgi", code=1, ours="x.ini:2: plugins: the plugin 'psgi' is not there", why="nothing could be served"),
    file("socket = :99999999", code=1, ours="x.ini:2: socket: '99999999' is not a valid port", why="uWSGI takes another port"),
    file("socket = 300.1.1.1:1", code=1, ours="300.1.1.1", why="uWSGI listens on another address"),
    file("logger = nothing:x", says="logger", code=22, why="a log that cannot be written does not stop the service"),
    file("processes = many", code=1, ours="x.ini:2: processes: 'many' is no number", why="a server without workers answers nobody"),
    file("processes = %(none)", code=1, ours="the placeholder in '%(none)' is not defined", why="the same"),
    file("processes = $(NONE)", code=1, ours="the environment variable in '$(NONE)' is not set", why="the same"),
    file("harakiri = many", says=GONE),
    # Things that are not there, or may not be used.
    start("--socket x.ini/u.sock", text="a = 1", says="Not a directory", ours="x.ini/u.sock: the socket cannot be"),
    start("--pidfile x.ini/m.pid", text="a = 1", says="Not a directory", ours="x.ini/m.pid"),
    start("--chdir missing", says="chdir()", ours="chdir: chdir(): there is no directory"),
    start("--chdir x.ini", text="a = 1", says="chdir()", ours="there is no directory"),
    start(f"--uid {NO_SUCH}", says=f"user {NO_SUCH} not found."),
    start(f"--gid {NO_SUCH}", says=f"group {NO_SUCH} not found."),
    start(f"--chown-socket {NO_SUCH}", says=NO_SUCH, ours=f"user {NO_SUCH} not found."),
    start("--pidfile missing/x.pid", says="missing/x.pid", ours="missing/x.pid: No such file"),
    start("--logto missing/x.log", says="missing/x.log", ours="Create its directory"),
    start("--daemonize missing/x.log", says="missing/x.log", code=1, why="it is said before there is nobody to hear it"),
    start("--socket missing/u.sock", says="No such file or directory", ours="missing/u.sock: the socket cannot be"),
    start("--socket 9.9.9.9:1", says="bind(): Cannot assign requested address", ours="(9.9.9.9:1)"),
    start("--stats missing/x -w demo", files={"demo.py": "application = print"}, ours="missing/x: the socket cannot"),
    start("--master-fifo missing/x -w demo", files={"demo.py": "application = print"}, ours="missing/x (option master-fifo)"),
    start("--home missing -w demo", files={"demo.py": "application = print"}, ours="missing"),
    start("--touch-reload missing/x", says=GONE),
    start("--pythonpath missing", says=GONE),
    start("--plugins nothing", says=GONE, ours="the plugin 'nothing' is not there"),
    start("--static-map /x=missing", says=GONE),
    Ending(line="--reload none.pid", says="none.pid", ours="cannot read the pidfile none.pid (option --reload)"),
    Ending(line="--stop none.pid", says="none.pid", ours="cannot read the pidfile none.pid (option --stop)"),
    # Applications that cannot be loaded.
    start("", says=GONE),
    start("-w none", says="unable to load app 0 (mountpoint='')", ours="cannot import the module 'none': there is no"),
    start("-w demo:missing", files={"demo.py": ""}, says="unable to load app 0 (mountpoint='')"),
    start("-w demo:x()", files={"demo.py": "def x(a): pass"}, says="unable to load app 0 (mountpoint='')", ours="missing a required"),
    start("-w demo", files={"demo.py": "raise RuntimeError('at import')"}, says="RuntimeError: at import"),
    start("-w demo", files={"demo.py": "def broken(:\n"}, says="SyntaxError: "),
    start("-w demo", files={"demo.py": "import sys; sys.exit(3)"}, code=22, why="it could not be loaded"),
    start("--wsgi-file none.py", says="none.py", ours=GONE),
    start("--wsgi-file demo.py", files={"demo.py": "x = 1"}, says=GONE),
    start("--wsgi-file demo.py --callable x", files={"demo.py": "x = 1"}, says=GONE),
    start("--mount /x=none", says=GONE),
    start("--import none", says=GONE),
]


@pytest.mark.parametrize("row", ENDINGS, ids=str)
def test_a_command_ends_as_uwsgis_does(place: Path, row: Ending) -> None:
    theirs, ours = row.run(place)
    if row.code is None:
        assert ours.exit_code == theirs.exit_code, f"{theirs}\n{ours}"
    else:
        assert (theirs.exit_code != row.code, ours.exit_code) == (True, row.code), f"{row.why}\n{theirs}\n{ours}"
    for ended in (theirs, ours):
        assert row.says in ended.text, f"{row.says!r}\n{ended}"
    assert row.ours in ours.text, f"{row.ours!r}\n{ours}"


def test_two_sockets_on_one_port_are_refused_where_uwsgi_takes_one_of_them(place: Path) -> None:
    port = free_port()
    theirs, ours = start(f"--http-socket 127.0.0.1:{port} --socket 127.0.0.1:{port} -w none").run(place)
    assert (theirs.exit_code, ours.exit_code) == (22, 1), f"{theirs}\n{ours}"
    assert "Address already in use" in ours.text and str(port) in ours.text, str(ours)


def test_files_that_include_each_other_are_refused_where_uwsgi_ends_in_a_crash(place: Path) -> None:
    files = {"x.ini": "[uwsgi]\nini = y.ini\n", "y.ini": "[uwsgi]\nini = x.ini\n"}
    _, ours = Row(files=files).run(place)
    assert ours.exit_code == 1
    assert re.search(r"[xy].ini:2: ini: files include each other without end: take out", ours.text), str(ours)


def test_values_that_lead_back_to_themselves_are_refused_where_uwsgi_never_ends(place: Path) -> None:
    text = "[uwsgi]\na = x%(b)\nb = y%(a)\n"
    (place / "x.ini").write_text(text)
    ended = run_with([PENSTOCK, PENSTOCK], place, ["--show-config", "x.ini"])[0]
    assert ended.exit_code == 1
    assert "x.ini:2: a: what it refers to leads back to it without end" in ended.text, str(ended)


def test_every_option_that_uwsgi_lists_is_listed(place: Path) -> None:
    ours = Row(line="--help").run(place)[1]
    listed = {word.rpartition("--")[2] for word in re.findall(r"^    (-\S+)", ours.stdout, re.MULTILINE)}
    listed = {name.partition("[")[0] for name in listed}
    assert len(options()) > 700
    assert options() - listed == set()
