import os

for name, value in os.environ.items():
    if name.startswith("GUNICORN_SET_"):
        locals()[name.removeprefix("GUNICORN_SET_").lower()] = value
workers = 2
