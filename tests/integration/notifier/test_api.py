"""The notifier's API: what it shows, what it takes, and what it keeps from others."""

from typing import Any

import pytest

from paycue.local.inbox import LocalInbox, SmtpFault
from tests.integration.notifier.conftest import Notifier
from tests.unit.notifier.story import MAIL, PHONE, account, due, item, money, registered

ACCOUNT = "/v1/creditors/acme/accounts/a1"
CONSENT = {"channel": "sms", "address": "+1 (202) 555-0123", "basis": "consent", "evidence": "form 7 of 2013-02-01"}


async def test_messages_are_listed_by_account_and_status_page_by_page(notifier: Notifier) -> None:
    await notifier.publish(account(MAIL), money("p1", "i9"))
    await notifier.publish(*(due(item(f"i{n}"), key=f"r{n}") for n in range(5)))
    await notifier.publish(due(item("i9"), key="waits"))
    seen: list[str] = []
    cursor: str | None = None
    while True:
        query = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = (await notifier.client.get(f"{ACCOUNT}/messages", params=query)).json()
        seen += [each["reminder_id"] for each in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == ["r0", "r1", "r2", "r3", "r4", "waits"]
    page = (await notifier.client.get("/v1/creditors/acme/messages", params={"status": "pending"})).json()
    (message,) = page["items"]
    assert (message["reminder_id"], message["reason"], message["invoice_ids"]) == ("waits", "stop_unresolved", ["i9"])


async def test_a_gate_shows_what_keeps_messages_in(notifier: Notifier) -> None:
    await notifier.publish(account(MAIL, PHONE), registered("d1", "i2", "evt"))
    await notifier.publish(money("p1", "i1"), event_id="pay-1")
    await notifier.publish(due(item("i1")))
    gate = (await notifier.client.get(f"{ACCOUNT}/gate")).json()
    assert [(stop["cause"], stop["invoice_ids"]) for stop in gate["stops"]] == [("payment:p1:pay-1", ["i1"])]
    assert gate["holds"] == [{"dispute_id": "d1", "invoice_id": "i2", "status": "open"}]
    assert [point["address"] for point in gate["contact_points"]] == [MAIL, PHONE]
    assert [(message["reminder_id"], message["waiting"]) for message in gate["messages"]] == [("r1", True)]


async def test_a_stop_released_by_a_person_lets_the_message_out(notifier: Notifier, inbox: LocalInbox) -> None:
    await notifier.publish(account(MAIL))
    await notifier.publish(money("p1", "i1"), event_id="pay-1")
    await notifier.publish(due(item("i1")))
    told = {"cause": "payment:p1:pay-1", "reason": "a test payment, says the bank"}
    assert (await notifier.client.post(f"{ACCOUNT}/stops/release", json=told)).status_code == 200
    await notifier.settle()
    assert inbox.count == 1
    assert (await notifier.client.post(f"{ACCOUNT}/stops/release", json=told)).status_code == 404


async def test_a_contact_point_with_consent_is_normalised_and_used_first(notifier: Notifier, inbox: LocalInbox) -> None:
    await notifier.publish(account("+12025550100"))
    answer = await notifier.client.post(f"{ACCOUNT}/contact-points", json=CONSENT)
    assert (answer.status_code, answer.json()["address"]) == (201, PHONE)
    await notifier.publish(due())
    assert [message.to for message in inbox.received] == [PHONE]


@pytest.mark.parametrize(
    ("changed", "pointer"),
    [
        ({"address": "ann@example.com"}, "#/address"),
        ({"address": "0202 555"}, "#/address"),
        ({"channel": "fax"}, "#/channel"),
        ({"basis": ""}, "#/basis"),
        ({"evidence": " "}, "#/evidence"),
        ({"evidence": None}, "#/evidence"),
        ({"role": "boss"}, "#/role"),
    ],
)
async def test_a_bad_contact_point_is_a_problem_that_names_the_field(notifier: Notifier, changed: dict[str, Any], pointer: str) -> None:
    answer = await notifier.client.post(f"{ACCOUNT}/contact-points", json=CONSENT | changed)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert "ann@example.com" not in answer.text, "an address is not repeated"


async def test_an_opt_out_and_an_opt_in_of_an_address_and_of_the_account(notifier: Notifier, inbox: LocalInbox) -> None:
    await notifier.publish(account(MAIL))
    note = {"evidence": "call of 10:15"}
    for number, body in enumerate(({"address": MAIL.upper()} | note, note)):
        assert (await notifier.client.post(f"{ACCOUNT}/opt-ins", json=body)).status_code == 409
        assert (await notifier.client.post(f"{ACCOUNT}/opt-outs", json=body)).json()["opted_out"] is True
        await notifier.publish(due(key=f"no-{number}"))
        assert inbox.count == number
        assert (await notifier.client.post(f"{ACCOUNT}/opt-ins", json=body)).json()["opted_out"] is False
        await notifier.publish(due(key=f"yes-{number}"))
        assert inbox.count == number + 1


async def test_an_opt_out_of_an_address_holds_for_every_account_of_the_creditor_and_no_other(notifier: Notifier, inbox: LocalInbox) -> None:
    await notifier.creditor("other")
    for tenant, name in (("acme", "a1"), ("acme", "a2"), ("other", "a3")):
        person, reminder = account(MAIL), due()
        person.tenant_id = reminder.tenant_id = tenant
        person.account_id = reminder.account_id = name
        await notifier.publish(person)
    body = {"address": MAIL, "evidence": "letter of 2013-01-02"}
    key = {"Idempotency-Key": "once"}
    first = await notifier.client.post("/v1/creditors/acme/opt-outs", json=body, headers=key)
    again = await notifier.client.post("/v1/creditors/acme/opt-outs", json=body, headers=key)
    assert (first.status_code, first.json()["accounts"], first.json()["stop"]["receipt"]["kind"]) == (201, 2, "opt_out")
    assert again.json() == first.json()
    for tenant, name in (("acme", "a1"), ("acme", "a2"), ("other", "a3")):
        reminder = due(key=f"r-{name}")
        reminder.tenant_id, reminder.account_id = tenant, name
        await notifier.publish(reminder)
    assert inbox.count == 1
    unknown = {"address": "nobody@example.com", "evidence": "letter"}
    assert (await notifier.client.post("/v1/creditors/acme/opt-outs", json=unknown)).status_code == 404


async def test_an_unknown_message_is_resent_by_a_person_once_per_key(notifier: Notifier, inbox: LocalInbox) -> None:
    inbox.fail(SmtpFault("accepted"))
    await notifier.publish(account(MAIL), due())
    why, key = {"reason": "the debtor says that nothing came"}, {"Idempotency-Key": "resend-1"}
    for _ in range(2):
        answer = await notifier.client.post(f"{ACCOUNT}/messages/r1/resend", json=why, headers=key)
        assert (answer.status_code, answer.json()) == (200, {"reminder_id": "r1", "status": "pending"})
        await notifier.settle()
    assert inbox.count == 2
    assert (await notifier.client.post(f"{ACCOUNT}/messages/r1/resend", json=why)).status_code == 409
    assert (await notifier.story())["attempts"][2]["what"] == "resend"


async def test_an_account_id_with_a_slash_is_one_account(notifier: Notifier) -> None:
    person = account(MAIL)
    person.account_id = "2013/001 ä"
    await notifier.publish(person)
    answer = await notifier.client.get("/v1/creditors/acme/accounts/2013%2F001%20%C3%A4/gate")
    assert (answer.status_code, answer.json()["account_id"]) == (200, "2013/001 ä")


ROUTES = [
    ("GET", "/messages", None),
    ("GET", "/accounts/a1/messages", None),
    ("GET", "/accounts/a1/messages/r1", None),
    ("GET", "/accounts/a1/gate", None),
    ("POST", "/accounts/a1/messages/r1/resend", {"reason": "x"}),
    ("POST", "/accounts/a1/stops/release", {"cause": "x", "reason": "x"}),
    ("POST", "/accounts/a1/contact-points", CONSENT),
    ("POST", "/accounts/a1/opt-outs", {"evidence": "x"}),
    ("POST", "/accounts/a1/opt-ins", {"evidence": "x"}),
    ("POST", "/opt-outs", {"address": MAIL, "evidence": "x"}),
]


async def test_another_creditors_key_meets_nothing_and_changes_nothing(notifier: Notifier) -> None:
    await notifier.publish(account(MAIL), due())
    before = (await notifier.client.get(f"{ACCOUNT}/gate")).json()
    other = await notifier.creditor("other")
    for method, path, body in ROUTES:
        answer = await notifier.client.request(method, f"/v1/creditors/acme{path}", json=body, headers=other)
        assert answer.status_code == 404, path
        assert (
            await notifier.client.request(method, f"/v1/creditors/acme{path}", json=body, headers={"Authorization": ""})
        ).status_code == 401
    own = await notifier.client.get("/v1/creditors/other/messages", headers=other)
    assert own.json()["items"] == []
    for path in ("/accounts/a1/messages/r1", "/accounts/a1/gate"):
        assert (await notifier.client.get(f"/v1/creditors/other{path}", headers=other)).status_code == 404
    assert (await notifier.client.get(f"{ACCOUNT}/gate")).json() == before


async def test_reading_needs_the_scope_to_read_and_writing_the_scope_to_write(notifier: Notifier) -> None:
    reads, writes = await notifier.key("acme", "notifier:read"), await notifier.key("acme", "notifier:write")
    for method, path, body in ROUTES:
        wrong = writes if method == "GET" else reads
        assert (await notifier.client.request(method, f"/v1/creditors/acme{path}", json=body, headers=wrong)).status_code == 403
