import os

# Text where a number is meant.
workers = os.environ.get("WORKERS", "2")
max_requests = os.environ.get("MAX_REQUESTS", "1000")
timeout = os.environ.get("TIMEOUT", "60")
