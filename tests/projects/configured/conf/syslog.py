syslog = False
syslog_addr = "udp://localhost:514"
syslog_prefix = "site"
syslog_facility = "local0"
