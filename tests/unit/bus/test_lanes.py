"""A lane belongs to a member that owns its partition of every topic, and to nobody while two members share it."""

from paycue.bus.consumer import lanes_of


def test_a_lane_is_owned_when_its_partition_of_every_topic_is() -> None:
    owned = {("a", 0), ("a", 1), ("b", 1), ("b", 2), ("other", 3)}
    assert lanes_of(("a", "b"), frozenset(owned)) == {1}


def test_without_any_partition_of_one_topic_no_lane_is_owned() -> None:
    assert lanes_of(("a", "b"), frozenset({("a", 0), ("a", 1)})) == frozenset()
