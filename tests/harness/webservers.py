"""The distribution's real nginx and Apache in front of a server under test, on loopback, with a directory of their own.

Their sites are the files in ``examples/``, with ports and paths replaced: what is tested is what users copy. Each starts
one process tree, writes its pid, logs and temporary files into its own directory, and is stopped by its pid.

Leaves out: installing them. ``missing()`` says in one line what is not there; ``make test`` installs it where it may.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.client import Address, RawClient
from harness.processes import free_port, wait_until

EXAMPLES = Path(__file__).resolve().parent.parent.parent / "examples"
APACHE_MODULES = Path("/usr/lib/apache2/modules")
START_SECONDS = 60.0

#: What the example files say, and what a test replaces.
EXAMPLE_LISTEN = "127.0.0.1:8080"
EXAMPLE_SOCKET = "unix:/run/demo/demo.sock"
EXAMPLE_STATIC = "/srv/demo/static/"

MODULES = [
    "mpm_event",
    "authn_core",
    "authz_core",
    "alias",
    "headers",
    "mime",
    "proxy",
    "proxy_http",
    "proxy_fcgi",
    "proxy_scgi",
    "proxy_uwsgi",
    "setenvif",
]


def missing() -> str | None:
    """What has to be installed before these tests can run, in one line; None when everything is there."""
    wanted = {
        "nginx": shutil.which("nginx", path=SEARCH) is not None,
        "apache2": shutil.which("apache2", path=SEARCH) is not None,
        "libapache2-mod-proxy-uwsgi": (APACHE_MODULES / "mod_proxy_uwsgi.so").exists(),
    }
    absent = [package for package, there in wanted.items() if not there]
    return f"not installed: {', '.join(absent)} (apt-get install -y {' '.join(absent)})" if absent else None


def missing_for_programs() -> str | None:
    """The same for the tests in which web servers start Penstock themselves."""
    wanted = {
        "apache2": shutil.which("apache2", path=SEARCH) is not None,
        "libapache2-mod-fcgid": (APACHE_MODULES / "mod_fcgid.so").exists(),
        "nginx": shutil.which("nginx", path=SEARCH) is not None,
        "spawn-fcgi": shutil.which("spawn-fcgi", path=SEARCH) is not None,
    }
    absent = [package for package, there in wanted.items() if not there]
    return f"not installed: {', '.join(absent)} (apt-get install -y {' '.join(absent)})" if absent else None


SEARCH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


@dataclass
class Site:
    """One example file with its backend: the wire, and where Penstock listens."""

    wire: str
    backend: Address
    port: int = field(default_factory=free_port)

    def text(self, server: str, static: Path) -> str:
        text = (EXAMPLES / server / f"{self.wire}.conf").read_text()
        for word, value in {
            EXAMPLE_LISTEN: f"127.0.0.1:{self.port}",
            EXAMPLE_STATIC: f"{static}/",
            f"demo_{self.wire}": f"demo_{self.port}",
        }.items():
            assert word in text or word.startswith("demo_"), f"{server}/{self.wire}.conf says nothing of {word}"
            text = text.replace(word, value)
        if isinstance(self.backend, str):
            return text.replace(EXAMPLE_SOCKET, f"unix:{self.backend}")
        host, port = self.backend
        scheme = {"fastcgi": "fcgi"}.get(self.wire, self.wire)
        text = text.replace(f"{EXAMPLE_SOCKET}|{scheme}://localhost/", f"{scheme}://{host}:{port}/")
        return text.replace(EXAMPLE_SOCKET, f"{host}:{port}")


@dataclass
class Programs:
    """The example in which Apache starts the programs of a directory, as CGI and FastCGI ones."""

    directory: Path
    port: int = field(default_factory=free_port)

    def text(self, server: str, _: Path) -> str:
        text = (EXAMPLES / server / "programs.conf").read_text()
        text = text.replace(EXAMPLE_LISTEN, f"127.0.0.1:{self.port}")
        return text.replace("/srv/demo/programs/", f"{self.directory}/")


class WebServer:
    """A running nginx or Apache with some sites."""

    name: str

    def __init__(self, sites: Sequence[Site | Programs]) -> None:
        self.sites = sites
        self.directory = Path(tempfile.mkdtemp(prefix=f"penstock-{self.name}-"))
        # Its workers may be another user.
        self.directory.chmod(0o755)
        self.static = self.directory / "static"
        self.static.mkdir()
        (self.static / "hello.txt").write_text("a static file\n")
        self.error_log = self.directory / "error.log"

    def __enter__(self) -> WebServer:
        configuration = self.directory / f"{self.name}.conf"
        configuration.write_text(self.configuration())
        with (self.directory / "output.log").open("wb") as output:
            self.process = subprocess.Popen(
                self.command(configuration),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        if not wait_until(lambda: self.process.poll() is not None or self.is_up(), START_SECONDS) or not self.is_up():
            log = self.log
            self.stop()
            raise AssertionError(f"{self.name} did not start:\n{log}")
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        for _ in range(50):
            shutil.rmtree(self.directory, ignore_errors=True)
            if not self.directory.exists():
                break
            time.sleep(0.1)

    def is_up(self) -> bool:
        try:
            for site in self.sites:
                RawClient(("127.0.0.1", site.port)).close()
        except OSError:
            return False
        return True

    @property
    def log(self) -> str:
        """What it has written to its error log and its output."""
        texts = (self.error_log, self.directory / "output.log")
        return "".join(path.read_text(errors="replace") for path in texts if path.exists())

    def command(self, configuration: Path) -> list[str]:
        raise NotImplementedError

    def configuration(self) -> str:
        raise NotImplementedError


class Nginx(WebServer):
    """nginx in the foreground, with one worker."""

    name = "nginx"

    def command(self, configuration: Path) -> list[str]:
        program = shutil.which("nginx", path=SEARCH) or "nginx"
        return [program, "-p", str(self.directory), "-e", str(self.error_log), "-c", str(configuration)]

    def configuration(self) -> str:
        here = self.directory
        temporary = "\n".join(
            f"    {kind}_temp_path {here}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        user = "user root;" if os.geteuid() == 0 else ""
        sites = "\n".join(site.text(self.name, self.static) for site in self.sites)
        return f"""daemon off;
{user}
worker_processes 1;
pid {here}/nginx.pid;
error_log {self.error_log} info;
events {{ worker_connections 4096; }}
http {{
    access_log off;
{temporary}
    types {{ text/plain txt; }}
{sites}
}}
"""


class Apache(WebServer):
    """Apache in the foreground, with its event workers."""

    name = "apache"

    def command(self, configuration: Path) -> list[str]:
        program = shutil.which("apache2", path=SEARCH) or "apache2"
        return [program, "-f", str(configuration), "-DFOREGROUND"]

    def configuration(self) -> str:
        here = self.directory
        modules = "\n".join(f"LoadModule {name}_module {APACHE_MODULES}/mod_{name}.so" for name in MODULES)
        listen = "\n".join(f"Listen 127.0.0.1:{site.port}" for site in self.sites)
        user = "User www-data\nGroup www-data" if os.geteuid() == 0 else ""
        sites = "\n".join(site.text(self.name, self.static) for site in self.sites)
        return f"""ServerRoot {here}
