"""What only Kafka has: its settings as they are in force, its topics as they are made, and a broker that does not answer."""

import asyncio
import os
import signal

import psutil
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import OutOfOrderSequenceNumber

from paycue.bus import kafka_client, kafka_consumer
from paycue.bus.bus import BusError
from paycue.bus.feeds import Progress
from paycue.bus.flow import Flow, TopicPartition
from paycue.bus.kafka import KafkaBus
from paycue.bus.kafka_client import START_SECONDS
from paycue.bus.kafka_consumer import KafkaConsumer
from paycue.bus.offsets import Offsets
from paycue.bus.topics import topics
from paycue.local.stack import LocalStack
from tests.integration.bus.ground import TOPIC, Ground, Recorder, no_fence, read, records, until

pytestmark = pytest.mark.xdist_group("kafka")


async def test_no_unsafe_default_of_the_consumer_is_in_force(kafka_ground: Ground) -> None:
    member = await kafka_ground.member(await kafka_ground.bus())
    assert isinstance(member, KafkaConsumer)
    client = member._client
    assert client._enable_auto_commit is False
    assert client._auto_offset_reset == "earliest"
    assert client._isolation_level == "read_committed"
    assert client._fetcher._isolation_level == 1
    assert client._rebalance_timeout_ms == client._coordinator._rebalance_timeout_ms == 15_000
    assert client._client._request_timeout_ms == 30_000
    assert client._rebalance_timeout_ms < START_SECONDS * 1000 < client._client._request_timeout_ms
    assert client._partition_assignment_strategy == (RangePartitionAssignor,)
    assert client._group_instance_id is None
    assert (client._key_deserializer, client._value_deserializer) == (None, None)


async def test_an_installation_says_how_long_a_member_that_died_holds_its_partitions(kafka_ground: Ground) -> None:
    member = KafkaBus(str(kafka_ground.servers), Flow(), session_seconds=3).consumer("g", (TOPIC,), no_fence)
    assert isinstance(member, KafkaConsumer)
    assert (member._client._session_timeout_ms, member._client._heartbeat_interval_ms) == (3_000, 900)
    await member.stop()


async def test_what_is_fetched_is_a_session_that_outlives_its_loss(kafka_ground: Ground) -> None:
    bus = await kafka_ground.bus()
    member = await kafka_ground.member(bus)
    assert isinstance(member, KafkaConsumer)
    for number in range(6):
        await bus.publish(records(1, first=number))
        assert [record.offset for record in await read(member, 1)] == [number]
        (session,) = member._client._client.send.__self__.of.values()
        if number == 3:
            assert session.epoch > 3
            session.id += 1  # As a broker that has begun anew sees it.
    assert session.epoch < 4


async def test_partitions_without_news_are_known_to_have_none(kafka_ground: Ground) -> None:
    bus = await kafka_ground.bus()
    member = await kafka_ground.member(bus)
    await bus.publish(records(1))
    await read(member, 1)
    told = await member.progress()
    async with asyncio.timeout(5):
        while any(told[tp].end is None for tp in member.assigned()):
            await member.poll(1)
            told |= {tp: seen for tp, seen in (await member.progress()).items() if seen.end is not None}
    assert sum(seen.end or 0 for seen in told.values()) == 1


