"""A configuration of a stranger's machine, made to run on this one: a directory stands for the root of its file system.

Absolute paths are moved below it, sockets get free ports of 127.0.0.1, users become the current one, and whatever the
configuration then names is made: directories, a virtual environment, modules and files with a stand-in application.

Leaves out: options that only a real machine could satisfy; the test changes those.
"""

from __future__ import annotations

import getpass
import os
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from harness.client import Address
from harness.processes import free_port

APPLICATION = '''\
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "8")])
    return [b"sandbox\\n"]


def create_app():
    return application


app, get_wsgi_application = application, create_app
'''

SOCKETS = {"socket", "uwsgi-socket", "http", "http-socket", "http11-socket"}
# In these a slash does not begin a path, or only behind the first `=`.
NO_PATHS = {"route", "route-if", "log-format", "logformat", "log-encoder", "log-route", "static-expires", "procname-prefix"}
PREFIXED = {"static-map", "mount", "env"}
USERS = {"uid", "gid", "chown-socket"}
PATH = re.compile(r"(?<![\w.%)}/$@-])/(?=[\w{.])")
INI = re.compile(r"^(?P<before>\s*(?P<key>[\w-]+)\s*=\s*)(?P<value>.*?)(?P<after>\s*)$")
YAML = re.compile(r"^(?P<before>\s+(?P<key>[\w-]+):\s*)(?P<value>.*?)(?P<after>\s*)$")
JSON = re.compile(r'^(?P<before>.*?"(?P<key>[\w-]+)":\s*"?)(?P<value>[^"]*?)(?P<after>"?,?)$')
XML = re.compile(r"^(?P<before>\s*<(?P<key>[\w-]+)>)(?P<value>.*?)(?P<after></[\w-]+>)$")


@dataclass
class Sandbox:
    """Where one configuration runs."""

    root: Path
    # The directory of the configuration, where the server is started.
    directory: Path = field(init=False)
    # For every $(NAME) in it.
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.directory = self.root / "site" / "deploy"
        for directory in (self.directory, self.root / "home", self.root / "tmp"):
            directory.mkdir(parents=True, exist_ok=True)

    def rewrite(self, name: str, text: str) -> str:
        """The text with everything of the stranger's machine moved into this directory."""
        pattern = {"ini": INI, "json": JSON, "xml": XML}.get(name.rpartition(".")[2], YAML)
        text = re.sub(r"\{\{ *\w+ *\}\}", "project", re.sub(r"\$(?=[A-Z_]+\s*$)[A-Z_]+", "1", text, flags=re.MULTILINE))
        for variable in re.findall(r"\$\((\w+)\)", text):
            is_directory = variable in ("HOME", "ASSETS") or variable.endswith("_DIR")
            value = str(self.root / "home") if is_directory else str(free_port()) if variable.endswith("PORT") else "2"
            self.environment.setdefault(variable, value)
        return "\n".join(self._line(pattern.fullmatch(line), line) for line in text.split("\n"))

    def _line(self, found: re.Match[str] | None, line: str) -> str:
        if found is None or line.lstrip().startswith(("#", ";")):
            return line
        value = self._value(found["key"], found["value"])
        return f"{found['before']}{value}{found['after']}"

    def _value(self, key: str, value: str) -> str:
        if key in SOCKETS or key == "stats":
            return self._socket(value)
        if key in USERS:
            return getpass.getuser() if key != "gid" else str(os.getgid())
        if key == "attach-daemon":
            return "sleep 1000"
        if key in PREFIXED and "=" in value:
            prefix, _, path = value.partition("=")
            return f"{prefix}={PATH.sub(f'{self.root}/', path)}"
        return value if key in NO_PATHS else PATH.sub(f"{self.root}/", value)

    def _socket(self, value: str) -> str:
        if ":" not in value:
            return PATH.sub(f"{self.root}/", value)
        named = re.search(r"\$\(\w+\)$", value)
        return f"127.0.0.1:{named[0] if named else free_port()}"

    def listeners(self, options: Iterable[tuple[str, str]]) -> list[tuple[str, Address]]:
        """The sockets among these options, as they have been expanded, and where they are."""
        found: list[tuple[str, Address]] = []
        for key, value in options:
            host, _, port = value.rpartition(":")
            if key in SOCKETS:
                found.append((key, (host, int(port)) if port.isdigit() else str(self.directory / value)))
        return found

    # What the configuration names.

    def furnish(self, options: Iterable[tuple[str, str]]) -> None:
        """Make what these options, as they have been expanded, name."""
        options = list(options)
        directory = self.directory
        callables = [value for key, value in options if key == "callable"]
        for key, value in options:
            if key == "chdir":
                directory = self.directory / value
                directory.mkdir(parents=True, exist_ok=True)
            elif key in ("home", "virtualenv", "venv"):
                _make_environment(self.directory / value)
        for key, value in options:
            kind, _, path = value.rpartition(":")
            if key in ("pidfile", "stats", "socket", "touch-reload", "touch-chain-reload"):
                (directory / value).parent.mkdir(parents=True, exist_ok=True)
                (self.directory / value).parent.mkdir(parents=True, exist_ok=True)
            elif key in ("logto", "daemonize") or kind.split(" ")[-1] == "file":
                (self.directory / path).parent.mkdir(parents=True, exist_ok=True)
            elif key in ("wsgi-file", "file"):
                _write(directory / value, callables)
            elif key in ("module", "wsgi", "import"):
                _write_module(directory, value, callables)
            elif key == "mule":
                (directory / value).write_text("import uwsgi\nwhile True:\n    uwsgi.mule_get_msg()\n")
            elif key == "mount":
                what = value.partition("=")[2]
                if what.endswith(".py"):
                    _write(directory / what, callables)
                else:
                    _write_module(directory, what, callables)


def _write(path: Path, callables: Iterable[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    more = "".join(f"\n{name} = application\n" for name in callables if name.isidentifier())
    path.write_text(APPLICATION + more)


def _write_module(directory: Path, value: str, callables: Iterable[str]) -> None:
    module, _, name = value.partition(":")
    if not re.fullmatch(r"[\w.]+", module):
        return
    *packages, last = module.split(".")
    for package in packages:
        directory = directory / package
        directory.mkdir(exist_ok=True)
        (directory / "__init__.py").touch()
    _write(directory / f"{last}.py", [*callables, name])


def _make_environment(home: Path) -> None:
    """What a virtual environment is made of, as far as a server looks."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    (home / "lib" / version / "site-packages").mkdir(parents=True, exist_ok=True)
    (home / "bin").mkdir(exist_ok=True)
    if not (home / "bin" / "python").exists():
        (home / "bin" / "python").symlink_to(sys.executable)
    (home / "pyvenv.cfg").write_text(f"home = {Path(sys.base_prefix) / 'bin'}\nversion = {sys.version.split()[0]}\n")
