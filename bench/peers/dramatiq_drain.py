"""Dramatiq with Redis: so many messages drained by two processes of eight threads. Usage: dramatiq_drain.py COUNT"""

import json
import os
import subprocess
import sys
import time

import psutil
import redis
from dramatiq_app import remind


def cpu(pid: int) -> float:
    """CPU seconds of the workers."""
    worker = psutil.Process(pid)
    return sum(sum(one.cpu_times()[:2]) for one in [worker, *worker.children(recursive=True)])


def main(count: int) -> None:
    store = redis.Redis(port=int(os.environ["PEER_REDIS"]), db=1)
    store.flushdb()
    for n in range(count):
        remind.send(f"{n:032x}", 1, 1, f"customer{n}@example.com")
    command = (sys.executable, "-m", "dramatiq", "dramatiq_app", "-p", "2", "-t", "8")
    worker = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while store.hlen("dramatiq:default.msgs") >= count:
            time.sleep(0.01)
        left, began, before = store.hlen("dramatiq:default.msgs"), time.perf_counter(), cpu(worker.pid)
        while store.hlen("dramatiq:default.msgs"):
            time.sleep(0.01)
        took, used = time.perf_counter() - began, cpu(worker.pid) - before
    finally:
        worker.terminate()
        worker.wait()
    print(json.dumps({"rate": left / took, "cpu_us": used / left * 1e6}))


if __name__ == "__main__":
    main(int(sys.argv[1]))