async def test_a_position_that_no_broker_tells_is_no_end_of_the_consumer(kafka_ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    member = await kafka_ground.member(await kafka_ground.bus())
    assert isinstance(member, KafkaConsumer)

    async def never(_: object) -> None:
        await asyncio.get_running_loop().create_future()

    monkeypatch.setattr(member._client, "position", never)
    monkeypatch.setattr(kafka_consumer, "_ANSWER_SECONDS", 0.05)
    for asked in (member.progress, member.lag):
        with pytest.raises(BusError):
            await asked()


async def test_an_end_that_was_told_once_is_not_told_again_while_nothing_is_fetched(kafka_ground: Ground) -> None:
    bus = await kafka_ground.bus()
    member = await kafka_ground.member(bus)
    await bus.publish(records(1))
    await read(member, 1)
    member.pause(member.assigned())
    await asyncio.sleep(0.5)
    told, again = await member.progress(), await member.progress()
    assert (told[TOPIC, 0].end, again[TOPIC, 0]) == (1, Progress(1, None))


async def test_what_is_revoked_is_nobodys_until_partitions_are_assigned_anew(kafka_ground: Ground) -> None:
    bus, (fencing, go_on) = await kafka_ground.bus(), (asyncio.Event(), asyncio.Event())

    async def fence(lost: frozenset[TopicPartition]) -> None:
        if fencing.is_set():
            await go_on.wait()

    await bus.publish(records(1, 0) + records(1, 1))
    one, slow, third = (bus.consumer("g", (TOPIC,), made) for made in (no_fence, fence, no_fence))
    for member in (one, slow):
        await member.start()
    await until(lambda: len(one.assigned()) == len(slow.assigned()) == 1)
    fencing.set()
    joining = asyncio.ensure_future(third.start())
    # Nobody gets anything before the slow one has ended its work.
    await until(lambda: not one.assigned())
    assert await one.progress() == {}
    go_on.set()
    await joining
    await until(lambda: sum(len(member.assigned()) for member in (one, slow, third)) == 2)
    for member in (one, slow, third):
        await member.stop()


async def test_a_client_whose_coordination_has_ended_is_built_anew_and_reads_on(
    kafka_ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    bus = await kafka_ground.bus()
    member = await kafka_ground.member(bus)
    assert isinstance(member, KafkaConsumer)
    await bus.publish(records(3))

    async def ended(**_: object) -> None:
        raise RuntimeError("unable to perform operation on <TCPTransport closed=True>; the handler is closed")

    monkeypatch.setattr(member._client, "getmany", ended)

    assert await member.poll(10) == {}
    assert [record.offset for record in await read(member, 3)] == [0, 1, 2]


async def test_no_unsafe_default_of_the_producer_is_in_force(kafka_ground: Ground) -> None:
    bus = await kafka_ground.bus()
    assert isinstance(bus, KafkaBus)
    producer = bus._producer
    assert producer is not None
    assert producer._sender._acks == -1
    assert producer._txn_manager is not None
    assert producer._txn_manager.transactional_id is None
    assert producer._compression_type is None


async def test_topics_are_made_as_they_are_written_down(kafka_ground: Ground) -> None:
    await kafka_ground.bus()
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_ground.servers)
    await admin.start()
    try:
        wanted = [ConfigResource(ConfigResourceType.TOPIC, kafka_ground.prefix + name) for name in topics()]
        answers = await admin.describe_configs(wanted)
    finally:
        await admin.close()
    found = {name: dict(entry[:2] for entry in entries) for answer in answers for _, _, _, name, entries in answer.resources}
    assert len(found) == len(topics())
    for topic in topics().values():
        config = found[kafka_ground.prefix + topic.name]
        assert config["message.timestamp.type"] == "LogAppendTime"
        assert config["cleanup.policy"] == ("compact" if topic.compact else "delete")
        assert config["retention.ms"] == str(topic.retention_ms)


async def test_topics_are_made_once_and_never_with_another_number_of_partitions(kafka_ground: Ground) -> None:
    bus = await kafka_ground.bus()
    await bus.create_topics()
    other = KafkaBus(str(kafka_ground.servers), Flow(), prefix=kafka_ground.prefix, partitions=3, replication=1)
    with pytest.raises(BusError, match="other partition counts"):
        await other.create_topics()


async def test_lanes_of_topics_that_have_to_match_are_of_the_same_number(kafka_ground: Ground) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_ground.servers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(kafka_ground.prefix + TOPIC, 3, 1)])
        async with asyncio.timeout(10):
            while kafka_ground.prefix + TOPIC not in await admin.list_topics():
                await asyncio.sleep(0.05)
    finally:
        await admin.close()
    bus = KafkaBus(str(kafka_ground.servers), Flow(), prefix=kafka_ground.prefix, partitions=2, replication=1)
    with pytest.raises(BusError, match="other partition counts"):
        await bus.create_topics()
    try:
        with pytest.raises(BusError, match="must have the same number of partitions"):
            await bus.start()
    finally:
        await bus.stop()


