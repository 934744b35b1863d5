from multiprocessing import cpu_count


def max_workers():
    return min(cpu_count(), 4)


workers = max_workers()
threads = 2 * max_workers()
