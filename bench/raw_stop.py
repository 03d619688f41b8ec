"""The least that closes a gate durably: read payments from a topic, one statement and one commit for each batch that came.

python -m bench.raw_stop DATABASE_URL KAFKA TOPIC
"""

import sys

import asyncpg
import uvloop
from aiokafka import AIOKafkaConsumer, TopicPartition

from bench.service import tell
from paycue.events.v1.payment_pb2 import PaymentReceived


async def _main(url: str, kafka: str, topic: str) -> None:
    connection = await asyncpg.connect(url)
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, enable_auto_commit=False, auto_offset_reset="earliest")
    await consumer.start()
    consumer.assign([TopicPartition(topic, n) for n in range(8)])
    tell(ready="nowhere")
    while True:
        polled = await consumer.getmany(timeout_ms=1000, max_records=2000)
        payments = [PaymentReceived.FromString(record.value) for records in polled.values() for record in records]
        if payments:
            await connection.execute("update gate set open = false where account_id = any($1::text[])", [p.account_id for p in payments])
            tell(paid=[p.payment_id for p in payments])


if __name__ == "__main__":
    uvloop.run(_main(*sys.argv[1:]))
