"""Every service is built alike: who has read one knows where everything is in all of them."""

import importlib
import re
import tomllib
from pathlib import Path
from types import FunctionType

import pytest

import paycue
from tools import generate_contracts as contracts
from tools.topics import read as read_topics

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SERVICES = sorted(path.name for path in (ROOT / "services").iterdir() if path.is_dir() and path.name != "__pycache__")
NEEDED = {"domain", "handlers.py", "store.py", "main.py", "migrations", "README.md"}
ALLOWED = NEEDED | {"__init__.py", "adapters", "loops.py", "api.py", "schemas.py", "invariants.py", "settings.py"}


def test_every_service_is_installed_by_name_and_has_an_extra_of_its_own() -> None:
    entries = PROJECT["entry-points"]["paycue.services"]
    assert entries == {name: f"services.{name}.main:SERVICE" for name in SERVICES}
    assert {*SERVICES} <= PROJECT["optional-dependencies"].keys()
    assert PROJECT["version"] == paycue.__version__
    assert all((ROOT / "requirements" / f"{name}.txt").is_file() for name in SERVICES)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_the_files_of_the_skeleton_and_no_others(service: str) -> None:
    found = {path.name for path in (ROOT / "services" / service).iterdir() if path.name != "__pycache__"}
    assert found - ALLOWED == set()
    assert NEEDED - found == set()


@pytest.mark.parametrize("service", SERVICES)
def test_main_is_composition_only(service: str) -> None:
    text = (ROOT / "services" / service / "main.py").read_text()
    assert len(text.splitlines()) <= 60
    assert not re.search(r"(?m)^class |^\s*(for|while|try)\b", text)


@pytest.mark.parametrize("service", SERVICES)
def test_a_handler_is_named_like_the_event_it_folds(service: str) -> None:
    handlers: dict[type, FunctionType] = importlib.import_module(f"services.{service}.handlers").HANDLERS
    events = contracts.event_classes()
    named = {kind.__name__: handler.__name__ for kind, handler in handlers.items() if events.get(kind.__name__) is kind}
    assert named == {name: re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower() for name in named}


@pytest.mark.parametrize("service", SERVICES)
def test_the_page_of_a_service_says_what_it_reads_and_writes(service: str) -> None:
    page = (ROOT / "services" / service / "README.md").read_text()
    topics = read_topics(contracts.PROTO / "topics.yaml").topics
    touched = {name for name, topic in topics.items() if service in (*topic.producers, *topic.consumers)}
    assert {name for name in touched if name not in page} == set()
    assert len(page.splitlines()) <= 120, "one page"
