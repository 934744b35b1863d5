import logging


class Plain(logging.Formatter):
    def format(self, record):
        return "plain: " + record.getMessage()


logconfig_dict = {
    "formatters": {"own": {"()": Plain}},
    "handlers": {"error_console": {"class": "logging.StreamHandler", "formatter": "own"}},
    "root": {"level": "INFO", "handlers": ["error_console"]},
    "loggers": {"gunicorn.error": {"level": "INFO", "handlers": ["error_console"], "propagate": False}},
}
