"""An inbox to send to, and the clock it tells business time by."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from paycue.clock import SteppedClock
from paycue.local.inbox import LocalInbox


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock(datetime(2013, 2, 8, 14, 0, tzinfo=UTC))


@pytest.fixture
async def inbox(clock: SteppedClock) -> AsyncIterator[LocalInbox]:
    async with LocalInbox(clock=clock) as running:
        yield running
