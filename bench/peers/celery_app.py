"""The Celery application: one task that does nothing, as durable as Celery with Redis is by default."""

import os

from celery import Celery

app = Celery("bench", broker=f"redis://127.0.0.1:{os.environ['PEER_REDIS']}/0")
app.conf.update(
    task_ignore_result=True,
    broker_transport_options={"visibility_timeout": 86_400},
    worker_hijack_root_logger=False,
    worker_prefetch_multiplier=64,
    broker_connection_retry_on_startup=True,
)


@app.task(name="remind")
def remind(invoice_id: str, stage: int, channel: int, recipient: str) -> None:
    """A reminder that goes nowhere."""
