forwarded_allow_ips = "*"
secure_scheme_headers = {"X-FORWARDED-PROTO": "https"}
proxy_allow_ips = "127.0.0.1"
limit_request_line = 8190
limit_request_fields = 200
limit_request_field_size = 16380
