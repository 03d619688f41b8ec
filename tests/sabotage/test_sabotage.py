"""The list fits the present tree, and the runner's verdicts are right, shown on a project of two files.

Trying the whole list is `make prove-sabotage`; nothing of the real tree is broken here.
"""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sabotage.__main__ import ROOT, prove
from tests.sabotage.sabotage import LIST, Sabotage, read_lists

SABOTAGES = read_lists([LIST])
ENOUGH = 24
TESTS = """
import pytest
from shop.price import total

def test_a_total(): assert total([1, 2]) == 3

def test_nothing(): assert total([]) == 0
"""


@pytest.mark.parametrize("sabotage", SABOTAGES, ids=lambda sabotage: sabotage.name)
def test_a_sabotage_applies_and_names_tests_that_exist(sabotage: Sabotage) -> None:
    broken = sabotage.broken(ROOT)
    if sabotage.file.endswith(".py"):
        ast.parse(broken)
    assert sabotage.caught_by
    for test in sabotage.caught_by:
        file, _, name = test.partition("::")
        assert (ROOT / file).is_file()
        assert not name or f"def {name.partition('[')[0]}(" in (ROOT / file).read_text()


def test_there_are_enough_of_them_and_none_only_names_what_is_not_there(tmp_path: Path) -> None:
    assert len(SABOTAGES) >= ENOUGH
    for number, sabotage in enumerate(SABOTAGES):
        if sabotage.file.endswith(".py"):
            (tmp_path / f"broken_{number}.py").write_text(sabotage.broken(ROOT))
    ruff = [
        str(Path(sys.executable).with_name("ruff")),
        "check",
        "--isolated",
        "--no-cache",
        "--select",
        "F821",
        "--output-format",
        "concise",
    ]
    done = subprocess.run([*ruff, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A project of one module and its tests."""
    root = tmp_path / "shop-project"
    for name, text in {
        "shop/__init__.py": "",
        "shop/price.py": "def total(prices):\n    found = sum(prices)\n    return found\n",
        "tests/test_price.py": TESTS,
        "pyproject.toml": "[tool.pytest.ini_options]\ntestpaths = ['tests']\n",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def made(name: str, after: str, before: str = "return found", test: str = "tests/test_price.py") -> Sabotage:
    return Sabotage(name, "a total", "shop/price.py", before, after, (test,))


CAUGHT = made("caught", "return found + 1")


def told(capsys: pytest.CaptureFixture[str]) -> tuple[dict[str, str], str]:
    """The verdict on each sabotage as the table shows it, and the last line."""
    lines = capsys.readouterr().out.splitlines()
    rows = [line.split("a total") for line in lines if "a total" in line]
    return {name.strip(): why.strip() for name, why in rows}, lines[-1]


def test_only_a_test_that_fails_is_a_catch(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sabotages = [
        CAUGHT,
        made("not caught", "return found or 0"),
        made("no such text", "return 0", "return nothing"),
        made("twice there", "x", "found"),
        made("no change", "return found"),
        made("no such module", "import shop.gone\n    return found"),
        made("no such import", "return found\n\nimport shop.gone"),
        made("no such name", "return fund"),
        made("no syntax", "return ("),
    ]
    assert prove(shop, sabotages, 2) == 1
    verdicts, last = told(capsys)
    assert last == "1 of 9 caught"
    assert {name: why.partition(":")[0] for name, why in verdicts.items()} == {
        "caught": "tests/test_price.py",
        "not caught": "NOT CAUGHT",
        **dict.fromkeys(("no such text", "twice there", "no change"), "DOES NOT APPLY"),
        **dict.fromkeys(("no such module", "no such import", "no such name", "no syntax"), "CANNOT RUN"),
    }
    assert "return found\n" in (shop / "shop/price.py").read_text()


def test_all_caught_ends_well_and_says_by_which_test(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sabotages = [CAUGHT, made("only one of two", "return found or 7", test="tests/test_price.py::test_nothing")]
    assert prove(shop, sabotages, 2) == 0
    verdicts, last = told(capsys)
    assert last == "2 of 2 caught"
    assert verdicts == {"caught": "tests/test_price.py::test_a_total", "only one of two": "tests/test_price.py::test_nothing"}


@pytest.mark.parametrize(
    ("added", "why"),
    [
        ("def test_three(): assert total([3]) == 4", "test_three"),
        ("def test_three(): pytest.skip('never')", "nothing passes of tests/test_price.py::test_three"),
        ("", "nothing passes of tests/test_price.py::test_three"),
        ("def test_three():\n    import sys; sys.path.insert(0, ELSEWHERE); import shop_two.x", "which is not the copy's"),
    ],
    ids=["fails", "is skipped", "does not exist", "runs other code"],
)
def test_a_test_that_does_not_pass_on_the_unbroken_tree_proves_nothing(
    shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], added: str, why: str
) -> None:
    for folder in (tmp_path / "elsewhere", shop):
        (folder / "shop_two").mkdir(parents=True)
        (folder / "shop_two" / "x.py").touch()
    (shop / "tests/test_price.py").write_text(f"{TESTS}\nELSEWHERE = {str(tmp_path / 'elsewhere')!r}\n{added}\n")
    assert prove(shop, [CAUGHT, made("another", "return 4", test="tests/test_price.py::test_three")], 1) == 1
    said = capsys.readouterr().out
    assert why in said
    assert said.splitlines()[-1].endswith("no sabotage was tried")


def test_what_is_no_list_is_named(tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text("- {name: skip the inbox, breaks: x, file: x, before: x, after: y}\n")
    assert len(read_lists([other])) == 1
    with pytest.raises(ValueError, match="two sabotages are called 'skip the inbox'"):
        read_lists([LIST, other])
    other.write_text("- {name: x, brakes: y}\n")
    with pytest.raises(ValueError, match=r"other\.yaml is no list of sabotages"):
        read_lists([other])
