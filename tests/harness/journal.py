"""What the applications under test say happened inside them.

``tests/apps/conformance`` keeps a list of events: each call (``{"call": "GET", "target": "/x"}``) and whatever an
application notes. Asking for it (``GET /journal``) empties it; this class keeps what was taken. It only makes sense
with one worker.
"""

from __future__ import annotations

from typing import Any

from harness.processes import wait_until
from harness.server import Server


class Journal:
    """The events since it was made, or since ``clear``."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._events: list[dict[str, Any]] = []
        self.clear()

    def clear(self) -> None:
        """Forget everything that has happened so far."""
        self._take()
        self._events = []

    def events(self) -> list[dict[str, Any]]:
        """All events so far, in order."""
        self._take()
        return list(self._events)

    def calls(self) -> list[str]:
        """Targets of the requests that reached the application, in order."""
        return [event["target"] for event in self.events() if "call" in event]

    def notes(self, kind: str) -> list[Any]:
        """What applications have noted under ``kind``, in order."""
        return [event[kind] for event in self.events() if kind in event]

    def wait_for(self, kind: str, count: int = 1, timeout: float = 60.0) -> list[Any]:
        """Wait until there are ``count`` notes of that kind (or the time is over) and return all there are."""
        wait_until(lambda: len(self.notes(kind)) >= count, timeout, every=0.02)
        return self.notes(kind)

    def _take(self) -> None:
        self._events += self._server.get("/journal").json()
