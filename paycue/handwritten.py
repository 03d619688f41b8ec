"""YAML that people write by hand (mappings, policies), read strictly: a refusal names file, line, field, what was found, what is expected.

Values stay the text that was written, so `09:00`, `No` and `1.10` mean themselves, quoted or not; the getters give them types.
It must never guess: an unknown key, a key twice, or a value of another shape is an error, and no object is ever built from a tag.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn, TypeVar

import yaml

T = TypeVar("T")

_NULL = "tag:yaml.org,2002:null"
_LONGEST = 1_000_000
_SHOWN = 60


class HandwrittenError(Exception):
    """Something is wrong in a file that a person wrote.

    `line` counts from 1, 0 stands for the file as a whole; `field` is a path such as `steps[2].when`, "" for none.
    """

    def __init__(self, file: str, line: int, field: str, found: str, expected: str) -> None:
        place = ", ".join(part for part in (file, f"line {line}" if line else "", field) if part)
        super().__init__(f"{place}: found {found}, expected {expected}")
        self.file, self.line, self.field, self.found, self.expected = file, line, field, found, expected


def read(source: Path | str, name: str = "") -> "Node":
    """The root mapping of a file (a Path) or of a text (a str); `name` is what errors call it. Raises HandwrittenError."""
    file = name or (str(source) if isinstance(source, Path) else "text")
    text = text_of(source, file) if isinstance(source, Path) else source
    if len(text) > _LONGEST:
        raise HandwrittenError(file, 0, "", f"{len(text)} characters", f"at most {_LONGEST}")
    root = Node(file, "", _compose(text, file))
    root.keys()
    return root


def text_of(path: Path, file: str = "") -> str:
    """The text of a file; errors call it `file`, or by its path. Raises HandwrittenError."""
    file = file or str(path)
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise HandwrittenError(file, line, "", "bytes that are not UTF-8", "a text in UTF-8") from None
    except OSError as error:
        raise HandwrittenError(file, 0, "", (error.strerror or str(error)).lower(), "a file that can be read") from None


class Node:
    """One value of the file and where it stands. Getters raise HandwrittenError; lists count from 1 in `field`."""

    def __init__(self, file: str, field: str, node: yaml.Node) -> None:
        self.file, self.field, self._node = file, field, node
        self._children: dict[str, tuple[int, Node]] | None = None

    @property
    def line(self) -> int:
        """The line the value starts on, from 1."""
        return int(self._node.start_mark.line) + 1

    def fail(self, expected: str, found: str = "") -> NoReturn:
        """Refuse this value."""
        raise HandwrittenError(self.file, self.line, self.field, found or self._shown(), expected)

    def keys(self) -> list[str]:
        """The keys of a mapping, as written; those whose value is empty too."""
        return list(self._entries())

    def only(self, *known: str) -> "Node":
        """This mapping, after refusing every key that is not in `known`."""
        for key, (line, child) in self._entries().items():
            if key not in known:
                raise HandwrittenError(self.file, line, child.field, f"the unknown key {key!r}", f"one of {', '.join(known)}")
        return self

    def get(self, key: str) -> "Node | None":
        """The value of an optional key; None when the key is absent or its value is empty."""
        entry = self._entries().get(key)
        return None if entry is None or entry[1].empty else entry[1]

    def required(self, key: str) -> "Node":
        """The value of a key that has to be there."""
        found = self.get(key)
        if found is not None:
            return found
        if key in self._entries():
            raise HandwrittenError(self.file, self._entries()[key][0], self._path(key), "no value", "a value")
        raise HandwrittenError(self.file, self.line, self._path(key), "no such key", f"the key {key!r} with a value")

    def items(self) -> Iterator[tuple[str, "Node"]]:
        """Keys and values of a mapping, in the order of the file."""
        return ((key, child) for key, (_, child) in self._entries().items())

    def list(self) -> "list[Node]":
        """The members of a list, in order; an empty list is a list."""
        if not isinstance(self._node, yaml.SequenceNode):
            self.fail("a list")
        return [Node(self.file, f"{self.field}[{place}]", child) for place, child in enumerate(self._node.value, 1)]

    def text(self) -> str:
        """The text of a scalar, as written; it may be "" only if it is quoted."""
        if not isinstance(self._node, yaml.ScalarNode) or self.empty:
            self.fail("a text")
        return str(self._node.value)

    def integer(self, least: int | None = None, most: int | None = None) -> int:
        """A whole number within its limits."""
        text = self.text()
        digits = text.removeprefix("-")
        number = int(text) if digits.isascii() and digits.isdecimal() and len(digits) <= 18 else None
        if number is None or (least is not None and number < least) or (most is not None and number > most):
            limits = [f"{word} {limit}" for word, limit in (("at least", least), ("at most", most)) if limit is not None]
            self.fail(", ".join(["a whole number", *limits]))
        return number

    def choice(self, *known: str) -> str:
        """One of the words in `known`."""
        text = self.text()
        return text if text in known else self.fail(f"one of {', '.join(known)}")

    def parsed(self, parse: Callable[[str], T], expected: str) -> T:
        """What `parse` makes of the text; its ValueError is a refusal that names `expected`."""
        text = self.text()
        try:
            return parse(text)
        except ValueError:
            self.fail(expected)

    @property
    def empty(self) -> bool:
        """Whether nothing was written: an empty value, `~` or `null`."""
        return bool(self._node.tag == _NULL)

    def _path(self, key: str) -> str:
        return f"{self.field}.{key}" if self.field else key

    def _entries(self) -> "dict[str, tuple[int, Node]]":
        if self._children is None:
            self._children = self._read_entries()
        return self._children

    def _read_entries(self) -> "dict[str, tuple[int, Node]]":
        if not isinstance(self._node, yaml.MappingNode):
            self.fail("keys with values")
        entries: dict[str, tuple[int, Node]] = {}
        for key_node, value in self._node.value:
            line = int(key_node.start_mark.line) + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise HandwrittenError(self.file, line, self.field, "a key that is not a word", "a word")
            key = str(key_node.value)
            if key in entries:
                once = f"it once (line {entries[key][0]})"
                raise HandwrittenError(self.file, line, self._path(key), f"the key {key!r} a second time", once)
            entries[key] = (line, Node(self.file, self._path(key), value))
        return entries

    def _shown(self) -> str:
        if self.empty:
            return "nothing"
        if isinstance(self._node, yaml.ScalarNode):
            text = str(self._node.value)
            return repr(text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "...")
        return "a list" if isinstance(self._node, yaml.SequenceNode) else "keys with values"


def _compose(text: str, file: str) -> yaml.Node:
    try:
        node = yaml.compose(text.removeprefix("\ufeff"), Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        found = (error.problem or "something else").rpartition("found ")[2]
        raise HandwrittenError(file, mark.line + 1 if mark else 0, "", found, "well-formed YAML") from None
    except yaml.reader.ReaderError as error:
        line = text[: error.position].count("\n") + 1
        raise HandwrittenError(file, line, "", f"the control character {chr(error.character)!r}", "a plain text") from None
    except RecursionError:
        raise HandwrittenError(file, 0, "", "values nested too deeply", "a file of a few levels") from None
    if node is None:
        raise HandwrittenError(file, 0, "", "nothing", "keys with values")
    return node
