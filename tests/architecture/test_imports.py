"""The import rules of pyproject.toml hold, and each of them would notice a violation."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
RULES = [rule["name"] for rule in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]]
PLANTED = {
    "paycue/ids.py": "import paycue.bus.fold",
    "paycue/money.py": "import services.payments.handlers",
    "services/scheduler/handlers.py": "import fastapi",
    "services/scheduler/store.py": "import services.payments.store",
    "services/scheduler/loops.py": "import sqlalchemy",
    "services/scheduler/api.py": "import twilio",
    "services/scheduler/domain/planted.py": "import os\nimport paycue.db.engine",
}


def lint_imports(root: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    return subprocess.run(command, cwd=root, env={"PYTHONPATH": str(root)}, capture_output=True, text=True, check=False)


def test_the_import_rules_hold() -> None:
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout[done.stdout.find("Contracts\n") :]


def test_every_rule_notices_a_violation(tmp_path: Path) -> None:
    for folder in ("paycue", "services"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for name, line in PLANTED.items():
        path = tmp_path / name
        path.write_text(f"{path.read_text() if path.exists() else ''}\n{line}\n")
    report = lint_imports(tmp_path).stdout
    assert [rule for rule in RULES if f"{rule} BROKEN" not in report] == []
