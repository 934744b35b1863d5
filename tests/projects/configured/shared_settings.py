"""Settings that several configurations share."""

timeout = 45
keepalive = 5
loglevel = "info"
