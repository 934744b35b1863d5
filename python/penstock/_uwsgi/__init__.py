"""``import uwsgi`` and ``import uwsgidecorators``, as uWSGI's applications know them.

:mod:`names` offers both inside the processes that serve, and nowhere else: programs tell by that where they run.
:mod:`module` makes ``uwsgi``, :mod:`decorators` is ``uwsgidecorators``. What they do is done in Rust.
"""
