"""Celery with Redis: so many tasks with the same ETA, held by a worker until then. Usage: celery_storm.py COUNT POOL CONCURRENCY"""

import json
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import psutil
import redis
from celery_app import app, remind


def cpu(pid: int) -> float:
    """CPU seconds of a worker and its children."""
    worker = psutil.Process(pid)
    return sum(sum(one.cpu_times()[:2]) for one in [worker, *worker.children(recursive=True)])


def main(count: int, pool: str, concurrency: str) -> None:
    store = redis.Redis(port=int(app.connection().port))
    store.flushall()
    eta = datetime.now(UTC) + timedelta(seconds=12 + count / 500)
    with app.producer_pool.acquire(block=True) as producer:
        for n in range(count):
            remind.apply_async((f"{n:032x}", 1, 1, f"customer{n}@example.com"), eta=eta, producer=producer)
    quiet = ("--loglevel=CRITICAL", "--without-gossip", "--without-mingle", "--without-heartbeat")
    command = (sys.executable, "-m", "celery", "-A", "celery_app", "worker", "-P", pool, "-c", concurrency, *quiet)
    worker = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while store.llen("celery") and datetime.now(UTC) < eta:
            time.sleep(0.05)
        held = store.hlen("unacked")
        time.sleep(max(0.0, (eta - datetime.now(UTC)).total_seconds()))
        began, before = time.perf_counter(), cpu(worker.pid)
        while store.llen("celery") + store.hlen("unacked"):
            time.sleep(0.01)
        took, used = time.perf_counter() - began, cpu(worker.pid) - before
    finally:
        worker.terminate()
        worker.wait()
    print(json.dumps({"rate": count / took, "cpu_us": used / count * 1e6, "held": held}))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3])
