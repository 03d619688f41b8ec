"""What cannot be folded: kept with its reason, its account waiting in order behind it, everybody else going on, until a person decides."""

from datetime import timedelta

import msgspec
import pytest

from paycue.bus import poison
from paycue.bus.directory import Directory
from paycue.bus.envelope import Record
from paycue.bus.gauges import measure
from paycue.bus.letters import DeadLetter, StillPoison, replay
from paycue.bus.poison import Limit, TooMuchPoison
from paycue.events.v1.directory_pb2 import ApiKeyRegistered
from paycue.events.v1.invoice_pb2 import InvoiceIssued
from paycue.observability import metrics
from tests.integration.bus.till import START, Till, healed


def spoilt(record: Record, **headers: bytes) -> Record:
    return msgspec.structs.replace(record, headers=tuple((name, headers.get(name, value)) for name, value in record.headers))


async def fire_all(till: Till) -> None:
    while await till.folder.fold_due(2000):
        pass


async def only_letter(till: Till) -> DeadLetter:
    (letter,) = await till.letters()
    return letter


async def test_poison_is_kept_with_its_reason_and_place_and_the_rest_flows(till: Till) -> None:
    bad = till.record("poison 1")
    await till.fold(till.record("0"), bad, till.record("2"), till.record("1", "b"))
    letter = await only_letter(till)
    assert (letter.reason, letter.tenant, letter.account) == ("ZeroDivisionError: nothing to divide", "acme", "a")
    assert (letter.topic, letter.partition, letter.offset, letter.value) == (bad.topic, 0, bad.offset, bad.value)
    assert letter.headers["ce_id"] == "a-poison 1"
    assert (await till.numbers("a"), await till.numbers("b")) == (("0",), ("1",))


async def test_what_comes_later_for_a_parked_account_waits_in_order(till: Till) -> None:
    await till.fold(till.record("poison 1"), till.record("2"))
    await till.fold(till.record("3"), till.record("1", "b"), till.record("4"))
    assert await till.rows('select account_id, "offset" from till.parked order by id') == [("a", 1), ("a", 2), ("a", 4)]
    assert (await till.numbers("a"), await till.numbers("b")) == ((), ("1",))


async def test_a_replay_with_a_better_handler_folds_all_that_waited_in_order(till: Till) -> None:
    await till.fold(till.record("1"), till.record("poison 2"), till.record("3"))
    await till.fold(till.record("4"))
    folder = till.another({InvoiceIssued: healed})
    assert await replay(folder, await only_letter(till)) == 3
    assert await till.numbers() == ("1", "poison 2", "3", "4")
    assert (await till.parked(), await till.letters(), await till.rows("select count(*) from till.parked")) == (False, [], [(0,)])
    await till.fold(till.record("5"))
    assert (await till.numbers())[-1] == "5"


async def test_a_replay_that_fails_again_changes_nothing_and_says_why(till: Till) -> None:
    await till.fold(till.record("poison 1"), till.record("2"))
    before = await till.everything()
    with pytest.raises(StillPoison, match="it still cannot be folded: ZeroDivisionError"):
        await replay(till.folder, await only_letter(till))
    assert await till.everything() == before


async def test_a_replay_that_the_database_refuses_again_changes_nothing_and_says_why(till: Till) -> None:
    await till.fold(till.record("unstorable 1"), till.record("2"))
    before = await till.everything()
    with pytest.raises(StillPoison, match="it still cannot be stored"):
        await replay(till.folder, await only_letter(till))
    assert await till.everything() == before


async def test_a_discarded_letter_is_passed_over_and_what_waited_is_folded(till: Till) -> None:
    await till.fold(till.record("poison 1"), till.record("2"), till.record("3"))
    assert await replay(till.folder, await only_letter(till), discard=True) == 2
    assert (await till.numbers(), await till.parked(), await till.letters()) == (("2", "3"), False, [])


