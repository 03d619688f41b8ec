"""The disputes service at work on real PostgreSQL; whatever a test did, its invariants hold and nothing is a dead letter."""

from collections.abc import AsyncIterator

import pytest

from paycue.observability.invariants import violated
from services.disputes.main import SERVICE
from tests.integration.conftest import Start
from tests.integration.world import Running


@pytest.fixture
async def disputes(running_service: Start) -> AsyncIterator[Running]:
    running = await running_service(SERVICE)
    yield running
    async with running.runtime.database.transaction(["acme", "beta"]) as tx:
        assert await violated(tx, SERVICE.invariants) == []
        assert await tx.fetch("select reason from disputes.dead_letter") == []
