"""The stops that race a send, one function for each path they may come by: ERPs' topics, the services' APIs, debtors' own answers.

A path only fires; whoever has the receipt first acknowledges: the answer to the request, or the topic of receipts.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx2

from paycue.auth.links import sign as sign_link
from paycue.installation import SENDER_PHONE
from paycue.local.inbox.server import TWILIO_SID, TWILIO_TOKEN
from paycue.local.inbox.twilio import sign
from services.notifier.adapters.channels import INBOUND_CALLBACK
from tests.e2e.chaos.book import Debt, Stop
from tests.e2e.chaos.load import AMOUNT, publish
from tests.e2e.chaos.site import Site
from tests.e2e.day import today
from tests.e2e.estate import SECRET
from tests.e2e.world import World

WAIT = {"Prefer": "wait=5"}
PART = 4_000
"""Minor units of a payment in part."""
_ANSWERED_WITHIN = 90.0
_KNOWN_WITHIN = 900.0
"""Services that are killed all the time, on a machine with other work to do, may be minutes behind."""
_AGAIN = 0.1
_AT_ONCE = 256
PAID, DISPUTED, PAUSED, OPTED_OUT = (frozenset(reasons) for reasons in (
    {"settled"}, {"disputed"}, {"paused"},
    {"opted_out", "no_contact"},  # where the opt-out came before the account itself
))  # fmt: skip


@dataclass(frozen=True)
class Path:
    """A way for a stop to come. `channel`: only for accounts that are reached by it."""

    name: str
    reasons: frozenset[str]
    fire: Callable[["Races", World, Debt, Stop], Awaitable[None]]
    channel: str = ""
    part: bool = False
    """A payment of a part of an invoice, or of one of two."""


class Races:
    """Fires stops at debts at a moment around that at which their message leaves."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self._at_once = asyncio.Semaphore(_AT_ONCE)
        self._client = httpx2.AsyncClient(trust_env=False, timeout=20, limits=httpx2.Limits(max_connections=_AT_ONCE))
        self._worlds = {world.tenant: world for world in site.worlds}

    async def close(self) -> None:
        await self._client.aclose()

    async def fire(self, debt: Debt) -> None:
        """One race, to its acknowledgement or until nobody would wait any longer."""
        book = self.site.book
        path = book.rng.choice([path for path in PATHS if path.channel in ("", debt.channel)])
        left = _left(debt, path)
        stop = Stop(path.name, frozenset() if left else path.reasons, left)
        book.race(debt, stop)
        await asyncio.sleep(book.moment())
        async with self._at_once:
            stop.fired = time.monotonic()
            try:
                await path.fire(self, self._worlds[debt.tenant], debt, stop)
            except (AssertionError, TimeoutError) as refused:
                self.site.extra.append(f"{stop.path} of {debt.account}: {refused!r}")

    async def ask(self, method: str, url: str, world: World, stop: Stop, body: object) -> None:
        """A request that waits for its receipt; asked again under the same key while a service is down or does not know the account."""
        headers = {**WAIT, "Idempotency-Key": stop.stop_id or str(uuid4()), "Authorization": world.client.headers["Authorization"]}
        answer = await self._answered(lambda: self._client.request(method, url, json=body, headers=headers), stop.path)
        if told := _told(answer):
            stop.stop_id = told["stop_id"]
            if receipt := told.get("receipt"):
                at = time.monotonic()
                stop.acknowledge(at, receipt["calls_in_flight"], datetime.fromisoformat(receipt["none_started_after"]))

    async def call_back(self, url: str, form: dict[str, str], headers: dict[str, str], path: str) -> None:
        """What a provider or a debtor's mail program posts, again until it is taken."""
        await self._answered(lambda: self._client.post(url, data=form, headers=headers), path)

    async def _answered(self, ask: Callable[[], Awaitable[httpx2.Response]], path: str) -> httpx2.Response:
        deadline, answer = time.monotonic() + _ANSWERED_WITHIN, None
        while time.monotonic() < deadline:
            try:
                answer = await ask()
                if answer.status_code < 300:
                    return answer
            except httpx2.HTTPError:
                answer = None
            await asyncio.sleep(_AGAIN)
        text = "nobody answered" if answer is None else f"{answer.status_code} {answer.text[:300]}"
        raise AssertionError(f"{path} was not taken within {_ANSWERED_WITHIN:.0f} s: {text}")


def _told(answer: httpx2.Response) -> dict[str, Any] | None:
    if not answer.headers.get("content-type", "").startswith("application/json"):
        return None
    told: dict[str, Any] | None = answer.json().get("stop")
    return told


def _left(debt: Debt, path: Path) -> dict[str, int]:
    """What is left of the invoice that a stop touches, when a message of the rest is still to come; nothing when all is stopped."""
    first, *more = debt.invoices
    if more and (path.part or path.reasons == DISPUTED):
        return {first: 0}
    return {first: AMOUNT - PART} if path.part else {}


