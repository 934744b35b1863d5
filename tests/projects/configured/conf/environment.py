import os

bind = f"0.0.0.0:{os.environ.get('PORT', '8000')}"
workers = int(os.getenv("GUNICORN_WORKERS", "2"))
threads = int(os.getenv("GUNICORN_THREADS", "4"))
timeout = int(os.getenv("GUNICORN_TIMEOUT", 120))
loglevel = os.getenv("LOG_LEVEL", "info")
reload = os.getenv("ENV") == "development"
