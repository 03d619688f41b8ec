"""The Dramatiq application: one actor that does nothing, on Redis."""

import os

import dramatiq
from dramatiq.brokers.redis import RedisBroker

dramatiq.set_broker(RedisBroker(host="127.0.0.1", port=int(os.environ["PEER_REDIS"]), db=1))


@dramatiq.actor
def remind(invoice_id: str, stage: int, channel: int, recipient: str) -> None:
    """A reminder that goes nowhere."""
