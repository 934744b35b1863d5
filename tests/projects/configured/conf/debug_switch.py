import os

DEBUG = bool(os.environ.get("DEBUG"))
if DEBUG:
    reload = True
    workers = 1
    loglevel = "debug"
else:
    workers = 2
    preload_app = True
    accesslog = None
