import os

ssl_session_cache = "shared"
logfile = "/var/log/nobody-reads-this.log"
PRELOAD_APP = True
debug = True
max_worker_connections = 10
_private = os.getcwd()
workers = 2
