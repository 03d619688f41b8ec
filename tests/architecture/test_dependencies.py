"""What is imported is declared, where it belongs: the kernel's packages in the base, a service's in its extra, tools in dev."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
NOT_IMPORTED = {"tzdata", "uvicorn"}
"""Data that zoneinfo reads, and the server whose [standard] parts are loaded by name."""
COME_WITH = {"starlette", "pydantic", "pydantic-core"}
"""Part of the public face of FastAPI and pydantic-settings, and versioned by them."""


def name(requirement: str) -> str:
    return re.split(r"[\[<>=~! ]", requirement)[0].lower().replace("_", "-")


OWNERS = packages_distributions()
BASE = {name(requirement) for requirement in PROJECT["dependencies"]}
EXTRAS = {extra: {name(requirement) for requirement in listed} for extra, listed in PROJECT["optional-dependencies"].items()}
PARTS = {
    "paycue": BASE,
    "paycue/local": BASE | EXTRAS["local"],
    "paycue/testing": BASE | EXTRAS["local"] | EXTRAS["dev"],
    **{f"services/{service}": BASE | EXTRAS[service] for service in ("scheduler", "notifier", "payments", "disputes")},
}


def sources(part: str) -> list[Path]:
    found = sorted((ROOT / part).rglob("*.py"))
    inner = [ROOT / other for other in PARTS if other.startswith(f"{part}/")]
    return [path for path in found if not any(path.is_relative_to(folder) for folder in inner) and not path.name.endswith("_pb2.py")]


def imported(path: Path) -> set[str]:
    """The distributions a file imports from, other than our own and the standard library."""
    roots = set[str]()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            roots |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            roots.add(node.module)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("wheel"):  # its folder is looked up, its code never imported
            roots |= {ast.literal_eval(argument) for argument in node.args if isinstance(argument, ast.Constant)}
    outside = {root for root in roots if root.partition(".")[0] not in sys.stdlib_module_names | {"paycue", "services"}}
    return {distribution(root) for root in outside}


def distribution(module: str) -> str:
    owners = OWNERS.get(module.partition(".")[0], [])
    if module.startswith("google.protobuf"):
        return "protobuf"
    return name(owners[0]) if owners else module


@pytest.mark.parametrize("part", PARTS)
def test_what_is_imported_is_declared_where_it_belongs(part: str) -> None:
    undeclared = {str(path.relative_to(ROOT)): imported(path) - PARTS[part] - COME_WITH for path in sources(part)}
    assert {path: names for path, names in undeclared.items() if names} == {}


def test_what_is_declared_for_run_time_is_imported() -> None:
    used = set[str]().union(*(imported(path) for part in PARTS for path in sources(part)))
    declared = BASE.union(*(names for extra, names in EXTRAS.items() if extra != "dev"))
    assert declared - used - NOT_IMPORTED == set()