async def test_after_records_that_were_not_acknowledged_another_producer_sends(
    kafka_ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    bus = await kafka_ground.bus()
    assert isinstance(bus, KafkaBus)
    member = await kafka_ground.member(bus)

    async def out_of_sequence(*_: object, **__: object) -> None:
        raise OutOfOrderSequenceNumber

    monkeypatch.setattr(bus._producer, "send_batch", out_of_sequence)
    with pytest.raises(BusError, match="1 records were not acknowledged"):
        await bus.publish(records(1))
    await bus.publish(records(1))
    assert len(await read(member, 1)) == 1


async def test_missing_topics_are_named_with_the_command_that_makes_them(kafka_ground: Ground) -> None:
    bus = KafkaBus(str(kafka_ground.servers), Flow(), prefix="missing-")
    try:
        with pytest.raises(BusError, match="run `paycue topics`"):
            await bus.start()
    finally:
        await bus.stop()


async def test_a_broker_that_is_not_there_is_an_error_and_leaves_nothing_open() -> None:
    bus = KafkaBus("127.0.0.1:1", Flow())
    with pytest.raises(BusError, match="no Kafka answers at"):
        await bus.start()
    with pytest.raises(BusError, match="cannot be read or changed"):
        await bus.create_topics()


async def test_a_broker_that_says_nothing_is_not_waited_for_in_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_client, "START_SECONDS", 0.2)
    silent = await asyncio.get_running_loop().create_server(asyncio.Protocol, "127.0.0.1", 0)
    address = f"127.0.0.1:{silent.sockets[0].getsockname()[1]}"
    consumer = KafkaBus(address, Flow()).consumer("group", (TOPIC,), no_fence)
    with pytest.raises(BusError, match=f"no Kafka answers at {address}: nothing came of it"):
        await consumer.start()
    silent.close()


async def test_a_commit_that_waits_for_ever_is_given_up_and_made_again(kafka_ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    bus = await kafka_ground.bus()
    member = await kafka_ground.member(bus)
    assert isinstance(member, KafkaConsumer)
    await bus.publish(records(3))
    await read(member, 3)
    commit, tried = member._client.commit, list[object]()

    async def hangs_at_first(offsets: object) -> None:
        tried.append(offsets)
        await (asyncio.sleep(60) if len(tried) == 1 else commit(offsets))

    monkeypatch.setattr(kafka_consumer, "_ANSWER_SECONDS", 0.2)
    monkeypatch.setattr(member._client, "commit", hangs_at_first)
    told = Offsets("g", member.commit, Flow())
    told.tell({(TOPIC, 0): 3})
    await until(lambda: len(tried) == 2)
    await told.told()
    assert await member._client.committed(member._theirs((TOPIC, 0))) == 3


async def test_a_header_without_a_value_is_an_empty_one(kafka_ground: Ground) -> None:
    bus = await kafka_ground.bus()
    assert isinstance(bus, KafkaBus)
    member = await kafka_ground.member(bus)
    assert bus._producer is not None
    await bus._producer.send_and_wait(kafka_ground.prefix + TOPIC, b"v", partition=0, headers=[("ce_id", None)])
    (got,) = await read(member, 1)
    assert got.headers == (("ce_id", b""),)


async def test_nothing_hangs_when_the_broker_stops_answering(
    kafka_ground: Ground, kafka: LocalStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kafka._kafka is None:
        pytest.skip("the broker is not ours to freeze")
    monkeypatch.setattr("paycue.bus.kafka._PUBLISH_SECONDS", 1)
    monkeypatch.setattr("paycue.bus.kafka_client._STOP_SECONDS", 1)
    bus = await kafka_ground.bus()
    folder = Recorder()
    consumer, task = await kafka_ground.lanes(bus, folder)
    await bus.publish(records(1))
    await until(lambda: len(folder.folded) == 1 and kafka_ground.flow.outstanding() == [])
    pid = kafka._kafka.program._process.pid
    os.kill(pid, signal.SIGSTOP)
    try:
        # A busy machine takes a while to stop every thread.
        await until(lambda: psutil.Process(pid).status() == psutil.STATUS_STOPPED)
        # Three seconds for the producer, and five for offsets, if they were on their way when it stopped.
        async with asyncio.timeout(12):
            with pytest.raises(BusError, match="were not acknowledged"):
                await bus.publish(records(1))
            await consumer.stop()
            await task
            await bus.stop()
    finally:
        os.kill(pid, signal.SIGCONT)


async def test_a_process_is_given_the_same_lanes_in_every_group(kafka_ground: Ground) -> None:
    buses = [await kafka_ground.bus() for _ in range(2)]
    # The second process comes first in the second group.
    members = {group: [await kafka_ground.member(bus, group) for bus in order] for group, order in (("g", buses), ("h", buses[::-1]))}
    await until(lambda: all(len(member.assigned()) == 1 for group in members.values() for member in group))
    assert [member.assigned() for member in members["g"]] == [member.assigned() for member in members["h"][::-1]]
