import socket
import uuid

proc_name = f"site-{socket.gethostname()}-{uuid.uuid4().hex[:4]}"
raw_env = [f"INSTANCE={proc_name}"]
