"""What the tests of the wheel are made of: a server under test, and a client that hides nothing.

* ``server``: starts a command line, waits for it, stops it, and proves that nothing is left behind.
* ``client``: sends bytes as given and reads responses as strictly as RFC 9112 allows.
* ``processes``: free ports, and which processes of a server are still there.
* ``beside``: the same for an original server and ours, to compare them.
* ``sandbox``: a configuration of another machine, made to run on this one.
* ``wires``: requests as a web server sends them to a gateway.
* ``journal``: what the applications under test say happened inside them.

Leaves out: any knowledge of what an answer should be. That is the tests' business.
"""

from collections.abc import Callable

from harness.client import Address, ConnectionEnded, MalformedResponse, RawClient, Response
from harness.journal import Journal
from harness.server import APPLICATIONS, Server, ServerFault, command_for

#: What the fixture ``start_server`` is: it takes what `Server` takes, and returns one that serves.
StartServer = Callable[..., Server]
#: Wide: nothing waits that long unless something is broken.
SAFETY_SECONDS = 60.0

__all__ = [
    "APPLICATIONS",
    "SAFETY_SECONDS",
    "Address",
    "ConnectionEnded",
    "Journal",
    "MalformedResponse",
    "RawClient",
    "Response",
    "Server",
    "ServerFault",
    "StartServer",
    "command_for",
]
