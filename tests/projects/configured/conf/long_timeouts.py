timeout = 0
graceful_timeout = 10
keepalive = 75
max_requests = 0
worker_connections = 2000
