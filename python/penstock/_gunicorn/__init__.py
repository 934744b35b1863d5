"""gunicorn's names, for configurations, hooks and packages that expect them.

:mod:`objects` is what hooks are given, :mod:`glogging` the logger in Python, :mod:`application` what embedders
subclass, :mod:`util` the helpers configurations import; :mod:`names` offers all of it as ``gunicorn.*`` where gunicorn
itself is not installed. None of it serves requests: that is the server's work, in Rust.
"""
