"""The queue, shared areas and metrics, by uWSGI's names: what processes share beside caches."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from typing import Any

#: Widths of numbers in shared areas, in bits, and how they are in their bytes.
WIDTHS = {8: struct.Struct("<b"), 16: struct.Struct("<h"), 32: struct.Struct("<i"), 64: struct.Struct("<q")}


class Stores:
    """The functions. ``stores`` is what the server offers."""

    def __init__(self, stores: Any) -> None:
        self.stores = stores

    def names(self) -> dict[str, Any]:
        """The names in ``uwsgi``: those of queue and areas only where there are any."""
        return {
            **self._metrics(),
            **(self._queue() if self.stores.has_queue else {}),
            **(self._areas() if self.stores.areas else {}),
        }

    def _queue(self) -> dict[str, Any]:
        stores = self.stores

        def last(count: int = 0) -> Any:
            """The newest value; or so many, the newest first."""
            values = stores.queue_last(count or 1)
            return values if count else values[0]

        return {
            "queue_size": stores.queue_size(),
            "queue_push": lambda value: stores.queue_push(value) or None,
            "queue_pull": stores.queue_pull,
            "queue_pop": stores.queue_pop,
            "queue_slot": stores.queue_slot,
            "queue_pull_slot": stores.queue_pull_slot,
            "queue_get": stores.queue_get,
            "queue_set": lambda slot, value: stores.queue_set(slot, value) or None,
            "queue_last": last,
        }

    def _areas(self) -> dict[str, Any]:
        stores = self.stores
        names: dict[str, Any] = {
            "sharedarea_read": self.read,
            "sharedarea_write": self.write,
            # One lock for both: a lock is held for a moment.
            "sharedarea_rlock": stores.lock_area,
            "sharedarea_wlock": stores.lock_area,
            "sharedarea_unlock": stores.unlock_area,
            "sharedarea_update": stores.touch_area,
            "sharedarea_wait": self.wait,
        }
        for width in WIDTHS:
            names[f"sharedarea_read{width}"] = self._reader(width)
            names[f"sharedarea_write{width}"] = self._writer(width)
            names[f"sharedarea_inc{width}"] = self._counter(width, 1)
            names[f"sharedarea_dec{width}"] = self._counter(width, -1)
        # Their names of old.
        for operation in ("read", "write"):
            names[f"sharedarea_{operation}byte"] = names[f"sharedarea_{operation}8"]
            names[f"sharedarea_{operation}long"] = names[f"sharedarea_{operation}64"]
        names["sharedarea_inclong"] = names["sharedarea_inc64"]
        for name in ("sharedarea_memoryview", "sharedarea_object"):
            names[name] = _refused(name)
        return names

    def read(self, area: int, position: int, length: int = 0) -> bytes:
        """So many bytes from a place on, or all that follow."""
        value: bytes | None = self.stores.read_area(
            area, position, length or max(self.stores.area_size(area) - position, 0)
        )
        if value is None:
            raise self._outside(area, position, length)
        return value

    def write(self, area: int, position: int, value: str | bytes) -> None:
        """Write bytes from a place on."""
        if not self.stores.write_area(area, position, value):
            raise self._outside(area, position, len(value))

    def wait(self, area: int, frequency: int = 100, timeout: int = 0) -> bool | None:
        """Wait until somebody writes, for `timeout` seconds or for ever; looks each `frequency` milliseconds."""
        before, until = self.stores.area_changes(area), time.monotonic() + timeout
        while self.stores.area_changes(area) == before:
            if timeout and time.monotonic() >= until:
                return None
            time.sleep(max(frequency, 1) / 1000)
        return True

    def _reader(self, width: int) -> Callable[[int, int], int]:
        def read(area: int, position: int) -> int:
            return int(WIDTHS[width].unpack(self.read(area, position, width // 8))[0])

        return read

    def _writer(self, width: int) -> Callable[[int, int, int], None]:
        def write(area: int, position: int, value: int) -> None:
            # As in C: what does not fit is cut off.
            self.write(area, position, (value & ((1 << width) - 1)).to_bytes(width // 8, "little"))

        return write

    def _counter(self, width: int, sign: int) -> Callable[..., None]:
        def count(area: int, position: int, amount: int = 1) -> None:
            if not self.stores.add_to_area(area, position, width // 8, sign * amount):
                raise self._outside(area, position, width // 8)

        return count

    def _outside(self, area: int, position: int, length: int) -> ValueError:
        size = self.stores.area_size(area)
        return ValueError(f"the shared area {area} has {size} bytes: {length} from {position} on are not there")

    def _metrics(self) -> dict[str, Any]:
        stores = self.stores

        def changing(operation: str, usual: int | None = None) -> Callable[..., bool | None]:
            def change(name: str | bytes, amount: int | None = usual) -> bool | None:
                if amount is None:
                    raise TypeError("a value has to be given")
                return stores.change_metric(_text(name), operation, amount) or None

            return change

        return {
            "metric_get": lambda name: stores.metric(_text(name)) or 0,
            "metric_set": changing("="),
            "metric_inc": changing("+", 1),
            "metric_dec": changing("-", 1),
            "metric_mul": changing("*", 1),
            "metric_div": changing("/", 1),
            "metric_set_max": changing("^"),
            "metric_set_min": changing("_"),
        }


def _text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else name


def _refused(name: str) -> Callable[..., Any]:
    def call(*arguments: Any) -> Any:
        raise NotImplementedError(f"uwsgi.{name}: areas are read and written by sharedarea_read() and its kin only")

    return call
