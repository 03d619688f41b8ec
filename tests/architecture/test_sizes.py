"""Functions and files stay small enough to be read in one go: 25 and 250 lines, with few and bounded exceptions."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("paycue", "services", "tools")
FUNCTION, FUNCTION_AT_MOST = 25, 40
FILE, FILE_AT_MOST = 250, 400
EXCEPTIONS = 0.05
"""The share of functions (tables, matches) and files that may pass the first bound; none may pass the second."""


def sources() -> list[Path]:
    found = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
    return sorted(path for path in found if not path.name.endswith("_pb2.py") and "migrations" not in path.parts)


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Each function's place and its lines, from `def` to its last line."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", (node.end_lineno or node.lineno) - node.lineno + 1


def test_no_function_is_long_and_few_pass_the_bound() -> None:
    sizes = dict(size for path in sources() for size in functions(path))
    assert {where: lines for where, lines in sizes.items() if lines > FUNCTION_AT_MOST} == {}
    over = {where: lines for where, lines in sizes.items() if lines > FUNCTION}
    assert len(over) <= len(sizes) * EXCEPTIONS, over


def test_no_file_is_long_and_few_pass_the_bound() -> None:
    sizes = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in sources()}
    assert {name: lines for name, lines in sizes.items() if lines > FILE_AT_MOST} == {}
    over = {name: lines for name, lines in sizes.items() if lines > FILE}
    assert len(over) <= len(sizes) * EXCEPTIONS, over


def test_every_module_says_what_it_is_for() -> None:
    silent = [str(path.relative_to(ROOT)) for path in sources() if not ast.get_docstring(ast.parse(path.read_text()))]
    assert silent == []
