statsd_host = "127.0.0.1:8125"
statsd_prefix = "site.web"
dogstatsd_tags = "env:test,role:web"
