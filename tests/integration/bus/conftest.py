"""Logs of both kinds: every test of the conformance suite runs in memory and on real Kafka."""

import itertools
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from paycue.local.stack import LocalStack
from tests.integration.bus.ground import Ground
from tests.integration.bus.till import Till
from tests.integration.bus.till import till as open_till

_numbers = itertools.count(1)


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.xdist_group("kafka"))])
def servers(request: pytest.FixtureRequest) -> str | None:
    """None for memory; else where Kafka answers."""
    return request.getfixturevalue("kafka").kafka if request.param == "kafka" else None


@pytest.fixture
async def ground(servers: str | None) -> AsyncIterator[Ground]:
    async with AsyncExitStack() as stack:
        yield Ground(servers, f"t{next(_numbers)}-", stack)


@pytest.fixture
async def kafka_ground(kafka: LocalStack) -> AsyncIterator[Ground]:
    """For what only Kafka has."""
    async with AsyncExitStack() as stack:
        yield Ground(kafka.kafka, f"k{next(_numbers)}-", stack)


@pytest.fixture
async def till(postgres: LocalStack) -> AsyncIterator[Till]:
    async with open_till(postgres.database_url) as made:
        yield made
