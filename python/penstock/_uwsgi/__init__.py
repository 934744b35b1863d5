"""``import uwsgi`` and ``import uwsgidecorators``, as uWSGI's applications know them.

:mod:`names` offers both inside the processes that serve, and nowhere else: programs tell by that where they run.
:mod:`module` makes ``uwsgi`` of :mod:`signals`, :mod:`mules`, :mod:`spooler`, :mod:`calls` and what Rust offers
(caches, locks, the server itself); :mod:`decorators` is ``uwsgidecorators``.
"""
