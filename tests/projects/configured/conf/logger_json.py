import json
import logging

from gunicorn.glogging import Logger


class JsonFormatter(logging.Formatter):
    def format(self, record):
        return json.dumps({"level": record.levelname, "message": record.getMessage()})


class JsonLogger(Logger):
    def setup(self, cfg):
        super().setup(cfg)
        for log in (self.error_log, self.access_log):
            for handler in log.handlers:
                handler.setFormatter(JsonFormatter())

    def atoms(self, resp, req, environ, request_time):
        atoms = super().atoms(resp, req, environ, request_time)
        atoms["request_id"] = environ.get("HTTP_X_REQUEST_ID", "-")
        return atoms


accesslog = "-"
access_log_format = "%(request_id)s %(r)s"
logger_class = JsonLogger
