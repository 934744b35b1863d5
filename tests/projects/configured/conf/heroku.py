import os

workers = int(os.environ.get("WEB_CONCURRENCY", 2))
worker_class = "gthread"
threads = 4
max_requests = 1200
max_requests_jitter = 100
preload_app = True
forwarded_allow_ips = "*"
