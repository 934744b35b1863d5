from copy import deepcopy

from gunicorn.glogging import CONFIG_DEFAULTS

logconfig_dict = deepcopy(CONFIG_DEFAULTS)
logconfig_dict["formatters"]["generic"]["format"] = "%(levelname)s %(message)s"
logconfig_dict["loggers"]["gunicorn.error"]["propagate"] = False
