"""Who gets which connection: one at a time each, never a closed one, and nobody waits for ever."""

import asyncio
from typing import Any

import pytest

from paycue.db.pool import Pool


class Line:
    """A connection as far as a pool knows it."""

    def __init__(self) -> None:
        self.closed = False

    def is_closed(self) -> bool:
        return self.closed

    async def close(self, timeout: float) -> None:
        self.closed = True


class Server:
    """Counts the connections it was asked for."""

    def __init__(self) -> None:
        self.made, self.down = list[Line](), False

    async def connect(self) -> Any:
        await asyncio.sleep(0)
        if self.down:
            raise ConnectionRefusedError
        self.made.append(Line())
        return self.made[-1]


async def taken_of(pool: Pool) -> Any:
    return await pool.take()


async def test_the_connection_given_back_last_is_taken_first() -> None:
    server = Server()
    pool = Pool(server.connect, 2)
    first, second = await taken_of(pool), await taken_of(pool)
    pool.give_back(first)
    pool.give_back(second)
    assert await taken_of(pool) is second
    assert len(server.made) == 2


async def test_a_connection_that_was_closed_meanwhile_is_not_handed_out() -> None:
    server = Server()
    pool = Pool(server.connect, 2)
    pool.give_back(await pool.take())
    server.made[0].closed = True
    taken = await taken_of(pool)
    assert server.made.index(taken) == 1
    taken.closed = True
    pool.give_back(taken)
    assert server.made.index(await taken_of(pool)) == 2


async def test_whoever_finds_none_free_waits_in_turn() -> None:
    pool = Pool(Server().connect, 1)
    held, order = await pool.take(), list[int]()

    async def wait(number: int) -> None:
        taken = await pool.take()
        order.append(number)
        await asyncio.sleep(0)
        pool.give_back(taken)

    waiting = [asyncio.create_task(wait(number)) for number in range(3)]
    await asyncio.sleep(0)
    pool.give_back(held)
    await asyncio.gather(*waiting)
    assert order == [0, 1, 2]


async def test_nobody_waits_longer_than_the_patience_and_no_place_is_lost_by_it() -> None:
    pool = Pool(Server().connect, 1, patience=0.01)
    held = await taken_of(pool)
    for _ in range(3):
        with pytest.raises(TimeoutError, match="no connection to the database got free"):
            await pool.take()
    pool.give_back(held)
    assert await taken_of(pool) is held


async def test_a_server_that_refuses_takes_no_place() -> None:
    server = Server()
    pool = Pool(server.connect, 1)
    server.down = True
    for _ in range(3):
        with pytest.raises(ConnectionRefusedError):
            await pool.take()
    server.down = False
    assert await taken_of(pool) is server.made[0]


async def test_whoever_is_cancelled_as_a_connection_gets_free_leaves_it_to_the_next() -> None:
    pool = Pool(Server().connect, 1)
    held = await taken_of(pool)
    given_up, next_one = asyncio.create_task(taken_of(pool)), asyncio.create_task(taken_of(pool))
    await asyncio.sleep(0)
    pool.give_back(held)
    given_up.cancel()
    assert await asyncio.wait_for(next_one, 1) is held
    with pytest.raises(asyncio.CancelledError):
        await given_up


async def test_closing_closes_what_is_idle() -> None:
    server = Server()
    pool = Pool(server.connect, 1)
    pool.give_back(await pool.take())
    await pool.close()
    assert server.made[0].closed
