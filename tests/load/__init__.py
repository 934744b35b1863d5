"""A small load client that counts everything and forgives nothing.

Threads send requests without pause but for a short random thinking time: some each on one kept connection, some on
a fresh connection for every request. Nothing is retried. Every request ends as *answered* (a complete 200 whose
body is the process id of the worker) or as a ``Failure`` that says why, when and by whom.

A client that follows HTTP looks whether a kept connection has been closed before it uses it again, so does this
one; such a connection is replaced and counted in ``closed_idle``. A request that crosses with the server's close
on the wire is a failure all the same: a server that drains properly does not let it happen.

Leaves out: latency. These are tests of loss, not of speed.
"""

from load.client import Failure, Load

__all__ = ["Failure", "Load"]
