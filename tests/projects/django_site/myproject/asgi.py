"""The project's ASGI application, as `startproject` makes it."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "myproject.settings.set_prod")

application = get_asgi_application()
