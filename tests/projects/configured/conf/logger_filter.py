import logging

from gunicorn import glogging


class HealthCheckFilter(logging.Filter):
    def filter(self, record):
        return "GET /healthz" not in record.getMessage()


class CustomLogger(glogging.Logger):
    def setup(self, cfg):
        super().setup(cfg)
        logging.getLogger("gunicorn.access").addFilter(HealthCheckFilter())


accesslog = "-"
logger_class = CustomLogger
