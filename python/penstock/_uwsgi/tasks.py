"""A task as a file holds it: uWSGI's own form, so that either server does what the other has left.

::

    one byte 17, length of the variables in two bytes (little-endian), one byte 0
    for each variable: length and bytes of its name, length and bytes of its value; lengths in two bytes
    the body: whatever follows

This module only reads and makes bytes.
"""

from __future__ import annotations

import struct

#: uWSGI's number for spooling.
MODIFIER = 17
#: What the variables of a task may take together, and what one name or value may.
LARGEST = 65535

Task = dict[bytes, bytes]


class NotATask(ValueError):
    """These bytes are no task, or only a part of one."""


def encode(variables: Task, body: bytes = b"") -> bytes:
    """The bytes of a task."""
    parts = []
    for name, value in variables.items():
        for part in (name, value):
            if len(part) > LARGEST:
                raise ValueError(f"a task's values may have {LARGEST} bytes, {name[:80]!r} has {len(part)}: use body")
            parts.append(struct.pack("<H", len(part)) + part)
    block = b"".join(parts)
    if len(block) > LARGEST:
        raise ValueError(f"a task's values may have {LARGEST} bytes together, these have {len(block)}: use body")
    return struct.pack("<BHB", MODIFIER, len(block), 0) + block + body


def decode(content: bytes) -> Task:
    """A task; its body is the value of ``body``."""
    if len(content) < 4 or content[0] != MODIFIER:
        raise NotATask("it does not begin like a task")
    (length,) = struct.unpack_from("<H", content, 1)
    block, body = content[4 : 4 + length], content[4 + length :]
    if len(block) < length:
        raise NotATask(f"it has {len(block)} of {length} bytes of variables")
    task: Task = {}
    at = 0
    while at < length:
        name, at = _string(block, at)
        value, at = _string(block, at)
        task[name] = value
    if body:
        task[b"body"] = body
    return task


def _string(block: bytes, at: int) -> tuple[bytes, int]:
    start = at + 2
    if start > len(block):
        raise NotATask("a variable ends in its middle")
    end = start + int(struct.unpack_from("<H", block, at)[0])
    if end > len(block):
        raise NotATask("a variable ends in its middle")
    return block[start:end], end
