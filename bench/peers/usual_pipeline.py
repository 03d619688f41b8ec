"""The usual way: FastStream handlers and SQLAlchemy's ORM, one record = one session = one commit; one process.

Usage: usual_pipeline.py COUNT.

Invoice -> merge and a timer, commit -> due timers read, the reminder published, marked, commit -> reminder read and dropped. No
outbox and no inbox: what it saves there counts in its favour.
"""

import asyncio
import json
import logging
import os
import sys
import time
from datetime import UTC, datetime, timedelta

import uvloop
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from faststream.kafka import KafkaBroker
from sqlalchemy import BigInteger, DateTime, func, select
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

logging.disable(logging.WARNING)
KAFKA = os.environ["PEER_KAFKA"]
NAME = f"usual{time.time_ns()}"


class Base(DeclarativeBase):
    """The tables."""


class Invoice(Base):
    """An invoice as it was issued."""

    __tablename__ = "invoice"
    invoice_id: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str]
    account_id: Mapped[str]
    currency: Mapped[str]
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    due_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    email: Mapped[str]
    status: Mapped[int]


class Timer(Base):
    """When it is reminded."""

    __tablename__ = "timer"
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=True)
    invoice_id: Mapped[str]
    due_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), index=True)
    status: Mapped[int]


class Service:
    """All of it in one process."""

    def __init__(self, count: int) -> None:
        self.count, self.arrived, self.over = count, 0, asyncio.Event()
        self.engine = create_async_engine(os.environ["PEER_DATABASE"].replace("postgresql://", "postgresql+asyncpg://"), pool_size=5)
        self.session = async_sessionmaker(self.engine, expire_on_commit=False)
        self.broker = KafkaBroker(KAFKA, logger=None)
        self.reminders = self.broker.publisher(f"{NAME}.out")

    async def invoice_issued(self, event: dict[str, str | int]) -> None:
        due = datetime.now(UTC) - timedelta(days=1)
        async with self.session() as session:
            await session.merge(Invoice(**event, due_at=due, status=1))
            session.add(Timer(invoice_id=event["invoice_id"], due_at=due, status=0))
            await session.commit()

    async def reminder(self, event: dict[str, str | int]) -> None:
        self.arrived += 1
        if self.arrived >= self.count:
            self.over.set()

    async def fire(self) -> None:
        due = select(Timer).where(Timer.status == 0, Timer.due_at <= func.now()).order_by(Timer.due_at).limit(100)
        while not self.over.is_set():
            async with self.session() as session:
                timers = (await session.scalars(due.with_for_update(skip_locked=True))).all()
                for timer in timers:
                    invoice = await session.get(Invoice, timer.invoice_id)
                    assert invoice is not None
                    timer.status = 1
                    reminder = {"invoice_id": timer.invoice_id, "recipient": invoice.email, "amount_minor": invoice.amount_minor}
                    await self.reminders.publish(reminder, key=timer.invoice_id.encode())
                await session.commit()
            if not timers:
                await asyncio.sleep(0.01)

    async def run(self) -> tuple[float, float]:
        """Wall and CPU seconds for all."""
        self.broker.subscriber(f"{NAME}.in", auto_offset_reset="earliest")(self.invoice_issued)
        self.broker.subscriber(f"{NAME}.out", auto_offset_reset="earliest")(self.reminder)
        await self.broker.start()
        began, before = time.perf_counter(), time.process_time()
        firing = asyncio.create_task(self.fire())
        await self.over.wait()
        took = time.perf_counter() - began, time.process_time() - before
        await firing
        await self.broker.stop()
        await self.engine.dispose()
        return took


async def prepare(service: Service) -> None:
    """Tables, topics, and the invoices on theirs."""
    async with service.engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    admin = AIOKafkaAdminClient(bootstrap_servers=KAFKA)
    await admin.start()
    await admin.create_topics([NewTopic(f"{NAME}.{way}", 4, 1) for way in ("in", "out")])
    await admin.close()
    await asyncio.sleep(0.5)
    producer = AIOKafkaProducer(bootstrap_servers=KAFKA)
    await producer.start()
    for n in range(service.count):
        event = {"invoice_id": f"INV-{n:08d}", "tenant_id": "bench", "account_id": f"a{n}", "currency": "EUR", "amount_minor": 129_900}
        event["email"] = f"customer{n}@example-42.com"
        await producer.send(f"{NAME}.in", json.dumps(event).encode(), key=f"bench:a{n}".encode())
    await producer.flush()
    await producer.stop()


async def main(count: int) -> None:
    service = Service(count)
    await prepare(service)
    took, used = await asyncio.wait_for(service.run(), 240)
    print(json.dumps({"rate": count / took, "cpu_us": used / count * 1e6}))


uvloop.run(main(int(sys.argv[1])))
