"""Connections of one database, kept open between uses: the one given back last is taken first, and whoever finds none free waits in turn.

Nothing here knows SQL or tenants. A connection that was closed meanwhile is never handed out.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

import asyncpg

Connection = asyncpg.Connection
_CLOSING_SECONDS = 5.0


class Pool:
    """At most `size` connections, made by `connect` as they are needed. Whoever waits longer than `patience` seconds is told so."""

    def __init__(self, connect: Callable[[], Awaitable[Connection]], size: int, patience: float = 5.0) -> None:
        self._connect, self._free, self.patience = connect, size, patience
        self._idle: list[Connection] = []
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def take(self) -> Connection:
        """A connection, until `give_back`. Raises TimeoutError when none gets free, and what connecting raises."""
        if self._free > 0:
            self._free -= 1
        else:
            await self._turn()
        try:
            return self._kept() or await self._connect()
        except BaseException:
            self._let_next()
            raise

    def give_back(self, connection: Connection) -> None:
        """Whoever waits longest may have it; a closed one makes room for a new one."""
        if not connection.is_closed():
            self._idle.append(connection)
        self._let_next()

    async def close(self) -> None:
        """Close what is idle."""
        idle, self._idle = self._idle, []
        for connection in idle:
            await connection.close(timeout=_CLOSING_SECONDS)

    def _kept(self) -> Connection | None:
        while self._idle:
            kept = self._idle.pop()
            if not kept.is_closed():
                return kept
        return None

    async def _turn(self) -> None:
        """Until somebody gives a connection back to us."""
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            async with asyncio.timeout(self.patience):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self._let_next()  # It was ours already, and nobody will use it.
            elif turn in self._waiting:
                self._waiting.remove(turn)
            if isinstance(error, TimeoutError):
                raise TimeoutError(f"no connection to the database got free within {self.patience:g} seconds") from None
            raise

    def _let_next(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                return turn.set_result(None)
        self._free += 1
