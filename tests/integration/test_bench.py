"""The benchmark runs: the floor and a storm of a few reminders on real servers, and every row can be imported."""

import importlib
from pathlib import Path

import psutil
import pytest

from bench import cpu
from bench.__main__ import ROWS
from bench.floor import floor_run
from bench.line import Line, at_least, at_most
from bench.storm import storm_run
from paycue.local.stack import LocalStack

pytestmark = pytest.mark.xdist_group("kafka")


@pytest.fixture(autouse=True)
def _whoever_else_is_at_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests run beside others; figures of so few reminders mean nothing anyway."""
    monkeypatch.setenv("BENCH_ANYWAY", "1")


async def test_floor_and_product_carry_reminders_to_their_end(kafka: LocalStack) -> None:
    floor = await floor_run(kafka, 200)
    storm = await storm_run(kafka, 200, others=1_000)

    assert (floor.count, storm.count) == (200, 200)
    assert floor.each.total > 0
    assert storm.each.python > 0


def test_every_row_has_its_module_and_every_module_its_row() -> None:
    modules = {path.stem for path in (Path(__file__).parents[2] / "bench" / "rows").glob("*.py")} - {"__init__"}

    assert modules == set(ROWS)
    assert all(callable(importlib.import_module(f"bench.rows.{name}").measure) for name in ROWS)


def test_a_loud_neighbour_spoils_a_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BENCH_ANYWAY")
    heard = iter([{(1, "compiler"): 0.0}, {(1, "compiler"): 1e6}])
    monkeypatch.setattr(cpu, "_others", lambda: next(heard))

    with pytest.raises(cpu.Noisy, match=r"compiler \(process 1\)"), cpu.alone():
        assert psutil.pid_exists(1)


def test_a_line_says_what_is_reached() -> None:
    reached = [Line("P1", "", ("", ""), [ratio], at_least(0.2, 0.5)).cells[-1] for ratio in (0.1, 0.2, 0.5)]

    assert reached == ["not yet", "first bar", "goal"]
    assert Line("P2", "", ("", ""), [1.9], at_most(5, 2)).cells[4:] == ["1.90", "<= 5", "<= 2", "goal"]
