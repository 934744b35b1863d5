"""The threads of the load, and what they found."""

from __future__ import annotations

import random
import select
import threading
import time
from collections import Counter
from dataclasses import dataclass
from types import TracebackType
from typing import Literal

from harness.client import Address, ConnectionEnded, MalformedResponse, RawClient
from harness.processes import wait_until

Kind = Literal["kept", "fresh"]


@dataclass(frozen=True)
class Failure:
    """One request that was sent, or should have been, and was not answered properly."""

    # On which kind of connection.
    kind: Kind
    # What happened to it.
    why: str
    # When its sending began and when it was known to have failed: seconds of the monotonic clock.
    sent_at: float
    failed_at: float
    # How many answers that connection had brought before.
    answers_before: int
    # The worker that gave the answer before on that connection; None on a connection's first request.
    worker: int | None


class Load:
    """Constant load on one address, from ``__enter__`` to ``stop``.

    ``seed`` makes the thinking times repeatable; print it (``str(load)`` does) so that a failure can be.
    """

    def __init__(
        self,
        address: Address,
        *,
        kept: int = 4,
        fresh: int = 2,
        target: str = "/worker",
        think_seconds: float = 0.004,
        timeout: float = 60.0,
        seed: int = 20261124,
    ) -> None:
        self.address = address
        self.target = target
        self.connections = kept + fresh
        self.sent = 0
        self.failures: list[Failure] = []
        # Kept connections that the server closed between two requests.
        self.closed_idle = 0
        # Answers by process id of the worker that gave them.
        self.answers: Counter[int] = Counter()
        self._seed = seed
        self._think_seconds = think_seconds
        self._timeout = timeout
        self._counting = threading.Lock()
        self._stopping = threading.Event()
        kinds: list[Kind] = ["kept"] * kept + ["fresh"] * fresh
        self._threads = [
            threading.Thread(target=self._run, args=(kind, random.Random(seed + number)), daemon=True)
            for number, kind in enumerate(kinds)
        ]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End the load: requests in progress are waited for."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(self._timeout + 5)
            assert not thread.is_alive(), "a thread of the load client hangs"

    @property
    def answered(self) -> int:
        """How many requests have been answered properly."""
        with self._counting:
            return self.answers.total()

    def wait_for_answers(self, count: int, timeout: float = 60.0) -> None:
        """Wait for that many more answers."""
        goal = self.answered + count
        assert wait_until(lambda: self.answered >= goal, timeout), f"no {count} more answers in {timeout} s: {self}"

    def __str__(self) -> str:
        lines = [
            f"load (seed {self._seed}): {self.sent} sent, {self.answered} answered by {len(self.answers)} workers, "
            f"{len(self.failures)} failed, {self.closed_idle} kept connections closed between requests"
        ]
        lines += [f"  {number} x {kind}: {why}" for (kind, why), number in self.reasons().items()]
        return "\n".join(lines)

    def reasons(self) -> Counter[tuple[Kind, str]]:
        """How often each thing went wrong."""
        return Counter((failure.kind, failure.why) for failure in self.failures)

    def _run(self, kind: Kind, chance: random.Random) -> None:
        while not self._stopping.is_set():
            if not self._one_connection(kind, chance):
                # It could not be opened: do not turn an outage into a busy loop.
                time.sleep(0.05)

    def _one_connection(self, kind: Kind, chance: random.Random) -> bool:
        opened_at = time.monotonic()
        try:
            client = RawClient(self.address, timeout=self._timeout)
        except OSError as error:
            with self._counting:
                self.sent += 1
            self._fail(kind, f"connect: {type(error).__name__}", opened_at, 0, None)
            return False
        with client:
            answers, worker = 0, None
            while not self._stopping.is_set():
                if answers and _is_closed(client):
                    with self._counting:
                        self.closed_idle += 1
                    break
                worker = self._one_request(client, kind, answers, worker)
                if worker is None:
                    break
                answers += 1
                if kind == "fresh" or client.ended:
                    break
                time.sleep(chance.uniform(0, 2 * self._think_seconds))
        if kind == "fresh":
            time.sleep(chance.uniform(0, 2 * self._think_seconds))
        return True

    def _one_request(self, client: RawClient, kind: Kind, answers: int, worker: int | None) -> int | None:
        """The worker that answered; None when there can be no further request on this connection."""
        sent_at = time.monotonic()
        with self._counting:
            self.sent += 1
        fields = ("Connection: close",) if kind == "fresh" else ()
        try:
            response = client.get(self.target, *fields)
        except ConnectionEnded as error:
            how = "reset" if error.reset else "closed"
            self._fail(kind, f"{how} before any answer", sent_at, answers, worker)
            return None
        except (OSError, MalformedResponse) as error:
            self._fail(kind, f"{type(error).__name__}: {error}", sent_at, answers, worker)
            return None
        if response.status != 200 or not response.complete or not response.body.isdigit():
            whole = "" if response.complete else ", cut short"
            self._fail(kind, f"{response.status}{whole}: {response.body[:60]!r}", sent_at, answers, worker)
            return None
        with self._counting:
            self.answers[int(response.body)] += 1
        return None if response.closes() else int(response.body)

    def _fail(self, kind: Kind, why: str, sent_at: float, answers: int, worker: int | None) -> None:
        failure = Failure(kind, why, sent_at, time.monotonic(), answers, worker)
        with self._counting:
            self.failures.append(failure)


def _is_closed(client: RawClient) -> bool:
    """Whether the server has ended the connection: between two requests it can have nothing to say."""
    poll = select.poll()
    poll.register(client.socket, select.POLLIN | select.POLLRDHUP)
    return bool(poll.poll(0))
