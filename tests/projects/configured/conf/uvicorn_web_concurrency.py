import json
import multiprocessing
import os

workers_per_core = float(os.getenv("WORKERS_PER_CORE", "1"))
cores = multiprocessing.cpu_count()
default_web_concurrency = workers_per_core * cores
web_concurrency_text = os.getenv("WEB_CONCURRENCY")
web_concurrency = int(web_concurrency_text) if web_concurrency_text else max(int(default_web_concurrency), 2)

loglevel = os.getenv("LOG_LEVEL", "info")
workers = web_concurrency
worker_class = "uvicorn_worker.UvicornWorker"
bind = os.getenv("BIND") or f"{os.getenv('HOST', '0.0.0.0')}:{os.getenv('PORT', '80')}"
errorlog = os.getenv("ERROR_LOG", "-") or None
accesslog = os.getenv("ACCESS_LOG", "-") or None
graceful_timeout = int(os.getenv("GRACEFUL_TIMEOUT", "120"))
timeout = int(os.getenv("TIMEOUT", "120"))
keepalive = int(os.getenv("KEEP_ALIVE", "5"))

log_data = {"loglevel": loglevel, "workers": workers, "bind": bind, "host": "0.0.0.0", "port": "80"}
print(json.dumps(log_data))
