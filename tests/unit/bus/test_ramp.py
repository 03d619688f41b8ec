"""How much is taken at once."""

from paycue.bus.ramp import Ramp


def test_it_doubles_up_to_the_limit_and_begins_anew_after_a_rest() -> None:
    limit = 2000
    ramp = Ramp(lambda: limit)
    asked = []
    for _ in range(6):
        asked.append(ramp.ask())
        ramp.came(1)
    assert asked == [250, 500, 1000, 2000, 2000, 2000]
    assert ramp.came(0) == 0
    assert ramp.ask() == 250


def test_the_limit_of_the_moment_holds_at_once() -> None:
    limit = 2000
    ramp = Ramp(lambda: limit)
    for _ in range(4):
        ramp.ask()
        ramp.came(1)
    limit = 100
    assert ramp.ask() == 100
    assert ramp.came(7) == 7
