import configparser
import os

parser = configparser.ConfigParser()
parser.read(os.path.join(os.path.dirname(__file__), "site.ini"))
workers = parser.getint("web", "workers", fallback=2)
loglevel = parser.get("web", "loglevel", fallback="warning")