async def test_a_discarded_letter_takes_no_other_letter_of_its_account_with_it(till: Till) -> None:
    await till.fold(till.record("poison 1"), till.record("2"), spoilt(till.record("3"), ce_time=b"never"))
    first, _ = await till.letters()
    with pytest.raises(StillPoison, match="it still cannot be decoded"):
        await replay(till.folder, first, discard=True)
    await replay(till.another({InvoiceIssued: healed}), (await till.letters())[1], discard=True)
    assert (await till.numbers(), await till.letters()) == (("poison 1", "2"), [])


async def test_a_replay_leaves_the_account_of_the_same_id_of_another_creditor_as_it_is(till: Till) -> None:
    await till.fold(*(till.record(number, tenant=tenant) for tenant in ("acme", "beta") for number in ("poison 1", "2")))
    ours, theirs = await till.letters()
    await replay(till.folder, ours, discard=True)
    assert (await till.numbers(), await till.numbers(tenant="beta"), await till.letters()) == (("2",), (), [theirs])
    await replay(till.folder, theirs, discard=True)
    assert await till.numbers(tenant="beta") == ("2",)


async def test_a_discarded_record_that_is_delivered_again_parks_nobody(till: Till) -> None:
    poisoned, malformed = till.record("poison 1"), spoilt(till.record("1", "b"), ce_time=b"never")
    await till.fold(poisoned, malformed)
    for letter in await till.letters():
        await replay(till.folder, letter, discard=True)
    await till.fold(poisoned, malformed, till.record("2"), till.record("2", "b"))
    assert (await till.numbers("a"), await till.numbers("b"), await till.letters()) == (("2",), ("2",), [])


async def test_a_record_that_is_poison_once_more_is_open_again(till: Till) -> None:
    bad = till.record("poison 1")
    await till.fold(bad)
    await replay(till.folder, await only_letter(till), discard=True)
    await till.rows("delete from till.inbox returning id")
    await till.fold(bad, till.record("2"))
    assert (len(await till.letters()), await till.parked(), await till.numbers()) == (1, True, ())


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"ce_type": b"paycue.events.v1.Surprise"}, "unknown type: "),
        ({"ce_type": b"paycue.events.v2.InvoiceIssued"}, "newer schema: "),
        ({"ce_time": b"yesterday"}, "malformed: ce_time"),
        ({"ce_id": b""}, "malformed: the header ce_id"),
    ],
)
async def test_an_undecodable_record_parks_the_account_of_its_key_in_its_turn(till: Till, headers: dict[str, bytes], reason: str) -> None:
    await till.fold(till.record("1"), spoilt(till.record("2"), **headers), till.record("3"), till.record("1", "b"))
    letter = await only_letter(till)
    assert letter.reason.startswith(reason)
    assert (await till.numbers("a"), await till.numbers("b"), await till.parked()) == (("1",), ("1",), True)
    with pytest.raises(StillPoison, match="it still cannot be decoded"):
        await replay(till.folder, letter)
    assert await replay(till.folder, letter, discard=True) == 1
    assert await till.numbers("a") == ("1", "3")


@pytest.mark.parametrize("key", [None, b"acme", b"acme:\xff"])
async def test_an_undecodable_key_parks_nobody_and_can_only_be_discarded(till: Till, key: bytes | None) -> None:
    await till.fold(msgspec.structs.replace(till.record("1"), key=key), till.record("2"))
    letter = await only_letter(till)
    assert (letter.account, letter.parked, await till.numbers()) == (None, False, ("2",))
    with pytest.raises(StillPoison, match="belongs to no account"):
        await replay(till.folder, letter)
    assert await replay(till.folder, letter, discard=True) == 0
    assert await till.letters() == []


async def test_a_record_that_names_another_tenant_than_its_key_parks_neither(till: Till) -> None:
    foreign = till.record("1", tenant="beta")
    await till.fold(msgspec.structs.replace(foreign, key=b"acme:a"), till.record("2"), till.record("2", tenant="beta"))
    letter = await only_letter(till)
    assert letter.reason == "wrong tenant: the payload names 'beta', the key 'acme'"
    assert (letter.account, await till.numbers(), await till.numbers(tenant="beta")) == (None, ("2",), ("2",))


