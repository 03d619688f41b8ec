"""A broker behind a fault proxy: who comes through the proxy stays there, who comes directly does too."""

from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError

from paycue.local import kafka
from paycue.testing.fault_proxy import FaultProxy


async def test_a_client_that_came_through_the_proxy_meets_its_faults_and_one_that_did_not_is_spared(tmp_path: Path) -> None:
    async with FaultProxy(("127.0.0.1", 1)) as proxy:
        broker = await kafka.start(tmp_path, lambda _: None, durable=False, proxy=proxy.port)
        try:
            proxy.target = ("127.0.0.1", broker.behind_proxy)
            await _make_topic(broker.address)
            await _publish(f"127.0.0.1:{proxy.port}")
            proxy.refusing = True
            proxy.cut()
            await _publish(broker.address)
            with pytest.raises(KafkaError):
                await _publish(f"127.0.0.1:{proxy.port}")
        finally:
            await broker.stop()


async def _make_topic(servers: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic("t", 1, 1)])
    finally:
        await admin.close()


async def _publish(servers: str) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=servers, request_timeout_ms=3_000)
    try:
        await producer.start()
        await producer.send_and_wait("t", b"hello")
    finally:
        await producer.stop()
