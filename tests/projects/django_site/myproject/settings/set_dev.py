"""On a developer's machine."""

from myproject.settings.base import *  # noqa: F403

DEBUG = True
PLACE = "dev"