async def test_a_newer_schema_that_is_understood_meanwhile_is_folded_once_however_often_it_comes(till: Till) -> None:
    record = till.record("1")
    newer = spoilt(record, ce_time=b"not yet understood")
    await till.fold(newer)
    await till.rows(
        "update till.dead_letter set headers = replace(headers::text, 'not yet understood', '2013-01-02T05:00:00Z')::jsonb returning id"
    )
    await till.fold(record)
    assert await replay(till.folder, await only_letter(till)) == 1
    await till.fold(record)
    assert await till.numbers() == ("1",)


async def test_a_letter_that_reuses_an_id_is_never_applied(till: Till) -> None:
    await till.fold(till.record("1", event_id="e"), till.record("2", event_id="e"))
    with pytest.raises(StillPoison, match="another event has the id 'e'"):
        await replay(till.folder, await only_letter(till))
    await replay(till.folder, await only_letter(till), discard=True)
    assert (await till.numbers(), await till.parked()) == (("1",), False)


async def test_the_timer_of_a_parked_account_does_not_fire_until_it_goes_on(till: Till) -> None:
    await till.fold(till.record("timer 1"), till.record("poison 2"), till.record("timer 1", "b"))
    till.clock.set(START + timedelta(days=1))
    assert await till.store.next_due() == till.clock.now()
    assert await till.folder.fold_due(10) == 1
    assert await till.store.next_due() is None
    assert (await till.numbers("a"), await till.numbers("b")) == (("timer 1",), ("timer 1", "fired"))
    await replay(till.folder, await only_letter(till), discard=True)
    assert await till.folder.fold_due(10) == 1
    assert await till.numbers("a") == ("timer 1", "fired")


@pytest.mark.parametrize("what", ["poisoned-timer", "unstorable-timer"])
async def test_a_timer_that_is_poison_parks_its_account_and_the_others_fire(till: Till, what: str) -> None:
    await till.fold(*(till.record(f"{what if account == 'c' else 'timer'} 1", account) for account in "abcdefgh"))
    till.clock.set(START + timedelta(days=1))
    await fire_all(till)
    fired = [account for account in "abcdefgh" if (await till.numbers(account))[-1] == "fired"]
    assert ("".join(fired), await till.parked("c"), (await only_letter(till)).account) == ("abdefgh", True, "c")
    await till.fold(till.record("2", "c"))
    assert await till.rows("select count(*) from till.parked") == [(1,)]
    await replay(till.folder, await only_letter(till))
    assert await till.numbers("c") == (f"{what} 1", "2")
    assert await till.folder.fold_due(100) == 1
    assert await till.parked("c")


async def test_a_command_goes_through_to_a_parked_account(till: Till) -> None:
    await till.fold(till.record("poison 1"))
    assert await till.ring("stop") == [1]
    assert (await till.numbers(), await till.parked()) == (("stop",), True)


async def test_a_bad_deploy_stops_before_it_drains_the_topic_into_the_dead_letters(till: Till) -> None:
    batch = [till.record("poison 1", f"a{number}") for number in range(500)]
    with pytest.raises(TooMuchPoison, match="went to the dead letters"):
        await till.fold(*batch)
    assert Limit.AT_LEAST <= len(await till.letters()) <= 2 * Limit.AT_LEAST
    with pytest.raises(TooMuchPoison):
        await till.fold(*batch)
    assert len(await till.letters()) <= 4 * Limit.AT_LEAST


async def test_a_bad_deploy_stops_before_it_parks_every_timer(till: Till) -> None:
    await till.fold(*(till.record("poisoned-timer 1", f"a{number}") for number in range(200)))
    till.clock.set(START + timedelta(days=1))
    with pytest.raises(TooMuchPoison):
        await fire_all(till)
    assert len(await till.letters()) <= 2 * Limit.AT_LEAST


