"""In production."""

from myproject.settings.base import *  # noqa: F403

DEBUG = False
PLACE = "prod"
