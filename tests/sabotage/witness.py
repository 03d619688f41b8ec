"""A pytest plugin that writes down what a run of a copied tree showed: which tests passed and failed, and whose code ran.

It stands outside the tree that is tested and must import nothing of it but the module that was changed.
"""

import importlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT, REPORT = Path(os.environ["SABOTAGE_ROOT"]).resolve(), Path(os.environ["SABOTAGE_REPORT"])
CHANGED = os.environ["SABOTAGE_CHANGED"]
_UNREADABLE = (SyntaxError, ImportError, NameError)
"""Code that cannot run at all; a test that stumbles over it has noticed nothing."""


class Witness:
    """What was seen: `failed` tests, those that `passed`, and what is `wrong` with the copy itself."""

    def __init__(self) -> None:
        self.failed, self.passed, self.wrong = list[str](), list[str](), list[str]()

    @pytest.hookimpl
    def pytest_sessionstart(self) -> None:
        """Import the changed module before any test does."""
        name = CHANGED.removesuffix(".py").replace("/", ".")
        if CHANGED.endswith(".py") and all(part.isidentifier() for part in name.split(".")):
            try:
                importlib.import_module(name)
            except Exception as error:
                self.wrong.append(f"{CHANGED} cannot be imported: {error!r}")
                self._write()
                pytest.exit("the changed module cannot be imported", returncode=3)

    @pytest.hookimpl
    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self.wrong.append(f"{report.nodeid} cannot be collected")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: Any, call: Any) -> Any:
        report = yield
        if report.failed:
            self.failed.append(item.nodeid)
            if call.excinfo is not None and isinstance(call.excinfo.value, _UNREADABLE):
                self.wrong.append(f"{item.nodeid} met code that cannot run: {call.excinfo.value!r}")
            # At once: what broke may keep the run from coming to its end.
            self._write()
        elif report.when == "call" and report.passed:
            self.passed.append(item.nodeid)
        return report

    @pytest.hookimpl
    def pytest_sessionfinish(self) -> None:
        self._write()

    def _write(self) -> None:
        """What was seen so far, whole or not at all."""
        seen = {"failed": self.failed, "passed": self.passed, "wrong": [*self.wrong, *_foreign()]}
        unfinished = REPORT.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(seen))
        unfinished.replace(REPORT)


def _foreign() -> Iterator[str]:
    """Modules of the tree that are not the copy's."""
    own = {path.name for path in ROOT.iterdir() if path.is_dir()}
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if name.partition(".")[0] in own and file and not Path(file).resolve().is_relative_to(ROOT):
            yield f"{name} was imported from {file}, which is not the copy's"


def pytest_configure(config: pytest.Config) -> None:
    """Have the run watched."""
    config.pluginmanager.register(Witness(), "sabotage-witness")
