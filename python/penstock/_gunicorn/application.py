"""What embedders subclass: ``gunicorn.app.base.BaseApplication``. ``run()`` serves on Penstock.

The configuration that ``load_config`` makes becomes a configuration file's content, and ``load`` the factory of the
application, so that everything - checks, workers, reload - goes the way of a server that was started by its command.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from penstock._gunicorn import objects

#: The module that stands for the embedding program's configuration.
EMBEDDED = "_penstock_embedded"


class Config(objects.Config):
    """A configuration with every setting at its default."""

    def __init__(self, usage: str | None = None, prog: str | None = None) -> None:
        from penstock._core import gunicorn_defaults

        super().__init__(gunicorn_defaults())
        object.__setattr__(self, "changed", {})

    def set(self, name: str, value: Any) -> None:
        """Set a setting; it is checked when the server starts."""
        super().set(name.lower(), value)
        self.changed[name.lower()] = value


class BaseApplication:
    """A server of one's own: subclasses have ``load_config`` (``self.cfg.set(...)``) and ``load`` (the application)."""

    def __init__(self, usage: str | None = None, prog: str | None = None) -> None:
        self.usage = usage
        self.prog = prog
        self.callable: Any = None
        self.logger: Any = None
        self.cfg: Any = None
        self.do_load_config()

    def do_load_config(self) -> None:
        """Start from the defaults and have the subclass change them; a failure ends the process with 1."""
        try:
            self.load_default_config()
            self.load_config()
        except Exception as error:
            print(f"\nError: {error}", file=sys.stderr)
            sys.exit(1)

    def load_default_config(self) -> None:
        """The defaults."""
        self.cfg = Config(self.usage, prog=self.prog)

    def load_config(self) -> None:
        """To be overridden."""
        raise NotImplementedError

    def init(self, parser: Any, opts: Any, args: Any) -> Any:
        """To be overridden by those who parse a command line."""
        raise NotImplementedError

    def load(self) -> Any:
        """To be overridden: the application."""
        raise NotImplementedError

    def reload(self) -> None:
        """Make the configuration anew."""
        self.do_load_config()

    def wsgi(self) -> Any:
        """The application, loaded once."""
        if self.callable is None:
            self.callable = self.load()
        return self.callable

    def run(self) -> None:
        """Serve until told to stop, then end the process."""
        from penstock._core import main

        module = ModuleType(EMBEDDED)
        sys.modules[EMBEDDED] = module
        _tell(module, self)
        sys.exit(main(["gunicorn", "-c", f"python:{EMBEDDED}"]))


class Application(BaseApplication):
    """As :class:`BaseApplication`; gunicorn's also reads configuration files, which the command does here."""

    def chdir(self) -> None:
        """Put the configured directory in front of ``sys.path``."""
        import os

        os.chdir(self.cfg.chdir)
        if self.cfg.chdir not in sys.path:
            sys.path.insert(0, self.cfg.chdir)


class WSGIApplication(Application):
    """The application of ``gunicorn MODULE:CALLABLE``; embedders override ``load_config`` and set ``app_uri``."""

    app_uri: str | None = None

    def load(self) -> Any:
        """The application that ``app_uri``, or else the setting ``wsgi_app``, names."""
        from penstock._gunicorn.util import import_app

        return import_app(self.app_uri or self.cfg.wsgi_app)


def run(prog: str | None = None) -> None:
    """The command ``gunicorn``."""
    from penstock._core import main

    sys.exit(main(["gunicorn", *sys.argv[1:]]))


def reload_embedded() -> None:
    """The embedding program's configuration, made anew."""
    module = sys.modules[EMBEDDED]
    embedder: BaseApplication = module.__dict__["__embedder__"]
    embedder.reload()
    _tell(module, embedder)


def _tell(module: ModuleType, embedder: BaseApplication) -> None:
    changed = dict(embedder.cfg.changed)
    changed["wsgi_app"] = f"{EMBEDDED}:load()"
    names = vars(module)
    for name in [name for name in names if not name.startswith("__")]:
        del names[name]
    names.update(changed, load=embedder.wsgi, __embedder__=embedder)
