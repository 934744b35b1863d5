"""The application of the HTTP/1 and WSGI tests: small WSGI applications, chosen by the first segment of the path.

Each is wrapped by ``wsgiref.validate``, so a server that offends PEP 3333 fails every test. An application that has
to offend it itself (or that must meet the server without a wrapper in between) is registered with
``validated=False`` and says why. Unknown paths get the echo.
"""

from conformance import bodies, environs, files, responses  # noqa: F401  (they register their applications)
from conformance.registry import application

__all__ = ["application"]
