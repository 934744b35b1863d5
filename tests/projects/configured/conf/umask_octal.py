umask = 0o007
worker_class = "gunicorn.workers.gthread.ThreadWorker"
threads = 3
reuse_port = False
