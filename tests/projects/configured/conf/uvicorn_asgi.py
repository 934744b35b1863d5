worker_class = "asgi"
workers = 2
asgi_lifespan = "auto"
asgi_loop = "asyncio"
