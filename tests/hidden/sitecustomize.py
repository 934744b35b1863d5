"""On PYTHONPATH, this hides an installed gunicorn: for tests of what stands in for it."""

from importlib.machinery import PathFinder

_find_spec = PathFinder.find_spec


def _without_gunicorn(name, path=None, target=None):
    return None if name.partition(".")[0] == "gunicorn" else _find_spec(name, path, target)


PathFinder.find_spec = staticmethod(_without_gunicorn)
