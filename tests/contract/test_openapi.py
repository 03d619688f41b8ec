"""docs/api/*.openapi.json say what the APIs answer today, and every operation answers errors with problems."""

import json
from pathlib import Path
from typing import Any

import pytest

import paycue
from paycue.app import discover
from tools import generate_openapi

SNAPSHOTS = generate_openapi.ROOT / "docs" / "api"
SERVICES = [service.name for service in discover()]


def read(service: str) -> Any:
    return json.loads((SNAPSHOTS / f"{service}.openapi.json").read_text())


def test_describing_again_changes_nothing(tmp_path: Path) -> None:
    for fresh in generate_openapi.generate(tmp_path):
        assert fresh.read_text() == (SNAPSHOTS / fresh.name).read_text(), "run `make proto`"


@pytest.mark.parametrize("service", SERVICES)
def test_a_description_is_openapi_3_and_carries_the_version(service: str) -> None:
    document = read(service)
    assert document["openapi"].startswith("3.")
    assert document["info"]["version"] == paycue.__version__


@pytest.mark.parametrize("service", SERVICES)
def test_every_operation_has_a_name_of_its_own_and_answers_errors_with_problems(service: str) -> None:
    operations = [operation for path in read(service)["paths"].values() for operation in path.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(names) == len(set(names))
    for operation in operations:
        assert "application/problem+json" in operation["responses"]["default"]["content"]
