"""The smallest WSGI application: ``penstock gunicorn --chdir examples hello:app``."""


def app(environ, start_response):
    """Say hello to whoever asks."""
    body = b"Hello from behind the penstock\n"
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