ServerName localhost
{user}
{modules}
{listen}
PidFile {here}/apache.pid
Mutex file:{here}
DefaultRuntimeDir {here}
ErrorLog {self.error_log}
LogLevel info
StartServers 2
ServerLimit 8
ThreadLimit 64
ThreadsPerChild 64
MaxRequestWorkers 512
TypesConfig /dev/null
{sites}
"""


class ApacheWithPrograms(Apache):
    """Apache that starts programs. As root it runs as another user, who may all the same look into any directory: the
    tests' Python may be in one that is closed to others."""

    def command(self, configuration: Path) -> list[str]:
        command = super().command(configuration)
        if os.geteuid() != 0:
            return command
        may = ["--inh-caps=+dac_override", "--ambient-caps=+dac_override"]
        return ["setpriv", "--reuid=www-data", "--regid=www-data", "--clear-groups", *may, *command]

    def configuration(self) -> str:
        here = self.directory
        modules = "\n".join(f"LoadModule {name}_module {APACHE_MODULES}/mod_{name}.so" for name in ("cgid", "fcgid"))
        own = f"ScriptSock {here}/cgid.sock\nFcgidIPCDir {here}/fcgid\nFcgidProcessTableFile {here}/fcgid_shm\n"
        return super().configuration().replace(f"PidFile {here}", f"{modules}\n{own}PidFile {here}", 1)
