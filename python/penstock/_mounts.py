"""Several WSGI applications at parts of the path, as one application (uWSGI's ``mount``).

Which one answers is decided by the longest prefix that ends where a segment of the path ends. It leaves out loading
them, which is ``_loader``'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

Application = Callable[..., Iterable[bytes]]


class Mounts:
    """The applications, and the one for paths that none is mounted at."""

    def __init__(self, mounts: list[tuple[str, Application]], default: Application | None, by_path: bool) -> None:
        self._by_name = dict(mounts)
        self._by_length = sorted(mounts, key=lambda mount: len(mount[0]), reverse=True)
        self._default = default
        self._by_path = by_path

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        application = self._chosen(environ)
        if application is None:
            start_response("500 Internal Server Error", [("Content-Type", "text/plain")])
            return [b"Internal Server Error"]
        return application(environ, start_response)

    def _chosen(self, environ: dict[str, Any]) -> Application | None:
        # uWSGI's setapp, and uwsgi_param UWSGI_APPID.
        asked = environ.get("UWSGI_APPID", "").rstrip("/")
        if asked and asked in self._by_name:
            return self._by_name[asked]
        named = environ["SCRIPT_NAME"].rstrip("/")
        if named:
            # The front server has taken the path apart.
            return self._by_name.get(named, self._default)
        if self._by_path:
            path = environ["PATH_INFO"]
            for prefix, application in self._by_length:
                if path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in ("", "/"):
                    environ["SCRIPT_NAME"] = prefix
                    environ["PATH_INFO"] = path[len(prefix) :]
                    return application
        return self._default
