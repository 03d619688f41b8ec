"""Twenty kills and two thousand races of a stop against a send, on real servers: nothing lost, nothing twice, nothing late, nothing out of
order. What the providers received is the truth; the whole table is shown when anything is wrong.
"""

import asyncio
from collections.abc import Iterator

import pytest

from tests.e2e.chaos.campaign import Outcome, plan, run
from tests.e2e.chaos.races import PATHS

SEED, KILLS, RACES = 1, 20, 2000
FAULTS = ("ambiguous commits", "cut network", "frozen owner", "poison", "mail dropped", "mail silent", "sms failing", "sms silent")
"""Those after which reminders flow on within a second or two; `make prove` draws from all."""


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcome]:
    """One run, judged from several sides."""
    with asyncio.Runner() as runner:
        planned = plan(SEED, KILLS, len(FAULTS), FAULTS)
        yield runner.run(run(tmp_path_factory.mktemp("chaos"), SEED, planned, RACES, _quiet))


def _quiet(_: str) -> None:
    """pytest shows the table of a run that failed."""


def test_nothing_is_lost_and_nothing_is_sent_twice(outcome: Outcome) -> None:
    total = outcome.judged.total
    assert (total.lost, total.duplicate) == (0, 0), outcome.text()


def test_no_message_arrives_after_a_stop_that_was_acknowledged_without_it(outcome: Outcome) -> None:
    total = outcome.judged.total
    assert (total.late, total.unacknowledged) == (0, 0), outcome.text()


def test_nothing_is_told_that_was_taken_away_before_and_no_event_comes_out_of_order(outcome: Outcome) -> None:
    assert outcome.judged.total.inversions == 0, outcome.text()


def test_everything_comes_to_rest_and_every_invariant_of_every_service_holds(outcome: Outcome) -> None:
    assert outcome.broken == [], outcome.text()


def test_every_service_was_killed_and_frozen_and_stops_came_by_every_path_before_and_after_their_send(outcome: Outcome) -> None:
    assert sum(count for name, count in outcome.drawn.items() if name.startswith("SIG")) == KILLS
    assert outcome.races >= RACES
    assert {name for name, row in outcome.judged.paths.items() if row.sent} == {path.name for path in PATHS}
    assert sum(row.withdrawn for row in outcome.judged.paths.values()) > RACES / 20
