"""The installation that end-to-end tests share: started once per test process, with the commands an operator would type."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from paycue.local.stack import LocalStack
from tests.e2e.estate import Estate, inbox_of_its_own, new_database
from tests.e2e.world import World, creditor


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One test process runs them all: they share a broker."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("kafka"))


@pytest.fixture(scope="session")
def estate(kafka: LocalStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Estate]:
    """Every service in a process of its own; at the end each must stop well."""
    with asyncio.Runner() as runner, inbox_of_its_own() as inbox:
        url = runner.run(new_database(kafka.database_url, "estate"))
        made = Estate(kafka, url, inbox, tmp_path_factory.mktemp("estate"))
        runner.run(_start(made))
        try:
            yield made
        finally:
            runner.run(made.stop())


async def _start(estate: Estate) -> None:
    await asyncio.gather(estate.run("migrate"), estate.run("topics"))
    await estate.start()


@pytest.fixture
async def world(estate: Estate) -> AsyncIterator[World]:
    """A creditor of its own for each test."""
    async with creditor(estate) as made:
        yield made
