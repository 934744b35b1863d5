post_fork = "metrics.post_fork"
when_ready = "metrics.when_ready"