def _paid(debt: Debt, stop: Stop) -> tuple[list[str], int]:
    """The invoices that a payment names, and how much it is."""
    if not stop.left:
        return list(debt.invoices), AMOUNT * len(debt.invoices)
    ((invoice, left),) = stop.left.items()
    return [invoice], AMOUNT - left


async def payments_topic(races: Races, world: World, debt: Debt, stop: Stop) -> None:
    invoices, minor = _paid(debt, stop)
    record = world.record(world.payment(debt.account, f"p-{debt.account}", *invoices, minor=minor))
    stop.stop_id = dict(record.headers)["ce_id"].decode()
    await publish(races.site.plain, [record])


async def disputes_topic(races: Races, world: World, debt: Debt, stop: Stop) -> None:
    invoice = next(iter(debt.invoices))
    record = world.record(world.dispute(debt.account, f"d-{debt.account}", invoice))
    stop.stop_id = dict(record.headers)["ce_id"].decode()
    await publish(races.site.plain, [record])


async def payments_api(races: Races, world: World, debt: Debt, stop: Stop) -> None:
    invoices, minor = _paid(debt, stop)
    body = {"payment_id": f"p-{debt.account}", "currency": "EUR", "amount": f"{minor / 100:.2f}", "received_on": today()}
    await races.ask("POST", world.url("payments", f"/accounts/{debt.account}/payments"), world, stop, body | {"invoice_ids": invoices})


async def disputes_api(races: Races, world: World, debt: Debt, stop: Stop) -> None:
    invoice = next(iter(debt.invoices))
    body = {"invoice_id": invoice, "reason": "quality", "dispute_id": f"d-{debt.account}"}
    await races.ask("POST", world.url("disputes", f"/accounts/{debt.account}/disputes"), world, stop, body)


async def scheduler_api(races: Races, world: World, debt: Debt, stop: Stop) -> None:
    await races.ask("PUT", world.url("scheduler", f"/accounts/{debt.account}/pause"), world, stop, {"reason": "asked to wait"})


async def notifier_api(races: Races, world: World, debt: Debt, stop: Stop) -> None:
    body = {"address": debt.address, "evidence": "call"}
    await races.ask("POST", world.url("notifier", f"/accounts/{debt.account}/opt-outs"), world, stop, body)


async def _known(races: Races, world: World, debt: Debt) -> None:
    """Until the notifier knows the account's address: nobody answers a message that cannot have been sent yet."""
    async with asyncio.timeout(_KNOWN_WITHIN):
        while True:
            with contextlib.suppress(httpx2.HTTPError):
                answer = await world.client.get(world.url("notifier", f"/accounts/{debt.account}/gate"))
                if answer.status_code == 200 and answer.json()["contact_points"]:
                    return
            await asyncio.sleep(_AGAIN)


async def sms_reply(races: Races, world: World, debt: Debt, stop: Stop) -> None:
    """The provider itself goes on taking messages to this number, or it would hide what is sent too late."""
    sid, url = f"SM{uuid4().hex}", races.site.estate.urls["notifier"] + INBOUND_CALLBACK
    form = {"MessageSid": sid, "SmsSid": sid, "AccountSid": TWILIO_SID, "From": debt.address, "To": SENDER_PHONE, "Body": "STOP"}
    form |= {"OptOutType": "STOP", "NumMedia": "0", "NumSegments": "1", "ApiVersion": "2010-04-01"}
    stop.stop_id = f"twilio:{sid}"
    await _known(races, world, debt)
    await races.call_back(url, form, {"X-Twilio-Signature": sign(TWILIO_TOKEN, url, form)}, stop.path)


async def one_click(races: Races, world: World, debt: Debt, stop: Stop) -> None:
    """The link is one of an earlier mail."""
    fields = (world.tenant, debt.account, str(uuid4()), debt.address)
    token = sign_link(SECRET.encode(), "unsubscribe", fields, datetime.now(UTC) + timedelta(days=1))
    await races.call_back(f"{races.site.estate.urls['notifier']}/u/{token}", {"List-Unsubscribe": "One-Click"}, {}, stop.path)


PATHS = (
    Path("payment, topic", PAID, payments_topic),
    Path("part payment, topic", PAID, payments_topic, part=True),
    Path("payment, API", PAID, payments_api),
    Path("part payment, API", PAID, payments_api, part=True),
    Path("dispute, topic", DISPUTED, disputes_topic),
    Path("dispute, API", DISPUTED, disputes_api),
    Path("pause, API", PAUSED, scheduler_api),
    Path("opt-out, API", OPTED_OUT, notifier_api),
    Path("STOP by SMS", OPTED_OUT, sms_reply, channel="sms"),
    Path("one click in a mail", OPTED_OUT, one_click, channel="email"),
)
