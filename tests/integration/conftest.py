"""Services at work for integration tests: `running_service(SERVICE, **settings)` starts one on a database of its own."""

from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack
from typing import Any, Protocol

import pytest

from paycue.app import Service
from paycue.local.stack import LocalStack
from tests.integration.world import Running, run


class Start(Protocol):
    """Starts a service; its settings are the kernel's unless others are given."""

    def __call__(self, service: Service, **settings: Any) -> Awaitable[Running]: ...


@pytest.fixture
async def running_service(postgres: LocalStack) -> AsyncIterator[Start]:
    """Starts services that run until the test ends."""
    async with AsyncExitStack() as stack:

        async def start(service: Service, **settings: Any) -> Running:
            return await stack.enter_async_context(run(postgres.database_url, service, settings))

        yield start
