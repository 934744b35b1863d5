"""``app:app``, as in most READMEs."""

from demo import app as app