async def test_a_few_bad_records_among_many_stop_nothing(till: Till) -> None:
    await till.fold(*(till.record(f"{'poison ' if number % 40 == 0 else ''}{number}", f"a{number}") for number in range(1000)))
    assert len(await till.letters()) == 25
    assert await till.rows("select count(*) from till.line") == [(975,)]


async def test_one_consumers_poison_does_not_stop_another(till: Till) -> None:
    with pytest.raises(TooMuchPoison):
        await till.fold(*(till.record("poison 1", f"a{number}") for number in range(30)))
    await till.folder.fold_records("till.stops", [till.record("poison 1", "b"), till.record("1", "c")])
    assert await till.numbers("c") == ("1",)


async def test_more_than_may_wait_behind_one_account_stops_the_consumer_and_loses_nothing(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(poison, "MOST_PARKED", 3)
    await till.fold(till.record("poison 1"), till.record("2"), till.record("3"), till.record("4"))
    before = await till.everything()
    with pytest.raises(TooMuchPoison, match="3 records wait behind the parked account acme:a"):
        await till.fold(till.record("5"), till.record("1", "b"))
    assert await till.everything() == before


async def test_open_letters_parked_accounts_and_what_is_due_are_measured(till: Till) -> None:
    await till.fold(till.record("poison 1"), till.record("timer 1", "b"), msgspec.structs.replace(till.record("2"), key=b"nobody"))
    till.clock.set(START + timedelta(days=1))
    await measure(till.store, "till", till.clock.now())
    names = ("open_dead_letters", "parked_accounts", "outbox_pending", "due_accounts")
    assert [metrics.REGISTRY.get_sample_value(f"paycue_{name}", {"service": "till"}) for name in names] == [2, 1, 1, 1]


async def test_a_directory_event_that_cannot_be_read_is_a_dead_letter_and_parks_nobody(till: Till) -> None:
    directory = Directory(till.store, till.clock)
    bad = Record("operator.directory.v1", 0, 0, b"creditor:acme", b"\xff", (("ce_type", b"paycue.events.v1.CreditorRegistered"),))
    zone = Record("operator.directory.v1", 0, 1, b"creditor:acme", b"\x0a\x04acme\x1a\x04Mars", bad.headers)
    await directory.fold_records("till.directory", [bad, zone, msgspec.structs.replace(bad, headers=())])
    assert [letter.reason.partition(" with type")[0] for letter in await till.letters()] == [
        "malformed: Error parsing message",
        "malformed: zone is 'Mars', expected an IANA time zone, such as Europe/Vienna",
        "unknown type: operator.directory.v1 does not carry None",
    ]
    assert (await directory.creditor("acme"), await till.rows("select count(*) from till.account")) == (None, [(0,)])


async def test_whoever_listens_hears_of_each_entry_that_was_written(till: Till) -> None:
    directory, heard = Directory(till.store, till.clock), list[str]()
    directory.on_change.append(heard.append)
    headers = (("ce_type", b"paycue.events.v1.ApiKeyRegistered"),)
    event = ApiKeyRegistered(key_id="k1", secret_hash=bytes(32), revoked=True)
    record = Record("operator.directory.v1", 0, 0, b"key:k1", event.SerializeToString(), headers)
    await directory.fold_records("till.directory", [record, msgspec.structs.replace(record, value=b"\xff")])
    assert heard == ["key:k1"]


async def test_a_key_that_was_revoked_is_kept_as_revoked(till: Till) -> None:
    directory = Directory(till.store, till.clock)
    headers = (("ce_type", b"paycue.events.v1.ApiKeyRegistered"),)
    for offset, revoked in enumerate((False, True)):
        event = ApiKeyRegistered(key_id="k1", secret_hash=bytes(32), tenant_id="acme", scopes=["till:read"], revoked=revoked)
        await directory.fold_records(
            "till.directory", [Record("operator.directory.v1", 0, offset, b"key:k1", event.SerializeToString(), headers)]
        )
        known = await directory.api_key("k1")
        assert known is not None
        assert (known.tenant_id, known.scopes, known.revoked) == ("acme", ("till:read",), revoked)
