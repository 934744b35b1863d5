header_map = "dangerous"
forwarder_headers = "SCRIPT_NAME,REMOTE_USER"
casefold_http_method = True
permit_unconventional_http_method = True
