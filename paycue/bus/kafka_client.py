"""Starting and stopping aiokafka's producers and consumers, either of which may otherwise take for ever while connections end."""

import asyncio
from contextlib import suppress
from typing import Any

from aiokafka.errors import KafkaError

from paycue.bus.bus import BusError

START_SECONDS = 20
_STOP_SECONDS = 5


async def start_within(client: Any, servers: str) -> None:
    """Start a producer or consumer. Raises BusError when no Kafka answers.

    A connection that ends while a client begins may end the task that it waits for: then it would wait for ever, and say nothing.
    """
    try:
        async with asyncio.timeout(START_SECONDS):
            await client.start()
    except TimeoutError:
        await stop_within(client)
        raise BusError(f"no Kafka answers at {servers}: nothing came of it within {START_SECONDS} seconds") from None
    except (KafkaError, RuntimeError) as error:
        await stop_within(client)
        raise BusError(f"no Kafka answers at {servers}: {error}") from error


async def stop_within(client: Any) -> None:
    """Stop a producer or consumer: `stop()` hangs while the broker is down, and then never gets to closing its connections."""
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await client.stop()
    except (TimeoutError, KafkaError, RuntimeError):
        parts = (getattr(client, name, None) for name in ("_sender", "_fetcher", "client", "_client"))
        for part in parts:
            if part is not None:
                with suppress(TimeoutError, KafkaError, RuntimeError):
                    async with asyncio.timeout(1):
                        await part.close()
