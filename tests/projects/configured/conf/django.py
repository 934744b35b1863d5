wsgi_app = "demo:app"
chdir = "."
raw_env = ["DJANGO_SETTINGS_MODULE=site.settings", "TZ=UTC"]
pythonpath = "."
workers = 2
name = "ignored, since the setting is called proc_name"
proc_name = "site"
