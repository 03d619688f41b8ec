"""What an orchestrator and a scraper ask: is the loop turning, may traffic come, what do the numbers say.

A probe never changes anything, and a check that hangs counts as failed.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from paycue.http.problems import about
from paycue.observability.metrics import REGISTRY

Check = Callable[[], Awaitable[str | None]]
"""None when all is well, else a sentence that says what is not."""

Notes = Callable[[], list[str]]
"""What is not as it should be and is no reason to keep traffic away."""

_DEADLINE = 2.0

router = APIRouter(include_in_schema=False)


@router.get("/healthz")
async def healthz() -> Response:
    """Answers while the loop turns, whatever else is down: a restart would not cure that."""
    await asyncio.sleep(0)
    return Response(msgspec.json.encode({"alive": True}), media_type="application/json")


@router.get("/readyz")
async def readyz(request: Request) -> Response:
    """200 when every check of `app.state.checks` is content, else 503 with what is not."""
    failed = await failures(request.app.state.checks)
    if failed:
        return about(503, "; ".join(f"{name}: {why}" for name, why in sorted(failed.items())), "/readyz").response()
    notes = {name: said for name, notes in request.app.state.notes.items() if (said := notes())}
    return Response(msgspec.json.encode({"ready": True} | ({"notes": notes} if notes else {})), media_type="application/json")


@router.get("/metrics")
async def metrics() -> Response:
    """Every metric of the process in Prometheus' text format."""
    return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)


async def failures(checks: Mapping[str, Check]) -> dict[str, str]:
    """The checks that are not content, asked together."""
    answers = await asyncio.gather(*(_ask(check) for check in checks.values()))
    return {name: answer for name, answer in zip(checks, answers, strict=True) if answer is not None}


async def _ask(check: Check) -> str | None:
    try:
        async with asyncio.timeout(_DEADLINE):
            return await check()
    except TimeoutError:
        return f"no answer within {_DEADLINE:.0f} seconds"
    except Exception as error:
        # The probe's answer is the report: what failed, by its kind; its text may name hosts and users.
        return type(error).__name__
