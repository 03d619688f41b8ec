"""Real servers for the tests that need them: one PostgreSQL and one Kafka per test process, from wheels alone."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from paycue.local.stack import LocalStack


def _serve(folder: Path, kafka: bool) -> Iterator[LocalStack]:
    """A stack for the whole test process, in a loop of its own: tests come and go with theirs."""
    runner = asyncio.Runner()
    stack = LocalStack(folder, kafka=kafka, durable=False, say=lambda _: None)
    runner.run(stack.__aenter__())
    try:
        yield stack
    finally:
        runner.run(stack.__aexit__(None, None, None))
        runner.close()


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """PostgreSQL alone."""
    assert threading.current_thread() is threading.main_thread()
    yield from _serve(tmp_path_factory.mktemp("postgres"), kafka=False)


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """PostgreSQL and Apache Kafka."""
    yield from _serve(tmp_path_factory.mktemp("kafka"), kafka=True)
