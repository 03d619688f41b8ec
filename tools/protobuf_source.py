"""Cuts one event out of the .proto files, with every type it refers to, so that a reader finds its whole definition in one place.

It reads the compiled descriptors to learn what refers to what, and the sources for the text and its comments.
"""

import re
from pathlib import Path

from google.protobuf.descriptor import Descriptor, EnumDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool

_BLOCK = re.compile(r"(?m)^(?:// .*\n)*(?:message|enum) (\w+) \{\n(?:.*\n)*?\}\n")


class Definitions:
    """Every message and enum of our package: its text, and what it refers to."""

    def __init__(self, proto: Path, image: bytes) -> None:
        """`proto` is the folder of the sources, `image` what `buf build` made of them."""
        files = FileDescriptorSet.FromString(image).file
        self._pool = DescriptorPool()
        for file in files:
            self._pool.Add(file)
        self._own = [file for file in files if file.package.startswith("paycue.")]
        sources = [(proto / file.name).read_text() for file in self._own]
        self._blocks = {block[1]: block[0] for text in sources for block in _BLOCK.finditer(text)}

    def events(self) -> list[str]:
        """Full names of the messages that are no part of another: what may stand in a topic."""
        messages = [self._pool.FindMessageTypeByName(f"{file.package}.{kind.name}") for file in self._own for kind in file.message_type]
        parts = {other.full_name for message in messages for other in _referred(message)}
        return sorted(message.full_name for message in messages if message.full_name not in parts)

    def about(self, full_name: str) -> str:
        """The comment above an event, as one line."""
        lines = self._blocks[_short(full_name)].split("message ")[0].splitlines()
        return " ".join(line.removeprefix("// ") for line in lines)

    def text(self, full_name: str) -> str:
        """A complete .proto text with the event first and then every type of ours it refers to."""
        names, queue, foreign = list[str](), [self._pool.FindMessageTypeByName(full_name)], set[str]()
        enums = list[str]()
        while queue:
            message = queue.pop(0)
            if message.file.package != full_name.rpartition(".")[0]:
                foreign.add(f'import "{message.file.name}";\n')
            elif message.name not in names:
                names.append(message.name)
                queue += [other for other in _referred(message) if isinstance(other, Descriptor)]
                enums += [other.name for other in _referred(message) if isinstance(other, EnumDescriptor) and other.name not in enums]
        head = f'syntax = "proto3";\n\npackage {full_name.rpartition(".")[0]};\n\n' + "".join(sorted(foreign)) + ("\n" if foreign else "")
        return head + "\n".join(self._blocks[name] for name in names + enums)


def _referred(message: Descriptor) -> list[Descriptor | EnumDescriptor]:
    return [kind for field in message.fields for kind in (field.message_type, field.enum_type) if kind]


def _short(full_name: str) -> str:
    return full_name.rpartition(".")[2]
