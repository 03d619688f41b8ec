"""A running scheduler whose creditor acme has the standard policy in force."""

import pytest

from services.scheduler.main import SERVICE
from tests.integration.conftest import Start
from tests.integration.scheduler.facts import POLICY, YAML
from tests.integration.world import Running

POLICIES = "/v1/creditors/acme/policies"


@pytest.fixture
async def bare(running_service: Start) -> Running:
    """No policy yet."""
    return await running_service(SERVICE)


@pytest.fixture
async def scheduler(bare: Running) -> Running:
    answer = await bare.client.put(f"{POLICIES}/standard", content=POLICY, headers=YAML)
    assert answer.status_code == 201, answer.text
    return bare
