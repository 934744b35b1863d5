from shared_settings import *  # noqa: F403

workers = 2
